// SPDX-License-Identifier: MIT
/*
 * Buffers that O_DIRECT would not take go piece by piece through a bounce buffer, and so do
 * requests that begin or end within a host block. It is the same way that a short transfer goes on:
 * move what can be moved, then submit the rest.
 *
 * A queue has a few of them. A request that finds none waits for one, and takes it in the deferred
 * work of the turn in which it was given back.
 */
#include <errno.h>
#include <stdlib.h>

#include "blk/internal.h"

bool blk_bounce_needed(const struct blk_request *r)
{
    uintptr_t bits = r->io.offset;

    for (unsigned i = 0; i < r->data.cnt; i++) {
        bits |= (uintptr_t)r->data.iov[i].iov_base | r->data.iov[i].iov_len;
    }
    return bits & (r->q->blk->image->align - 1);
}

static void take(struct blk_request *r)
{
    struct blk_queue *q = r->q;

    r->bounce = q->bounce_free[--q->nr_bounce_free];
    blk_request_submit(r);
}

void blk_bounce_start(struct blk_request *r)
{
    struct blk_queue *q = r->q;

    stat_add(&q->stats.bounced, 1);
    if (q->nr_bounce_free) {
        take(r);
    } else {
        list_add_tail(&q->waiting, &r->node);
    }
}

/* A read takes the host blocks around the piece. A write of a part of a block is a piece by itself.
 */
bool blk_bounce_fill(struct blk_request *r)
{
    const struct blk *blk = r->q->blk;
    uint32_t mask = blk->host_block - 1, len = BLK_BOUNCE_SIZE;
    bool in_part = r->io.op != ENGINE_READ && blk_in_part(blk, r->io.offset, r->left);

    r->skip = r->io.offset & mask;
    if (in_part) {
        len = blk->host_block;
    } else if (r->left < len - r->skip) {
        len = r->io.op == ENGINE_READ ? (r->skip + r->left + mask) & ~mask : r->left & ~mask;
    }
    r->piece = r->left < len - r->skip ? r->left : len - r->skip;
    r->bounce_iov = (struct iovec){.iov_base = r->bounce, .iov_len = len};
    r->io.iov = &r->bounce_iov;
    r->io.iovcnt = 1;
    if (in_part) {
        return false;
    }
    if (r->io.op == ENGINE_WRITE) {
        iov_gather(&r->data, r->bounce, len);
    }
    r->io.offset -= r->skip;
    return true;
}

ssize_t blk_bounce_moved(struct blk_request *r, ssize_t res)
{
    r->io.offset += r->skip;
    if (res <= 0 || (size_t)res > r->bounce_iov.iov_len) {
        return res;
    }
    res -= r->skip;
    return res < 0 ? 0 : res < r->piece ? res : r->piece;
}

static void resume(void *opaque)
{
    struct blk_queue *q = opaque;

    while (q->nr_bounce_free && !list_empty(&q->waiting)) {
        struct blk_request *r = list_entry(q->waiting.next, struct blk_request, node);

        list_del(&r->node);
        take(r);
    }
}

void blk_bounce_release(struct blk_request *r)
{
    struct blk_queue *q = r->q;

    q->bounce_free[q->nr_bounce_free++] = r->bounce;
    r->bounce = NULL;
    if (!list_empty(&q->waiting)) {
        aio_defer(q->ctx, &q->resume);
    }
}

int blk_bounce_init(struct blk_queue *q)
{
    const struct image *image = q->blk->image;

    list_init(&q->waiting);
    aio_deferred_init(&q->resume, resume, q);
    if (image->align <= 1) {
        return 0;
    }
    q->bounce_mem = aligned_alloc(image->align, BLK_BOUNCE_MAX * BLK_BOUNCE_SIZE);
    if (!q->bounce_mem) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < BLK_BOUNCE_MAX; i++) {
        q->bounce_free[q->nr_bounce_free++] = q->bounce_mem + i * BLK_BOUNCE_SIZE;
    }
    return 0;
}

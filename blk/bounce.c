// SPDX-License-Identifier: MIT
/*
 * Bounce buffers. O_DIRECT rejects buffers and offsets that are not aligned; such a request is
 * moved piece by piece through an aligned buffer. The pieces are submitted one after another, as
 * after a short transfer of the host.
 *
 * A queue has BLK_BOUNCE_MAX buffers. A request that finds none waits. It gets one in the deferred
 * work of the turn in which another request gives its buffer back.
 */
#include <errno.h>
#include <stdlib.h>

#include "blk/bounce.h"
#include "blk/partial.h"

bool blk_bounce_needed(const struct blk_request *r)
{
    uintptr_t bits = r->io.offset;

    for (unsigned i = 0; i < r->parsed.data.cnt; i++) {
        bits |= (uintptr_t)r->parsed.data.iov[i].iov_base | r->parsed.data.iov[i].iov_len;
    }
    return bits & (r->q->blk->image->align - 1);
}

static void take(struct blk_bounce_pool *pool, struct blk_request *r)
{
    r->bounce.buf = pool->free[--pool->nr_free];
    r->bounced = true;
}

bool blk_bounce_take(struct blk_request *r)
{
    struct blk_bounce_pool *pool = &r->q->bounce;

    stat_add(&r->q->stats.bounced, 1);
    if (!pool->nr_free) {
        list_add_tail(&pool->waiting, &r->node);
        return false;
    }
    take(pool, r);
    return true;
}

/* A read covers the host blocks around the piece. A write to a part of a block is a piece of its
 * own. */
bool blk_bounce_fill(struct blk_request *r)
{
    const struct blk *blk = r->q->blk;
    struct blk_bounce *b = &r->bounce;
    uint64_t left = r->parsed.left;
    uint32_t mask = blk->host_block - 1, len = BLK_BOUNCE_SIZE;
    bool partial = r->io.op != ENGINE_READ && blk_is_partial(blk, r->io.offset, left);

    b->skip = r->io.offset & mask;
    if (partial) {
        len = blk->host_block;
    } else if (left < len - b->skip) {
        len = r->io.op == ENGINE_READ ? (b->skip + left + mask) & ~mask : left & ~mask;
    }
    b->piece = left < len - b->skip ? left : len - b->skip;
    b->iov = (struct iovec){.iov_base = b->buf, .iov_len = len};
    r->io.iov = &b->iov;
    r->io.iovcnt = 1;
    if (partial) {
        return false;
    }
    if (r->io.op == ENGINE_WRITE) {
        iov_gather(&r->parsed.data, b->buf, len);
    }
    r->io.offset -= b->skip;
    return true;
}

ssize_t blk_bounce_moved(struct blk_request *r, ssize_t res)
{
    const struct blk_bounce *b = &r->bounce;

    r->io.offset += b->skip;
    if (res <= 0 || (size_t)res > b->iov.iov_len) {
        return res;
    }
    res -= b->skip;
    return res < 0 ? 0 : res < b->piece ? res : b->piece;
}

static void resume(void *opaque)
{
    struct blk_bounce_pool *pool = opaque;

    while (pool->nr_free && !list_empty(&pool->waiting)) {
        struct blk_request *r = list_entry(pool->waiting.next, struct blk_request, node);

        list_del(&r->node);
        take(pool, r);
        pool->submit(r);
    }
}

void blk_bounce_release(struct blk_request *r)
{
    struct blk_bounce_pool *pool = &r->q->bounce;

    pool->free[pool->nr_free++] = r->bounce.buf;
    r->bounced = false;
    if (!list_empty(&pool->waiting)) {
        aio_defer(r->q->ctx, &pool->resume);
    }
}

int blk_bounce_init(struct blk_queue *q, void (*submit)(struct blk_request *r))
{
    struct blk_bounce_pool *pool = &q->bounce;
    unsigned align = q->blk->image->align;

    list_init(&pool->waiting);
    pool->submit = submit;
    aio_deferred_init(&pool->resume, resume, pool);
    if (align <= 1) {
        return 0;
    }
    pool->mem = aligned_alloc(align, BLK_BOUNCE_MAX * BLK_BOUNCE_SIZE);
    if (!pool->mem) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < BLK_BOUNCE_MAX; i++) {
        pool->free[pool->nr_free++] = pool->mem + i * BLK_BOUNCE_SIZE;
    }
    return 0;
}

void blk_bounce_destroy(struct blk_queue *q)
{
    free(q->bounce.mem);
}

// SPDX-License-Identifier: MIT
/*
 * Writes of a part of a host block: the guest's blocks may be smaller than the host's, and O_DIRECT
 * takes whole blocks of the host only. The block is read into the bounce buffer, changed there and
 * written back.
 *
 * Two such writes of one block at a time would lose one: the second would write back what the first
 * has changed. So a request holds the block from the read to the end of the write, and others that
 * need the same block wait, in the order in which they came, also those of other I/O threads. A
 * write of whole host blocks takes no part in that: it meets a write of a part of its blocks only
 * if the two overlap for the guest, too.
 */
#include <string.h>

#include "blk/internal.h"

static void go_on(struct blk_request *r);

void blk_partial_init(struct blk_partial *p)
{
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->busy);
}

void blk_partial_destroy(struct blk_partial *p)
{
    pthread_mutex_destroy(&p->lock);
}

/* --- who has the block --- */

/* Of the requests in @busy on one block, the first one holds it. */
static struct blk_request *first_on(struct blk_partial *p, uint64_t block)
{
    for (struct list *n = p->busy.next; n != &p->busy; n = n->next) {
        struct blk_request *r = list_entry(n, struct blk_request, partial);

        if (r->block == block) {
            return r;
        }
    }
    return NULL;
}

/* Return: whether the block is held now; else go_on() follows. */
static bool hold(struct blk_request *r)
{
    struct blk_partial *p = &r->q->blk->partial;
    bool held;

    pthread_mutex_lock(&p->lock);
    list_add_tail(&p->busy, &r->partial);
    held = first_on(p, r->block) == r;
    pthread_mutex_unlock(&p->lock);
    return held;
}

static void release(struct blk_request *r)
{
    struct blk_partial *p = &r->q->blk->partial;
    struct blk_request *next;

    pthread_mutex_lock(&p->lock);
    list_del(&r->partial);
    next = first_on(p, r->block);
    if (next) {
        /* With the lock: once it is out of @granted, @next and its queue may come to their end. */
        list_add_tail(&next->q->granted, &next->node);
        aio_bh_schedule(&next->q->grant);
    }
    pthread_mutex_unlock(&p->lock);
}

static void granted(void *opaque)
{
    struct blk_queue *q = opaque;
    struct list batch;

    pthread_mutex_lock(&q->blk->partial.lock);
    list_take(&batch, &q->granted);
    pthread_mutex_unlock(&q->blk->partial.lock);
    while (!list_empty(&batch)) {
        struct blk_request *r = list_entry(batch.next, struct blk_request, node);

        list_del(&r->node);
        go_on(r);
    }
}

void blk_partial_init_queue(struct blk_queue *q)
{
    list_init(&q->granted);
    aio_bh_init(q->ctx, &q->grant, granted, q);
}

/* --- read, change, write --- */

/* @res: what the engine has moved with the guest's part, or -errno. */
static void end(struct blk_request *r, ssize_t res)
{
    release(r);
    r->io.op = r->op;
    r->io.cb = blk_request_done;
    blk_request_done(&r->io, res);
}

static void submit(struct blk_request *r)
{
    int ret = engine_submit(r->q->engine, &r->io);

    if (ret < 0) {
        end(r, ret);
    }
}

/* Less than a block, where the file ends, is nothing of the guest's. */
static ssize_t whole(const struct blk_request *r, ssize_t res)
{
    return res < 0 || (size_t)res == r->bounce_iov.iov_len ? res : 0;
}

static void block_written(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);

    end(r, whole(r, res));
}

static void block_read(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);

    res = whole(r, res);
    if (res <= 0) {
        end(r, res);
        return;
    }
    if (r->op == ENGINE_WRITE) {
        iov_gather(&r->data, r->bounce + r->skip, r->piece);
    } else {
        memset(r->bounce + r->skip, 0, r->piece);
    }
    io->op = ENGINE_WRITE;
    io->cb = block_written;
    submit(r);
}

static void go_on(struct blk_request *r)
{
    r->io.op = ENGINE_READ;
    r->io.cb = block_read;
    submit(r);
}

void blk_partial_start(struct blk_request *r)
{
    r->io.offset -= r->skip;
    r->block = r->io.offset;
    r->op = r->io.op;
    if (hold(r)) {
        go_on(r);
    }
}

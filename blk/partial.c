// SPDX-License-Identifier: MIT
/*
 * Writes to a part of a host block. The guest's blocks may be smaller than the host's, and O_DIRECT
 * takes whole host blocks only. So the host block is read into the bounce buffer, changed there and
 * written back.
 *
 * Two concurrent writes to parts of one block would lose one of them: the second one would write
 * back what the block had before the first one. So a request holds its block from the read to the
 * end of the write. Other requests for a part of the same block wait in the order of their arrival,
 * also those of other I/O threads. Writes of whole host blocks do not wait: they touch a block that
 * is held only if the guest itself has two overlapping writes in flight.
 */
#include <string.h>

#include "blk/partial.h"

static void read_block(struct blk_request *r);

void blk_partial_init(struct blk_busy_blocks *busy)
{
    pthread_mutex_init(&busy->lock, NULL);
    list_init(&busy->requests);
}

void blk_partial_destroy(struct blk_busy_blocks *busy)
{
    pthread_mutex_destroy(&busy->lock);
}

/* --- which request holds a block --- */

/* The first request for @block in the list holds it. */
static struct blk_request *holder(struct blk_busy_blocks *busy, uint64_t block)
{
    for (struct list *n = busy->requests.next; n != &busy->requests; n = n->next) {
        struct blk_request *r = list_entry(n, struct blk_request, partial.node);

        if (r->partial.block == block) {
            return r;
        }
    }
    return NULL;
}

/* Return: whether @r holds its block now; if not, read_block() follows. */
static bool hold_block(struct blk_request *r)
{
    struct blk_busy_blocks *busy = &r->q->blk->busy_blocks;
    bool held;

    pthread_mutex_lock(&busy->lock);
    list_add_tail(&busy->requests, &r->partial.node);
    held = holder(busy, r->partial.block) == r;
    pthread_mutex_unlock(&busy->lock);
    return held;
}

static void release_block(struct blk_request *r)
{
    struct blk_busy_blocks *busy = &r->q->blk->busy_blocks;
    struct blk_request *next;

    pthread_mutex_lock(&busy->lock);
    list_del(&r->partial.node);
    next = holder(busy, r->partial.block);
    if (next) {
        /* Under the lock: once @next has left the list of grants, its queue may be freed. */
        list_add_tail(&next->q->grants.requests, &next->node);
        aio_bh_schedule(&next->q->grants.resume);
    }
    pthread_mutex_unlock(&busy->lock);
}

static void resume(void *opaque)
{
    struct blk_queue *q = opaque;
    struct list batch;

    pthread_mutex_lock(&q->blk->busy_blocks.lock);
    list_take(&batch, &q->grants.requests);
    pthread_mutex_unlock(&q->blk->busy_blocks.lock);
    while (!list_empty(&batch)) {
        struct blk_request *r = list_entry(batch.next, struct blk_request, node);

        list_del(&r->node);
        read_block(r);
    }
}

void blk_partial_init_queue(struct blk_queue *q)
{
    list_init(&q->grants.requests);
    aio_bh_init(q->ctx, &q->grants.resume, resume, q);
}

/* --- read, change, write --- */

/* @res: bytes moved by the engine, or -errno. */
static void finish(struct blk_request *r, ssize_t res)
{
    release_block(r);
    r->io.op = r->partial.op;
    r->io.cb = r->partial.cb;
    r->io.cb(&r->io, res);
}

static void submit(struct blk_request *r)
{
    int ret = engine_submit(r->q->engine, &r->io);

    if (ret < 0) {
        finish(r, ret);
    }
}

/* The host moves less than a block only at the end of a file that was cut: then 0 bytes count. */
static ssize_t whole_block(const struct blk_request *r, ssize_t res)
{
    return res < 0 || (size_t)res == r->bounce.iov.iov_len ? res : 0;
}

static void block_written(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);

    finish(r, whole_block(r, res));
}

static void block_read(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);

    res = whole_block(r, res);
    if (res <= 0) {
        finish(r, res);
        return;
    }
    if (r->partial.op == ENGINE_WRITE) {
        iov_gather(&r->parsed.data, r->bounce.buf + r->bounce.skip, r->bounce.piece);
    } else {
        memset(r->bounce.buf + r->bounce.skip, 0, r->bounce.piece);
    }
    io->op = ENGINE_WRITE;
    io->cb = block_written;
    submit(r);
}

static void read_block(struct blk_request *r)
{
    r->io.op = ENGINE_READ;
    r->io.cb = block_read;
    submit(r);
}

void blk_partial_start(struct blk_request *r)
{
    r->io.offset -= r->bounce.skip;
    r->partial.block = r->io.offset;
    r->partial.op = r->io.op;
    r->partial.cb = r->io.cb;
    if (hold_block(r)) {
        read_block(r);
    }
}

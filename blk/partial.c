// SPDX-License-Identifier: MIT
/*
 * Writes to a part of a host block. The guest's blocks may be smaller than the host's, and O_DIRECT
 * takes whole host blocks only. So the host block is read into the bounce buffer, changed there and
 * written back.
 *
 * Between the read and the end of the write, no other request may change the block: the write would
 * put the old data back, also where the two requests do not overlap, and after the other request
 * has completed. So a request holds its block from the read to the end of the write. A later
 * request that changes the same block waits, also if it belongs to another I/O thread. Requests
 * that wait get their blocks in the order of their arrival.
 *
 * On a disk whose host blocks are larger than the guest's, writes, write zeroes and discards of
 * whole host blocks hold their blocks, too. Two of them do not wait for each other. On other disks
 * they do not come here: two requests change the same host block only if the guest itself has two
 * overlapping changes in flight.
 */
#include <string.h>

#include "blk/partial.h"

static void change_blocks(struct blk_request *r);

void blk_partial_init(struct blk_busy_blocks *busy)
{
    pthread_mutex_init(&busy->lock, NULL);
    list_init(&busy->requests);
}

void blk_partial_destroy(struct blk_busy_blocks *busy)
{
    pthread_mutex_destroy(&busy->lock);
}

/* --- which requests hold their blocks --- */

static bool conflict(const struct blk_partial *a, const struct blk_partial *b)
{
    return (a->in_part || b->in_part) && a->begin < b->end && b->begin < a->end;
}

/* Return: whether an earlier request in the list keeps @r from its blocks. */
static bool must_wait(const struct blk_busy_blocks *busy, const struct blk_request *r)
{
    for (struct list *n = r->partial.node.prev; n != &busy->requests; n = n->prev) {
        if (conflict(&list_entry(n, struct blk_request, partial.node)->partial, &r->partial)) {
            return true;
        }
    }
    return false;
}

/* Return: whether @r holds its blocks now; if not, change_blocks() follows. */
static bool hold_blocks(struct blk_request *r)
{
    struct blk_busy_blocks *busy = &r->q->blk->busy_blocks;
    bool waiting;

    pthread_mutex_lock(&busy->lock);
    list_add_tail(&busy->requests, &r->partial.node);
    busy->nr_in_part += r->partial.in_part;
    waiting = busy->nr_in_part && must_wait(busy, r);
    r->partial.waiting = waiting;
    busy->nr_waiting += waiting;
    pthread_mutex_unlock(&busy->lock);
    return !waiting;
}

/* Under the lock: once @r has left the list of grants, its queue may be freed. */
static void grant(struct blk_busy_blocks *busy, struct blk_request *r)
{
    r->partial.waiting = false;
    busy->nr_waiting--;
    list_add_tail(&r->q->grants.requests, &r->node);
    aio_bh_schedule(&r->q->grants.resume);
}

static void release_blocks(struct blk_request *r)
{
    struct blk_busy_blocks *busy = &r->q->blk->busy_blocks;
    struct list *later;

    pthread_mutex_lock(&busy->lock);
    later = r->partial.node.next;
    list_del(&r->partial.node);
    busy->nr_in_part -= r->partial.in_part;
    for (; busy->nr_waiting && later != &busy->requests; later = later->next) {
        struct blk_request *next = list_entry(later, struct blk_request, partial.node);

        if (next->partial.waiting && conflict(&r->partial, &next->partial) &&
            !must_wait(busy, next)) {
            grant(busy, next);
        }
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
        change_blocks(r);
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
    release_blocks(r);
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

static void blocks_changed(struct engine_req *io, ssize_t res)
{
    finish(container_of(io, struct blk_request, io), res);
}

/* The request holds its blocks. */
static void change_blocks(struct blk_request *r)
{
    if (r->partial.in_part) {
        r->io.op = ENGINE_READ;
        r->io.cb = block_read;
    } else {
        r->io.cb = blocks_changed;
    }
    submit(r);
}

static void start(struct blk_request *r, uint64_t len)
{
    r->partial.begin = r->io.offset;
    r->partial.end = r->io.offset + len;
    r->partial.op = r->io.op;
    r->partial.cb = r->io.cb;
    if (hold_blocks(r)) {
        change_blocks(r);
    }
}

void blk_partial_start(struct blk_request *r)
{
    r->io.offset -= r->bounce.skip;
    r->partial.in_part = true;
    start(r, r->bounce.iov.iov_len);
}

void blk_partial_start_whole(struct blk_request *r, uint64_t len)
{
    r->partial.in_part = false;
    start(r, len);
}

// SPDX-License-Identifier: MIT
/*
 * One queue of the block device in the loop of its I/O thread: chains are taken from the ring here,
 * and parsed and served by request.c.
 *
 * A turn takes at most as many chains as the ring has, so that a driver that never stops cannot
 * starve the other sources of the thread. Chains beyond that are taken in the next turn.
 *
 * Notifications are suppressed while the loop is awake. They are re-enabled just before it blocks,
 * and the ring is checked once more: often the driver has added its next chain by then. If the
 * eventfd has fired, the queue reads it before it re-enables notifications. The chain of that kick
 * is served before the read; if the read consumes a later kick, too, the last check finds its
 * chain.
 *
 * A disk may have limits (throttle-group.h). While they do not admit its next request, the queue is
 * closed: the handler of its kicks is removed, notifications are suppressed, and the loop looks at
 * the ring only when the group calls. When no chain is left that has to wait, the queue is opened as
 * if it was started: notifications on, the handler, and a look at the ring.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk/blk-log.h"
#include "blk/bounce.h"
#include "blk/complete.h"
#include "blk/hold.h"
#include "blk/host-io.h"
#include "blk/merge.h"
#include "blk/partial.h"
#include "blk/queue.h"
#include "blk/request.h"
#include "blk/sample.h"

#define BATCH 16 /* chains whose headers are prefetched before the first one is parsed */

/* --- chains --- */

static void fault(struct blk_queue *q)
{
    const struct virtq_fault *f = &q->vq->vq.fault;

    aio_handler_remove(&q->kick);
    aio_bh_cancel(&q->more);
    throttle_leave(&q->throttle);
    blk_log(q, q->stats.faults,
            "the guest broke the queue: %s (chain %u, descriptor %u, 0x%" PRIx64 ")", f->what,
            f->head, f->desc, f->addr);
    stat_add(&q->stats.faults, 1);
    virtio_set_needs_reset(&q->blk->dev);
}

static void charge(struct blk_queue *q, const struct virtq_chain *c);
static void serve_limited(struct blk_queue *q);

/*
 * Takes chains until the known ones are used up, or *@budget is, or BATCH of them are taken, and
 * starts them. Return: as virtq_pop(), of the last one.
 * @limited: only one, which is charged; a constant, so that the queues of a disk without limits have
 * code of their own.
 */
static inline __attribute__((always_inline)) int take_batch(struct blk_queue *q, unsigned *budget,
                                                            bool limited)
{
    struct virtqueue *vq = &q->vq->vq;
    struct blk_request *batch[BATCH];
    unsigned max = limited ? 1 : *budget < BATCH ? *budget : BATCH, n = 0;
    int ret;

    do {
        struct blk_request *r = q->free[q->nr_free - 1];

        ret = virtq_pop(vq, &r->chain);
        if (ret <= 0) {
            break;
        }
        q->nr_free--;
        prefetch_to_write(r->chain.iov[0].iov_base); /* header; the status byte is near */
        batch[n++] = r;
        trace_request_seen(q->trace, q, &r->io);
    } while (n < max && virtq_has_known_work(vq));

    q->until_timed -= (int)n;
    if (__builtin_expect(q->until_timed < 0, 0)) {
        blk_sample_seen(q, batch, n);
    }
    *budget -= n;
    store_relaxed(&q->in_flight, q->in_flight + n);
    if (limited && n) {
        charge(q, &batch[0]->chain);
    }
    for (unsigned i = 0; i < n; i++) {
        if (blk_request_start(batch[i]) < 0) {
            batch[i]->timed = false;
            q->free[q->nr_free++] = batch[i];
            store_relaxed(&q->in_flight, q->in_flight - 1);
        }
    }
    return vq->fault.what ? -EINVAL : ret;
}

/* Submits what was taken in this turn. @ret: of the last take_batch(). Return: false: a fault. */
static inline bool end_turn(struct blk_queue *q, unsigned taken, int ret)
{
    virtq_prefetch_used(&q->vq->vq, taken);
    blk_merge_submit(q);
    if (ret < 0) {
        fault(q);
        return false;
    }
    if (taken) {
        aio_count_batch(&q->kick, taken);
    }
    return true;
}

static void serve(void *opaque)
{
    struct blk_queue *q = opaque;
    struct virtqueue *vq = &q->vq->vq;
    unsigned budget = vq->size;
    int ret;

    if (__builtin_expect(throttle_group_limited(q->throttle.group), 0)) {
        serve_limited(q);
        return;
    }
    /* A driver that made several chains available has perhaps added more by now: one more look at
     * the ring costs less than another turn. */
    do {
        ret = take_batch(q, &budget, false);
    } while (ret > 0 && budget && (virtq_has_known_work(vq) || budget + 1 < vq->size));
    end_turn(q, vq->size - budget, ret);
}

bool blk_queue_serve(struct blk_queue *q)
{
    if (!q->kick.ctx) {
        return false;
    }
    /* Back into the poll set: then the loop finds the chains, and re-enables notifications before
     * it blocks. The bottom half makes the loop take a turn. */
    aio_handler_in_flight(&q->kick);
    aio_bh_schedule(&q->more);
    return true;
}

/* --- the handler --- */

static void read_kicks(struct blk_queue *q)
{
    uint64_t n = 0;

    while (read(q->vq->kick_fd, &n, sizeof(n)) < 0 && errno == EINTR) {
    }
    stat_add(&q->stats.kicks, n);
    aio_count_syscall(&q->kick);
    q->kick_unread = false;
}

static void kicked(void *opaque, int revents)
{
    struct blk_queue *q = opaque;

    if (q->kick_unread) {
        read_kicks(q); /* else the descriptor stays readable */
    } else {
        q->kick_unread = true;
    }
    serve(q);
}

static bool has_work(void *opaque)
{
    struct blk_queue *q = opaque;

    return virtq_has_work(&q->vq->vq);
}

static void poll_begin(void *opaque)
{
    struct blk_queue *q = opaque;

    virtq_suppress(&q->vq->vq);
}

static void poll_end(void *opaque)
{
    struct blk_queue *q = opaque;

    if (q->kick_unread) {
        read_kicks(q);
    }
    virtq_unsuppress(&q->vq->vq); /* the loop checks the ring once more after that */
}

static const struct aio_handler_ops kick_ops = {
    .ready = kicked,
    .poll = has_work,
    .poll_ready = serve,
    .poll_begin = poll_begin,
    .poll_end = poll_end,
};

/* --- limits --- */

/* Until the limits admit the next request, kicks and polling would be for nothing. */
static void close_ring(struct blk_queue *q)
{
    if (!q->closed) {
        q->closed = true;
        aio_bh_cancel(&q->more);
        aio_handler_remove(&q->kick); /* which turns notifications on if the loop is polling */
        virtq_suppress(&q->vq->vq);
    }
}

/* Return: 0, or -errno if the loop cannot watch the queue. */
static int open_ring(struct blk_queue *q)
{
    int ret =
        aio_handler_add(q->ctx, &q->kick, q->vq->kick_fd, POLLIN, &kick_ops, q, q->name, NULL);

    if (ret == 0) {
        aio_handler_count_done(&q->kick, &q->nr_pushed);
        /* The driver may have added chains without a kick: before DRIVER_OK, or while the queue
         * was closed. */
        aio_bh_schedule(&q->more);
    }
    return ret;
}

static void reopen_ring(struct blk_queue *q)
{
    throttle_leave(&q->throttle);
    virtq_unsuppress(&q->vq->vq);
    if (open_ring(q) == 0) {
        q->closed = false;
    } else {
        virtq_suppress(&q->vq->vq);
        throttle_retry(&q->throttle); /* the host is out of memory */
    }
}

/* By the sizes of the buffers: the driver can change the header after it is read here, but not these.
 * A flush has no data. */
static __attribute__((noinline)) void charge(struct blk_queue *q, const struct virtq_chain *c)
{
    if (c->in_bytes > 1) {
        throttle_began(&q->throttle, THROTTLE_READ, 1, c->in_bytes - 1);
    }
    if (c->out_bytes > sizeof(struct virtio_blk_outhdr)) {
        throttle_began(&q->throttle, THROTTLE_WRITE, 1,
                       c->out_bytes - sizeof(struct virtio_blk_outhdr));
    }
}

static __attribute__((noinline)) void serve_limited(struct blk_queue *q)
{
    struct virtqueue *vq = &q->vq->vq;
    unsigned budget = vq->size;
    bool admitted;
    int ret = 0;

    do {
        admitted = throttle_admit(&q->throttle);
        if (admitted) {
            ret = take_batch(q, &budget, true);
        }
    } while (admitted && ret > 0 && budget);
    if (!end_turn(q, vq->size - budget, ret)) {
        return;
    }
    if (!admitted) {
        close_ring(q);
    } else if (q->closed) {
        reopen_ring(q);
    }
}

/* The limits may admit a request now. */
static void serve_again(void *opaque)
{
    struct blk_queue *q = opaque;

    if (q->closed) {
        serve_limited(q);
    }
}

/* --- start and stop --- */

static int start_in_thread(void *opaque)
{
    struct blk_queue *q = opaque;

    if (virtq_start(&q->vq->vq, q->blk->dev.mem) < 0) {
        fault(q);
        return 0;
    }
    q->closed = false;
    return open_ring(q);
}

int blk_queue_start(struct blk_queue *q)
{
    if (q->active || !q->vq->vq.ready) {
        return 0;
    }
    q->active = true;
    return iothread_call(q->iothread, start_in_thread, q);
}

static int stop_in_thread(void *opaque)
{
    struct blk_queue *q = opaque;

    aio_handler_remove(&q->kick);
    aio_bh_cancel(&q->more);
    throttle_leave(&q->throttle);
    q->stopping = true;
    if (q->in_flight == 0) {
        blk_quiesce(q);
    } else {
        blk_held_fail(q); /* the last completion quiesces */
    }
    return 0;
}

void blk_queue_ask_stop(struct blk_queue *q)
{
    if (q->active) {
        iothread_call(q->iothread, stop_in_thread, q);
    }
}

void blk_queue_await_stop(struct blk_queue *q)
{
    if (q->active) {
        while (sem_wait(&q->quiet) < 0 && errno == EINTR) {
        }
        q->active = false;
    }
}

/* --- memory --- */

int blk_queue_init(struct blk_queue *q, struct virtio_queue *vq)
{
    /* One more than can be in flight: a chain that breaks the queue takes a request, too. */
    unsigned nr = vq->size_max + 1;

    q->vq = vq;
    q->ctx = iothread_ctx(q->iothread);
    q->trace = aio_trace(q->ctx);
    sem_init(&q->quiet, 0, 0);
    aio_bh_init(q->ctx, &q->more, serve, q);
    blk_complete_init(q);
    blk_held_init(q, blk_host_submit);
    throttle_waiter_init(&q->throttle, q->blk->group, q->ctx, serve_again, q);
    snprintf(q->name, sizeof(q->name), "%s queue %u", q->blk->name, q->index);

    q->requests = aligned_alloc(CACHE_LINE, nr * sizeof(*q->requests));
    q->free = calloc(nr, sizeof(*q->free));
    q->latency = calloc(1, sizeof(*q->latency));
    q->sampler.used = calloc(vq->size_max, sizeof(*q->sampler.used));
    if (!q->requests || !q->free || !q->latency || !q->sampler.used) {
        return -ENOMEM;
    }
    memset(q->requests, 0, nr * sizeof(*q->requests));
    for (unsigned i = nr; i-- > 0;) {
        blk_request_init(&q->requests[i], q);
        q->free[q->nr_free++] = &q->requests[i];
    }
    blk_partial_init_queue(q);
    return blk_bounce_init(q, blk_host_submit);
}

void blk_queue_destroy(struct blk_queue *q)
{
    assert(!q->active);
    blk_bounce_destroy(q);
    free(q->sampler.used);
    free(q->latency);
    free(q->free);
    free(q->requests);
    sem_destroy(&q->quiet);
}

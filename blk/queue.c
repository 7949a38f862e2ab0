// SPDX-License-Identifier: MIT
/*
 * One queue of the block device in the loop of its I/O thread.
 *
 * A turn takes chains in batches, bounded, so that a driver that never stops can't keep the
 * thread's other sources waiting; what is left is taken in the next turn. Used elements are
 * published at the end of the turn, with at most one interrupt. A driver that polls sees them some
 * at a time before that, and works on them while we do on the next.
 *
 * Notifications are suppressed while the loop is awake. It has them re-enabled, and takes a last
 * look, just before it blocks: a driver that is quick has its next chain there by then. The eventfd
 * is read before they are re-enabled, if it has fired: a request need not wait for that, and a kick
 * whose count is read there belongs to a chain that the last look sees.
 *
 * Stopping: no new chains are taken, and the completion of the last request publishes what is
 * left, forgets the ring and tells the thread that waits. After that nothing here knows the guest's
 * memory any more.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "blk/internal.h"

#define SHOW  8  /* used elements that a driver which polls may go on with at once */
#define BATCH 16 /* chains whose headers are fetched before the first is looked at */

void blk_queue_log(struct blk_queue *q, uint64_t nr_before, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    if (!q->blk->log || nr_before >= BLK_LOG_MAX) {
        return;
    }
    n = snprintf(line, sizeof(line), "%s: ", q->name);
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof(line) - n, fmt, ap);
    va_end(ap);
    q->blk->log(q->blk->log_opaque, line);
}

/* --- used elements and interrupts --- */

static void publish(void *opaque)
{
    struct blk_queue *q = opaque;
    bool wanted = virtq_publish_used(&q->vq->vq);
    uint64_t shown_ns = q->nr_used ? aio_now(q->ctx) : 0;

    trace_interrupt(q->trace, q, wanted);
    if (wanted) {
        stat_add(&q->stats.interrupts, 1);
        aio_count_syscall(&q->kick);
        virtio_queue_interrupt(&q->blk->dev, q->vq);
    }
    if (__builtin_expect(shown_ns != 0, 0)) {
        blk_sample_shown(q, shown_ns);
    }
}

/* The waiting thread may free @q as soon as @quiet is posted. */
static void quiesce(struct blk_queue *q)
{
    aio_deferred_cancel(&q->publish);
    aio_deferred_cancel(&q->resume);
    aio_bh_cancel(&q->grant);
    publish(q);
    virtq_stop(&q->vq->vq);
    q->stopping = false;
    sem_post(&q->quiet);
}

void blk_queue_complete(struct blk_request *r, uint32_t written)
{
    struct blk_queue *q = r->q;

    virtq_push(&q->vq->vq, r->chain.head, written);
    trace_request_used(q->trace, q, &r->io, written);
    if (blk_timed(r)) {
        blk_sample_used(r);
    }
    q->free[q->nr_free++] = r;
    store_relaxed(&q->in_flight, q->in_flight - 1);
    if (q->stopping && q->in_flight == 0) {
        quiesce(q);
        return;
    }
    if (++q->nr_pushed % SHOW == 0) {
        virtq_publish_early(&q->vq->vq);
    }
    aio_defer(q->ctx, &q->publish);
}

/* --- chains --- */

static void fault(struct blk_queue *q)
{
    const struct virtq_fault *f = &q->vq->vq.fault;

    aio_handler_remove(&q->kick);
    aio_bh_cancel(&q->more);
    blk_queue_log(q, q->stats.faults,
                  "the guest broke the queue: %s (chain %u, descriptor %u, 0x%" PRIx64 ")", f->what,
                  f->head, f->desc, f->addr);
    stat_add(&q->stats.faults, 1);
    virtio_set_needs_reset(&q->blk->dev);
}

/*
 * Take a batch: until the last look at the ring is used up, or @budget, or BATCH is. Return: as
 * virtq_pop().
 */
static int take_batch(struct blk_queue *q, unsigned *budget)
{
    struct virtqueue *vq = &q->vq->vq;
    struct blk_request *batch[BATCH];
    unsigned max = *budget < BATCH ? *budget : BATCH, n = 0;
    int r;

    do {
        struct blk_request *req = q->free[q->nr_free - 1];

        r = virtq_pop(vq, &req->chain);
        if (r <= 0) {
            break;
        }
        q->nr_free--;
        prefetch_to_write(req->chain.iov[0].iov_base); /* the status byte is near */
        batch[n++] = req;
        trace_request_seen(q->trace, q, &req->io);
    } while (n < max && virtq_has_known_work(vq));

    q->until_timed -= (int)n;
    if (__builtin_expect(q->until_timed < 0, 0)) {
        blk_sample_seen(q, batch, n);
    }
    *budget -= n;
    store_relaxed(&q->in_flight, q->in_flight + n);
    for (unsigned i = 0; i < n; i++) {
        if (blk_request_start(batch[i]) < 0) {
            batch[i]->timed = false;
            q->free[q->nr_free++] = batch[i];
            store_relaxed(&q->in_flight, q->in_flight - 1);
        }
    }
    return vq->fault.what ? -EINVAL : r;
}

static void serve(void *opaque)
{
    struct blk_queue *q = opaque;
    struct virtqueue *vq = &q->vq->vq;
    unsigned budget = vq->size;
    int r;

    /* A driver that offered several is busy, and has more by now perhaps: for them a turn of their
     * own would cost more than another look. */
    do {
        r = take_batch(q, &budget);
    } while (r > 0 && budget && (virtq_has_known_work(vq) || budget + 1 < vq->size));
    virtq_prefetch_used(vq, vq->size - budget);
    blk_merge_submit(q);
    if (r < 0) {
        fault(q);
        return;
    }
    if (budget < vq->size) {
        aio_count_batch(&q->kick, vq->size - budget);
    }
}

bool blk_queue_serve(struct blk_queue *q)
{
    if (!q->kick.ctx) {
        return false;
    }
    /* It has been quiet, perhaps: from now on the loop looks by itself, and turns notifications on
     * again. That takes a turn of its own. */
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
        read_kicks(q); /* or each look at the descriptors finds it again */
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
    virtq_unsuppress(&q->vq->vq); /* the loop looks again by itself */
}

static const struct aio_handler_ops kick_ops = {
    .ready = kicked,
    .poll = has_work,
    .poll_ready = serve,
    .poll_begin = poll_begin,
    .poll_end = poll_end,
};

/* --- start and stop --- */

static int start_in_thread(void *opaque)
{
    struct blk_queue *q = opaque;
    int r;

    if (virtq_start(&q->vq->vq, q->blk->dev.mem) < 0) {
        fault(q);
        return 0;
    }
    r = aio_handler_add(q->ctx, &q->kick, q->vq->kick_fd, POLLIN, &kick_ops, q, q->name, NULL);
    if (r == 0) {
        aio_bh_schedule(&q->more); /* chains may be there since before DRIVER_OK */
    }
    return r;
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
    q->stopping = true;
    if (q->in_flight == 0) {
        quiesce(q);
    } else {
        blk_fail_held(q); /* the last one quiesces */
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
    /* One more than can be in flight: a chain that must be refused needs a place, too. */
    unsigned nr = vq->size_max + 1;

    q->vq = vq;
    q->ctx = iothread_ctx(q->iothread);
    q->trace = aio_trace(q->ctx);
    sem_init(&q->quiet, 0, 0);
    list_init(&q->held);
    aio_bh_init(q->ctx, &q->more, serve, q);
    aio_bh_init(q->ctx, &q->retry, blk_retry_kept, q);
    aio_deferred_init(&q->publish, publish, q);
    snprintf(q->name, sizeof(q->name), "%s queue %u", q->blk->name, q->index);

    q->requests = calloc(nr, sizeof(*q->requests));
    q->free = calloc(nr, sizeof(*q->free));
    q->latency = calloc(1, sizeof(*q->latency));
    q->sampler.used = calloc(vq->size_max, sizeof(*q->sampler.used));
    if (!q->requests || !q->free || !q->latency || !q->sampler.used) {
        return -ENOMEM;
    }
    for (unsigned i = nr; i-- > 0;) {
        blk_request_init(&q->requests[i], q);
        q->free[q->nr_free++] = &q->requests[i];
    }
    blk_partial_init_queue(q);
    return blk_bounce_init(q);
}

void blk_queue_destroy(struct blk_queue *q)
{
    assert(!q->active);
    free(q->bounce_mem);
    free(q->sampler.used);
    free(q->latency);
    free(q->free);
    free(q->requests);
    sem_destroy(&q->quiet);
}

// SPDX-License-Identifier: MIT
/*
 * The end of a request (virtio 1.3, 5.2.6).
 *
 * Used elements are published at the end of the turn, with at most one interrupt. Every
 * PUBLISH_EVERY elements, the device publishes them before that: a driver that polls handles them
 * while the device works on the next ones.
 *
 * When a queue is stopping, the last completion publishes the rest, forgets the ring and wakes the
 * thread that waits. Nothing in this room uses guest memory of the queue after that.
 */
#include "blk/bounce.h"
#include "blk/complete.h"
#include "blk/sample.h"

#define PUBLISH_EVERY 8 /* used elements */

/* --- publication and interrupt --- */

static void publish(void *opaque)
{
    struct blk_queue *q = opaque;
    bool wanted = virtq_publish_used(&q->vq->vq);
    uint64_t now = q->nr_used ? aio_now(q->ctx) : 0;

    trace_interrupt(q->trace, q, wanted);
    if (wanted) {
        stat_add(&q->stats.interrupts, 1);
        aio_count_syscall(&q->kick);
        virtio_queue_interrupt(&q->blk->dev, q->vq);
    }
    if (__builtin_expect(now != 0, 0)) {
        blk_sample_published(q, now);
    }
}

void blk_complete_init(struct blk_queue *q)
{
    aio_deferred_init(&q->publish, publish, q);
}

void blk_quiesce(struct blk_queue *q)
{
    aio_deferred_cancel(&q->publish);
    aio_deferred_cancel(&q->bounce.resume);
    aio_bh_cancel(&q->grants.resume);
    publish(q);
    virtq_stop(&q->vq->vq);
    q->stopping = false;
    sem_post(&q->quiet);
}

/* --- one request --- */

static void push(struct blk_request *r, uint32_t written)
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
        blk_quiesce(q);
        return;
    }
    if (++q->nr_pushed % PUBLISH_EVERY == 0) {
        virtq_publish_early(&q->vq->vq);
    }
    aio_defer(q->ctx, &q->publish);
}

void blk_complete(struct blk_request *r, uint8_t status, uint64_t written)
{
    store_relaxed(r->parsed.status, status);
    if (written == r->chain.in_bytes - 1) {
        written++;
    }
    if (r->bounced) {
        blk_bounce_release(r);
    }
    push(r, written < UINT32_MAX ? written : UINT32_MAX);
}

void blk_complete_read(struct blk_request *r)
{
    struct virtio_blk_stats *stats = &r->q->stats;

    stat_add(&stats->reads, 1);
    stat_add(&stats->read_bytes, r->parsed.total);
    blk_complete(r, VIRTIO_BLK_S_OK, r->parsed.total);
}

void blk_complete_error(struct blk_request *r)
{
    stat_add(&r->q->stats.errors, 1);
    blk_complete(r, VIRTIO_BLK_S_IOERR,
                 r->io.op == ENGINE_READ ? r->parsed.total - r->parsed.left : 0);
}

// SPDX-License-Identifier: MIT
/*
 * Which requests are timed, and when they reach the stages of latency.h.
 *
 * Reading the clock costs a tenth of a request's whole way through the device, and a timed request
 * takes four readings. So one request in a stride is timed and represents the others. The stride
 * grows while timed requests are closer together than GAP_MIN_NS, which bounds the cost, and
 * shrinks while they are further apart than GAP_MAX_NS, so that every request of a slow disk is
 * timed. Strides are primes, so that a periodic load of the guest is sampled at each of its phases.
 *
 * A request that is not timed costs one test of `timed` when it is submitted and one when it
 * completes; a batch costs a subtraction, a publication a test.
 */
#include "blk/sample.h"

#define GAP_MIN_NS 128000
#define GAP_MAX_NS 512000

static const uint16_t strides[] = {1, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093};

#define SPARSEST (sizeof(strides) / sizeof(strides[0]) - 1)

void blk_sample_seen(struct blk_queue *q, struct blk_request **batch, unsigned n)
{
    struct blk_sampler *s = &q->sampler;
    unsigned stride = strides[s->sparse], timed = 0;
    int i = q->until_timed + (int)n;
    uint64_t now = aio_now(q->ctx);
    uint64_t gap;

    for (; i < (int)n; i += (int)stride, timed++) {
        batch[i]->timed = true;
        batch[i]->timing = (struct blk_timing){.stride = stride, .seen_ns = now};
    }
    q->until_timed = i - (int)n;

    gap = (now - s->seen_ns) / timed;
    s->seen_ns = now;
    if (gap < GAP_MIN_NS && s->sparse < SPARSEST) {
        s->sparse++;
    } else if (gap > GAP_MAX_NS && s->sparse > 0) {
        s->sparse--;
    }
}

void blk_sample_submitted(struct blk_request *r)
{
    struct blk_timing *t = &r->timing;

    if (!t->submitted_ns) {
        t->submitted_ns = aio_now(r->q->ctx);
    }
    t->completed_ns = 0;
}

void blk_sample_completed(struct blk_request *r)
{
    r->timing.completed_ns = aio_now(r->q->ctx);
}

static enum blk_latency_op op_of(const struct blk_request *r)
{
    switch (r->io.op) {
    case ENGINE_READ:
        return BLK_LATENCY_READ;
    case ENGINE_FLUSH:
        return BLK_LATENCY_FLUSH;
    case ENGINE_DISCARD:
        return BLK_LATENCY_RANGES;
    case ENGINE_WRITE_ZEROES:
        return r->parsed.total ? BLK_LATENCY_WRITE
                               : BLK_LATENCY_RANGES; /* the guest wrote zeroes */
    case ENGINE_WRITE:
        break;
    }
    return BLK_LATENCY_WRITE;
}

void blk_sample_used(struct blk_request *r)
{
    struct blk_queue *q = r->q;
    struct blk_timing *t = &r->timing;

    /* More than the ring has: only if the driver offers chains again before they are published. */
    if (t->submitted_ns && q->nr_used < q->vq->size_max) {
        if (!t->completed_ns) {
            blk_sample_completed(r);
        }
        t->op = op_of(r);
        q->sampler.used[q->nr_used++] = *t;
    }
    r->timed = false;
}

static void record(struct blk_histogram *stages, const struct blk_timing *t, uint64_t used_ns)
{
    blk_histogram_add(&stages[BLK_SEEN_TO_SUBMITTED], t->submitted_ns - t->seen_ns, t->stride);
    blk_histogram_add(&stages[BLK_SUBMITTED_TO_COMPLETED], t->completed_ns - t->submitted_ns,
                      t->stride);
    blk_histogram_add(&stages[BLK_COMPLETED_TO_USED], used_ns - t->completed_ns, t->stride);
    blk_histogram_add(&stages[BLK_SEEN_TO_USED], used_ns - t->seen_ns, t->stride);
}

void blk_sample_published(struct blk_queue *q, uint64_t now)
{
    struct blk_sampler *s = &q->sampler;

    for (unsigned i = 0; i < q->nr_used; i++) {
        record(q->latency->of[s->used[i].op], &s->used[i], now);
    }
    q->nr_used = 0;
}

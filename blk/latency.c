// SPDX-License-Identifier: MIT
/* Histograms of times, with logarithmic buckets. */
#include "base/barrier.h"
#include "blk/latency.h"

#define SUB (1u << BLK_HISTOGRAM_SUB_BITS)

const char *blk_latency_op_name(enum blk_latency_op op)
{
    static const char *const names[] = {
        [BLK_LATENCY_READ] = "read",
        [BLK_LATENCY_WRITE] = "write",
        [BLK_LATENCY_FLUSH] = "flush",
        [BLK_LATENCY_RANGES] = "discard, zeroes",
    };

    return names[op];
}

const char *blk_latency_stage_name(enum blk_latency_stage stage)
{
    static const char *const names[] = {
        [BLK_SEEN_TO_SUBMITTED] = "seen to submitted",
        [BLK_SUBMITTED_TO_COMPLETED] = "submitted to completed",
        [BLK_COMPLETED_TO_USED] = "completed to used",
        [BLK_SEEN_TO_USED] = "seen to used",
    };

    return names[stage];
}

/* Each time below 2 * SUB has its own bucket; above that, each power of two has SUB buckets. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns >> BLK_HISTOGRAM_MAX_BITS) {
        return BLK_HISTOGRAM_BUCKETS - 1;
    }
    shift = 63 - BLK_HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(ns | SUB);
    return shift * SUB + (unsigned)(ns >> shift);
}

static uint64_t last_in(unsigned bucket)
{
    unsigned shift = bucket < 2 * SUB ? 0 : bucket / SUB - 1;

    return ((uint64_t)(bucket - shift * SUB + 1) << shift) - 1;
}

uint64_t blk_histogram_bound(unsigned i)
{
    return i ? last_in(i - 1) + 1 : 0;
}

void blk_histogram_add(struct blk_histogram *h, uint64_t ns, unsigned requests)
{
    stat_add(&h->timed, 1);
    stat_add(&h->requests, requests);
    stat_add(&h->sum_ns, ns * requests);
    stat_add(&h->n[bucket_of(ns)], requests);
    if (ns > h->max_ns) {
        store_relaxed(&h->max_ns, ns);
    }
}

double blk_histogram_mean(const struct blk_histogram *h)
{
    return h->requests ? (double)h->sum_ns / (double)h->requests : 0;
}

uint64_t blk_histogram_quantile(const struct blk_histogram *h, double q)
{
    uint64_t all = 0, below = 0;

    for (unsigned i = 0; i < BLK_HISTOGRAM_BUCKETS; i++) {
        all += h->n[i];
    }
    for (unsigned i = 0; i < BLK_HISTOGRAM_BUCKETS && all; i++) {
        below += h->n[i];
        if (below && (double)below >= q * (double)all) {
            return last_in(i) < h->max_ns ? last_in(i) : h->max_ns;
        }
    }
    return h->max_ns;
}

static void add(struct blk_histogram *to, const struct blk_histogram *from)
{
    uint64_t max = load_relaxed(&from->max_ns);

    to->timed += load_relaxed(&from->timed);
    to->requests += load_relaxed(&from->requests);
    to->sum_ns += load_relaxed(&from->sum_ns);
    to->max_ns = max > to->max_ns ? max : to->max_ns;
    for (unsigned i = 0; i < BLK_HISTOGRAM_BUCKETS; i++) {
        to->n[i] += load_relaxed(&from->n[i]);
    }
}

void blk_latency_add(struct blk_latency *to, const struct blk_latency *from)
{
    for (unsigned op = 0; op < BLK_LATENCY_OPS; op++) {
        for (unsigned stage = 0; stage < BLK_LATENCY_STAGES; stage++) {
            add(&to->of[op][stage], &from->of[op][stage]);
        }
    }
}

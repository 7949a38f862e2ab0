// SPDX-License-Identifier: MIT
/*
 * histogram.h - latencies in TSC ticks, log-linear: 64 buckets for each power of two (1.6 %)
 */
#ifndef GUEST_IMAGES_BENCH_HISTOGRAM_H
#define GUEST_IMAGES_BENCH_HISTOGRAM_H

#include <stdint.h>

#include "guest-images/bench/cpu.h"

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_MAX_BITS 40 /* 2^40 ticks are minutes; longer ones count as that */
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t sum;
    uint64_t max;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t ticks)
{
    unsigned shift;

    h->sum += ticks;
    if (unlikely(ticks > h->max)) {
        h->max = ticks;
    }
    if (unlikely(ticks >> HISTOGRAM_MAX_BITS)) {
        ticks = (1ull << HISTOGRAM_MAX_BITS) - 1;
    }
    shift = 63 - HISTOGRAM_SUB_BITS - (unsigned)__builtin_clzll(ticks | 1 << HISTOGRAM_SUB_BITS);
    h->bucket[(shift << HISTOGRAM_SUB_BITS) + (ticks >> shift)]++;
}

/* Number of latencies held. */
uint64_t histogram_count(const struct histogram *h);

/* Print `PREFIXmean_ns=`, `PREFIXpP_ns=` for the usual percentiles and `PREFIXmax_ns=`. */
void histogram_report(const struct histogram *h, const char *prefix);

/* Print one `hist=FROM_NS,TO_NS,COUNT` line for each bucket that is not empty. */
void histogram_dump(const struct histogram *h);

void histogram_clear(struct histogram *h);

#endif

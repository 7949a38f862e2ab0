// SPDX-License-Identifier: MIT
/*
 * A decaying histogram of times on a logarithmic scale.
 *
 * Four buckets to an octave, from 256 ns to 12 ms, so that a time is known to within a fifth. An
 * entry is worth HIST_ONE, not 1, so that it can be halved some times before it is lost. Adding an
 * entry is one addition; forgetting is a shift of all buckets, and rare.
 *
 * Several histograms that must be comparable share a clock, which counts the bits shifted so far. A
 * histogram that was not used for a while catches up at the next use.
 */
#ifndef POLLUX_BASE_HISTOGRAM_H
#define POLLUX_BASE_HISTOGRAM_H

#include <stdint.h>

#define HIST_BUCKETS   64
#define HIST_ONE       16
#define HIST_MIN_SHIFT 8 /* bucket 0 is [0, 256) ns */
#define HIST_SUB_SHIFT 2 /* four buckets to an octave */

struct histogram {
    uint16_t n[HIST_BUCKETS];
    uint32_t forgotten; /* bits shifted so far */
};

/* The bucket of @ns; the last one takes all that is longer. */
static inline unsigned hist_bucket(uint64_t ns)
{
    unsigned octave, bucket;

    if (ns < (1u << HIST_MIN_SHIFT)) {
        return 0;
    }
    octave = 63 - (unsigned)__builtin_clzll(ns);
    bucket = 1 + ((octave - HIST_MIN_SHIFT) << HIST_SUB_SHIFT) +
             ((ns >> (octave - HIST_SUB_SHIFT)) & ((1u << HIST_SUB_SHIFT) - 1));
    return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

/* Where bucket @i ends, ns; times in it are less. */
static inline uint64_t hist_edge(unsigned i)
{
    unsigned octave, quarter;

    if (!i) {
        return 1u << HIST_MIN_SHIFT;
    }
    octave = HIST_MIN_SHIFT + ((i - 1) >> HIST_SUB_SHIFT);
    quarter = (i - 1) & ((1u << HIST_SUB_SHIFT) - 1);
    return (uint64_t)((1u << HIST_SUB_SHIFT) + quarter + 1) << (octave - HIST_SUB_SHIFT);
}

/* Catch up with the clock of its group. */
static inline void hist_forget(struct histogram *h, uint32_t forgotten)
{
    uint32_t bits = forgotten - h->forgotten;

    if (__builtin_expect(!bits, 1)) {
        return;
    }
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        h->n[i] = bits < 16 ? h->n[i] >> bits : 0;
    }
    h->forgotten = forgotten;
}

/* @forgotten: the clock of its group; it must tick before the entries that are added are 4095. */
static inline void hist_add(struct histogram *h, uint32_t forgotten, unsigned bucket,
                            unsigned entries)
{
    hist_forget(h, forgotten);
    h->n[bucket] += (uint16_t)(HIST_ONE * entries);
}

#endif

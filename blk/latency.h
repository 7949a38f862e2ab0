// SPDX-License-Identifier: MIT
/*
 * Where the time of a disk's requests went: histograms by operation and stage.
 *
 * A request is seen when its chain has been taken from the ring, submitted when it is given to the
 * engine, completed when the engine has done the last of it, and used when the driver is shown that
 * it is done. Time in the ring before the device looked is not known to it; a request that waits
 * for a bounce buffer, or to be merged, waits between seen and submitted; the engine's one system
 * call for a batch is between submitted and completed.
 *
 * Where requests come fast only some are timed, by count and not by time, so that none is
 * preferred; each stands for those that were not, and the figures are of all of them, as well as
 * that can be known. The stages of a request add up to its total exactly. A failed request counts
 * as any other; what never got as far as the engine, and what was kept for virtio_blk_retry(), does
 * not.
 */
#ifndef POLLUX_BLK_LATENCY_H
#define POLLUX_BLK_LATENCY_H

#include <stdint.h>

/* What the guest asked for; a write of zeroes that became write zeroes is a write. */
enum blk_latency_op {
    BLK_LATENCY_READ,
    BLK_LATENCY_WRITE,
    BLK_LATENCY_FLUSH,
    BLK_LATENCY_RANGES, /* discard, write zeroes */
    BLK_LATENCY_OPS
};

enum blk_latency_stage {
    BLK_SEEN_TO_SUBMITTED,
    BLK_SUBMITTED_TO_COMPLETED,
    BLK_COMPLETED_TO_USED,
    BLK_SEEN_TO_USED, /* the total of those above */
    BLK_LATENCY_STAGES
};

/* 16 buckets to each power of two: a time is known to 6 %. Longer ones than 2^40 ns, 18 minutes,
 * count as that. */
#define BLK_HISTOGRAM_SUB_BITS 4
#define BLK_HISTOGRAM_MAX_BITS 40
#define BLK_HISTOGRAM_BUCKETS                                                                      \
    ((BLK_HISTOGRAM_MAX_BITS - BLK_HISTOGRAM_SUB_BITS + 1) << BLK_HISTOGRAM_SUB_BITS)

struct blk_histogram {
    uint64_t timed;                    /* requests that were timed */
    uint64_t requests;                 /* that they stand for, themselves among them; not exact */
    uint64_t sum_ns;                   /* of @requests */
    uint64_t max_ns;                   /* of @timed */
    uint64_t n[BLK_HISTOGRAM_BUCKETS]; /* of @requests */
};

/* 75 KiB: not for the stack. */
struct blk_latency {
    struct blk_histogram of[BLK_LATENCY_OPS][BLK_LATENCY_STAGES];
};

/**
 * blk_latency_op_name, blk_latency_stage_name - "read", "seen to submitted"
 */
const char *blk_latency_op_name(enum blk_latency_op op);
const char *blk_latency_stage_name(enum blk_latency_stage stage);

/**
 * blk_histogram_add - a request took @ns, and stands for @requests
 * Context: one thread writes a histogram; any may read it through blk_latency_add().
 */
void blk_histogram_add(struct blk_histogram *h, uint64_t ns, unsigned requests);

/**
 * blk_histogram_mean - ns; 0 if it is empty
 */
double blk_histogram_mean(const struct blk_histogram *h);

/**
 * blk_histogram_quantile - the time that a share @q of the requests did not exceed
 * @q: 0 to 1, 0.99 for p99
 * Return: ns, to a bucket's width, never more than max_ns; 0 if it is empty.
 */
uint64_t blk_histogram_quantile(const struct blk_histogram *h, double q);

/**
 * blk_latency_add - add @from, which its thread may be writing just now, to @to
 */
void blk_latency_add(struct blk_latency *to, const struct blk_latency *from);

#endif

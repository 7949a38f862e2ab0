// SPDX-License-Identifier: MIT
/*
 * Latency of the requests of a disk: histograms by operation and stage.
 *
 * A request is seen when its chain is taken from the ring, submitted when the engine gets it,
 * completed when the engine has moved its last byte, and used when its used element is published.
 * The time in the ring before the chain is taken is not known to the device. The wait for a bounce
 * buffer or for a merge is between seen and submitted; the wait for other requests on the same host
 * block, and the engine's system call for a batch, are between submitted and completed.
 *
 * At high rates only some requests are timed. They are chosen by count and not by time, so that
 * every request is equally likely. Each timed request represents those that are not, so the
 * histograms estimate the latency of all requests. The stages of a request add up to its total
 * exactly. A failed request counts as any other. Requests that the engine never got, and requests
 * held for virtio_blk_retry(), are not counted.
 */
#ifndef POLLUX_BLK_LATENCY_H
#define POLLUX_BLK_LATENCY_H

#include <stdint.h>

/* The operation of the guest: a write of zeroes that became write zeroes is a write. */
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

/* 16 buckets for each power of two: the error is up to 6 %. Times above 2^40 ns (18 minutes) count
 * as 2^40 ns. */
#define BLK_HISTOGRAM_SUB_BITS 4
#define BLK_HISTOGRAM_MAX_BITS 40
#define BLK_HISTOGRAM_BUCKETS                                                                      \
    ((BLK_HISTOGRAM_MAX_BITS - BLK_HISTOGRAM_SUB_BITS + 1) << BLK_HISTOGRAM_SUB_BITS)

struct blk_histogram {
    uint64_t timed;                    /* requests that were timed */
    uint64_t requests;                 /* that they represent, including themselves; estimated */
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
 * blk_histogram_add - count a request that took @ns and represents @requests
 * Context: one thread writes a histogram; any thread may read it by blk_latency_add().
 */
void blk_histogram_add(struct blk_histogram *h, uint64_t ns, unsigned requests);

/**
 * blk_histogram_bound - the least time that is counted in bucket @i, ns
 * @i: at most BLK_HISTOGRAM_BUCKETS; then the bound of the last bucket
 */
uint64_t blk_histogram_bound(unsigned i);

/**
 * blk_histogram_mean - the mean, ns; 0 if @h is empty
 */
double blk_histogram_mean(const struct blk_histogram *h);

/**
 * blk_histogram_quantile - the time that a share @q of the requests did not exceed
 * @q: 0 to 1, 0.99 for p99
 * Return: ns, exact to the width of a bucket, never above max_ns; 0 if @h is empty.
 */
uint64_t blk_histogram_quantile(const struct blk_histogram *h, double q);

/**
 * blk_latency_add - add the histograms @from, which their thread may be writing, to @to
 */
void blk_latency_add(struct blk_latency *to, const struct blk_latency *from);

#endif

// SPDX-License-Identifier: MIT
/*
 * histogram.c - percentiles and dump
 */
#include "guest-images/bench/clock.h"
#include "guest-images/bench/histogram.h"
#include "guest-images/bench/platform.h"

/* The end of bucket @i: the first value of the next one. */
static uint64_t bucket_end(unsigned i)
{
    unsigned shift = i >> HISTOGRAM_SUB_BITS;

    if (shift) {
        shift--;
    }
    return (uint64_t)(i - (shift << HISTOGRAM_SUB_BITS) + 1) << shift;
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += h->bucket[i];
    }
    return count;
}

/* The value that @part of 100000 latencies do not exceed, exact to the width of a bucket. */
static uint64_t percentile(const struct histogram *h, uint64_t count, uint64_t part)
{
    uint64_t rank = mul_div(count, part, 100000), seen = 0;

    if (rank == count) {
        return h->max;
    }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > rank) {
            return bucket_end(i) - 1 < h->max ? bucket_end(i) - 1 : h->max;
        }
    }
    return h->max;
}

void histogram_report(const struct histogram *h, const char *prefix)
{
    static const struct {
        const char *name;
        uint64_t part;
    } percentiles[] = {
        {"1", 1000},     {"10", 10000},   {"25", 25000},    {"50", 50000},
        {"75", 75000},   {"90", 90000},   {"95", 95000},    {"99", 99000},
        {"99.5", 99500}, {"99.9", 99900}, {"99.95", 99950}, {"99.99", 99990},
    };
    uint64_t count = histogram_count(h);

    if (!count) {
        return;
    }
    say("%smean_ns=%lu\n", prefix, ticks_to_ns(h->sum) / count);
    for (unsigned i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        say("%sp%s_ns=%lu\n", prefix, percentiles[i].name,
            ticks_to_ns(percentile(h, count, percentiles[i].part)));
    }
    say("%smax_ns=%lu\n", prefix, ticks_to_ns(h->max));
}

void histogram_dump(const struct histogram *h)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->bucket[i]) {
            say("hist=%lu,%lu,%lu\n", ticks_to_ns(i ? bucket_end(i - 1) : 0),
                ticks_to_ns(bucket_end(i)), h->bucket[i]);
        }
    }
}

void histogram_clear(struct histogram *h)
{
    h->sum = 0;
    h->max = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->bucket[i] = 0;
    }
}

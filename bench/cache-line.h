// SPDX-License-Identifier: MIT
/*
 * The time of a cache line to another core and back: the least latency of a request and its
 * completion between a guest and an I/O thread.
 */
#ifndef POLLUX_BENCH_CACHE_LINE_H
#define POLLUX_BENCH_CACHE_LINE_H

#include "base/error.h"

struct cache_line_trip {
    double ns;
    int cpu[2]; /* between which */
};

/**
 * cache_line_trip - the median of some hundred short measurements; takes about 20 ms
 * Two threads are bound to the first two CPUs that this process may use; their affinity is theirs
 * only.
 * Return: 0 and @out, -ENODEV where there is one CPU only, or another -errno.
 */
int cache_line_trip(struct cache_line_trip *out);

#endif

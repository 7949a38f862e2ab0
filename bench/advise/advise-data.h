// SPDX-License-Identifier: MIT
/*
 * pollux advise: measure a disk without a guest, and recommend options for it.
 *
 * The measurement is a plan of the bench whose disks are the engines: each reads the same image at
 * depth 1 and 32, with three poll policies. The cost of a wake-up is measured without the disk. A
 * pure function computes the recommendation from these figures.
 */
#ifndef POLLUX_BENCH_ADVISE_ADVISE_DATA_H
#define POLLUX_BENCH_ADVISE_ADVISE_DATA_H

#include "base/histogram.h"
#include "bench/plan.h"

#define ADVISE_ENGINES_MAX 5
#define ADVISE_TURNS_MIN   3 /* turns that are needed to call one engine faster than another */
#define ADVISE_WAKES       15

/* Groups of an engine. */
enum advise_depth {
    ADVISE_DEPTH_1,
    ADVISE_DEPTH_32,
    ADVISE_DEPTHS,
};

/* Variants: how the I/O thread waits. Engine sync has only the first. */
enum advise_wait {
    ADVISE_BLOCK,
    ADVISE_COST,
    ADVISE_POLL, /* always, however long a read takes */
    ADVISE_WAITS,
};

struct advise_data {
    struct bench_plan *plan; /* its disks are the engines, in the order of engine_at() */
    unsigned nr_turns;       /* complete ones */
    const char *file;
    uint64_t size;
    bool direct;                    /* with O_DIRECT */
    char why_cached[ERROR_MSG_MAX]; /* if not @direct */
    bool writable;                  /* by this user */
    double written;                 /* share of the file that has blocks */
    unsigned cpus;
    double wake_ns[ADVISE_WAKES];
    uint64_t reads[ADVISE_ENGINES_MAX][HIST_BUCKETS]; /* at depth 1, polled for, by time */
};

/* A run of engine @e. */
static inline struct bench_result *advise_run(const struct advise_data *d, unsigned e,
                                              enum advise_wait wait, enum advise_depth depth,
                                              unsigned turn)
{
    return bench_result_at(d->plan, e * ADVISE_DEPTHS + depth, wait, turn);
}

static inline const struct engine_ops *advise_engine(const struct advise_data *d, unsigned e)
{
    return d->plan->disks[e].engine;
}

#endif

// SPDX-License-Identifier: MIT
/* Figures of a run: their names, their medians, and those that the host itself gives. */
#ifndef POLLUX_BENCH_FIGURES_H
#define POLLUX_BENCH_FIGURES_H

#include <stdint.h>

#include "bench/bench.h"
#include "blk/latency.h"

struct machine;

/* --- figures.c --- */

/* A double in struct bench_result. */
struct bench_figure {
    const char *name; /* with its unit; where the guest reports it, its key */
    size_t offset;
};

/**
 * bench_figure_at - the @i-th figure; NULL past the last one
 * bench_figure_find - by name; NULL if there is none
 */
const struct bench_figure *bench_figure_at(unsigned i);
const struct bench_figure *bench_figure_find(const char *name);

static inline double *bench_figure(const struct bench_result *r, const struct bench_figure *f)
{
    return (double *)((uintptr_t)r + f->offset);
}

/* No figure is known. */
void bench_result_unknown(struct bench_result *r);

/* Of the complete turns: medians, and the ratio of IOPS to blocking mode, turn by turn. */
struct bench_summary {
    struct bench_result median;
    double ratio, ratio_min, ratio_max; /* 0 if blocking mode was not measured */
};

void bench_summarise(const struct bench_plan *p, unsigned group, unsigned variant,
                     struct bench_summary *out);

/* --- noise.c --- */

/* Since the start of the host, or of the threads. */
struct bench_noise {
    uint64_t at_ns;
    uint64_t steal_ns;    /* of all CPUs */
    uint64_t runqueue_ns; /* ready to run, and not running: all threads together */
    uint64_t times_run;   /* that threads were given a CPU */
    uint64_t switches;    /* involuntary */
};

/**
 * bench_noise_sample - of the threads that a process has now; takes a tenth of a millisecond or so
 * @proc: "/proc/self"
 */
void bench_noise_sample(struct bench_noise *n, const char *proc);

/* Noise between two samples, into its figures. */
void bench_noise_result(const struct bench_noise *begin, const struct bench_noise *end,
                        struct bench_result *out);

/* --- stages.c --- */

/* Reads and writes of all disks since they were made. */
struct bench_stages {
    uint64_t requests;
    uint64_t sum_ns[BLK_LATENCY_STAGES];
};

/**
 * bench_stages_sample - a snapshot; takes a tenth of a millisecond or so
 * bench_stages_result - what two of them tell, into the stages of @out, which has its latency
 */
void bench_stages_sample(struct bench_stages *s, struct machine *m, unsigned nr_disks);
void bench_stages_result(const struct bench_stages *begin, const struct bench_stages *end,
                         struct bench_result *out);

#endif

// SPDX-License-Identifier: MIT
/* Figures of a run, each with its name. */
#ifndef POLLUX_BENCH_FIGURES_H
#define POLLUX_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blk/latency.h"

/* One run, or the medians of several. A figure that is not known is NaN; the
 * names are in figures.c. */
struct bench_result {
    double iops, mb_per_s;
    double lat_mean_ns, lat_p1_ns, lat_p10_ns, lat_p25_ns, lat_p50_ns, lat_p75_ns, lat_p90_ns,
        lat_p95_ns, lat_p99_ns, lat_p99_5_ns, lat_p99_9_ns, lat_p99_95_ns, lat_p99_99_ns,
        lat_max_ns;
    double flush_lat_mean_ns, flush_lat_p99_ns; /* not in the figures above */
    double cpu;                                 /* seconds of the I/O thread per second */
    double cpu_ns;                              /* of the I/O thread per request */
    double vcpu_cpu, vcpu_cpu_ns;               /* the same of the vCPU */
    double kicks;                               /* per request, as the guest counts */
    double interrupts;                          /* per request */
    double vcpu_exits;                          /* to user space, per request */
    double poll_hits, poll_misses;              /* per request */
    /* Mean time of a request by stage: on the way to the device and back, and in the device. */
    double stage_guest_ns, stage_submit_ns, stage_device_ns, stage_finish_ns;
    double steal;     /* seconds per second that a hypervisor below took from all CPUs */
    double runqueue;  /* seconds per second that threads waited for a CPU, all together */
    double switches;  /* involuntary, per second */
    double noise;     /* share of the time that the host took away; no figure of its own */
    bool noisy;       /* of medians: more than half of the runs are */
    unsigned repeats; /* runs that were thrown away for their noise */
};

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

/* All figures lat_*, from the latencies of a run. */
void bench_result_latency(struct bench_result *r, const struct blk_histogram *latency);

#endif

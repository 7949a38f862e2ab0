// SPDX-License-Identifier: MIT
/* The figures of a run: every one once, for medians, JSON and the comparison of two files. */
#include "bench/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/median.h"

#define FIGURE(name, member)                                                                       \
    {                                                                                              \
        name, offsetof(struct bench_result, member)                                                \
    }

static const struct bench_figure figures[] = {
    FIGURE("iops", iops),
    FIGURE("mb_per_s", mb_per_s),
    FIGURE("lat_mean_ns", lat_mean_ns),
    FIGURE("lat_p1_ns", lat_p1_ns),
    FIGURE("lat_p10_ns", lat_p10_ns),
    FIGURE("lat_p25_ns", lat_p25_ns),
    FIGURE("lat_p50_ns", lat_p50_ns),
    FIGURE("lat_p75_ns", lat_p75_ns),
    FIGURE("lat_p90_ns", lat_p90_ns),
    FIGURE("lat_p95_ns", lat_p95_ns),
    FIGURE("lat_p99_ns", lat_p99_ns),
    FIGURE("lat_p99.5_ns", lat_p99_5_ns),
    FIGURE("lat_p99.9_ns", lat_p99_9_ns),
    FIGURE("lat_p99.95_ns", lat_p99_95_ns),
    FIGURE("lat_p99.99_ns", lat_p99_99_ns),
    FIGURE("lat_max_ns", lat_max_ns),
    FIGURE("flush_lat_mean_ns", flush_lat_mean_ns),
    FIGURE("flush_lat_p99_ns", flush_lat_p99_ns),
    FIGURE("iothread_cpu_s_per_s", cpu),
    FIGURE("iothread_cpu_ns_per_request", cpu_ns),
    FIGURE("vcpu_cpu_s_per_s", vcpu_cpu),
    FIGURE("vcpu_cpu_ns_per_request", vcpu_cpu_ns),
    FIGURE("kicks_per_request", kicks),
    FIGURE("interrupts_per_request", interrupts),
    FIGURE("vcpu_exits_per_request", vcpu_exits),
    FIGURE("poll_hits_per_request", poll_hits),
    FIGURE("poll_misses_per_request", poll_misses),
    FIGURE("stage_guest_ns", stage_guest_ns),
    FIGURE("stage_seen_to_submitted_ns", stage_submit_ns),
    FIGURE("stage_submitted_to_completed_ns", stage_device_ns),
    FIGURE("stage_completed_to_used_ns", stage_finish_ns),
    FIGURE("steal_s_per_s", steal),
    FIGURE("runqueue_s_per_s", runqueue),
    FIGURE("involuntary_switches_per_s", switches),
};

#define NR_FIGURES (sizeof(figures) / sizeof(figures[0]))

const struct bench_figure *bench_figure_at(unsigned i)
{
    return i < NR_FIGURES ? &figures[i] : NULL;
}

const struct bench_figure *bench_figure_find(const char *name)
{
    for (unsigned i = 0; i < NR_FIGURES; i++) {
        if (!strcmp(figures[i].name, name)) {
            return &figures[i];
        }
    }
    return NULL;
}

void bench_result_unknown(struct bench_result *r)
{
    *r = (struct bench_result){.noisy = false};
    for (unsigned i = 0; i < NR_FIGURES; i++) {
        *bench_figure(r, &figures[i]) = NAN;
    }
}

void bench_result_latency(struct bench_result *r, const struct blk_histogram *latency)
{
    double percent;

    r->lat_mean_ns = blk_histogram_mean(latency);
    r->lat_max_ns = (double)latency->max_ns;
    for (unsigned i = 0; i < NR_FIGURES; i++) {
        if (sscanf(figures[i].name, "lat_p%lf", &percent) == 1) {
            *bench_figure(r, &figures[i]) = (double)blk_histogram_quantile(latency, percent / 100);
        }
    }
}

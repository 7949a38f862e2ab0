// SPDX-License-Identifier: MIT
/*
 * pollux bench: the bench guest in a fresh machine for each run.
 *
 * A plan is a list of groups; a group is a disk and a workload. Each group has the same variants,
 * one for each poll policy and cap of the I/O thread. The runs of a group take turns, variant after
 * variant, so that a slow moment of the host meets all of them, and the ratio to blocking mode is
 * taken within a turn.
 */
#ifndef POLLUX_BENCH_PLAN_H
#define POLLUX_BENCH_PLAN_H

#include "bench/cache-line.h"
#include "bench/qemu-version.h"
#include "bench/workload.h"

#define BENCH_DISKS_MAX  16
#define BENCH_GROUPS_MAX (BENCH_DISKS_MAX * OPTION_LIST_MAX * OPTION_LIST_MAX * OPTION_LIST_MAX)
/* Variants of Pollux, of QEMU (blocking and each cap, with each ring), and of the host. */
#define BENCH_VARIANTS_MAX                                                                         \
    (2 * OPTION_LIST_MAX * OPTION_LIST_MAX * OPTION_LIST_MAX + 2 * (OPTION_LIST_MAX + 1) + 3)

/* Results of the checks of --host. */
struct bench_host {
    char fio_version[32];        /* empty: not installed */
    struct cache_line_trip trip; /* ns is 0 where there are no two CPUs */
};

struct bench_plan {
    const struct bench_config *config;
    struct bench_qemu qemu;
    struct bench_host host;
    unsigned nr_disks, nr_groups, nr_variants, nr_runs;
    struct bench_disk disks[BENCH_DISKS_MAX];
    char pauses[OPTION_LIST_MAX][BENCH_PAUSE_MAX];
    struct bench_group groups[BENCH_GROUPS_MAX];
    struct bench_variant variants[BENCH_VARIANTS_MAX]; /* block first, if it is there */
    struct bench_result *results;                      /* see bench_result_at() */
    unsigned *done;                                    /* complete turns of each group */
    bool turns_of_all; /* a turn runs every group; else a group has all its turns at once */
};

static inline struct bench_result *bench_result_at(const struct bench_plan *p, unsigned group,
                                                   unsigned variant, unsigned run)
{
    return &p->results[((size_t)group * p->nr_variants + variant) * p->nr_runs + run];
}

static inline bool bench_cell_exists(const struct bench_plan *p, unsigned group, unsigned variant)
{
    const struct bench_variant *v = &p->variants[variant];

    return v->runner->takes(p->config, &p->groups[group], v);
}

/**
 * bench_plan_init - plan the runs; make and fill the scratch files
 * @p: zeroed; bench_plan_destroy() releases, also after an error
 * Return: 0 or -errno and @err.
 */
int bench_plan_init(struct bench_plan *p, const struct bench_config *c, struct error *err);
void bench_plan_destroy(struct bench_plan *p);

#endif

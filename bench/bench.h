// SPDX-License-Identifier: MIT
/*
 * pollux bench: the bench guest in a fresh machine for each run.
 *
 * A plan is a list of groups: what is asked of which disk, a workload. Each group has the same
 * variants, one for each way for the I/O thread to wait. The runs of a group take turns, variant
 * after variant, so that a slow moment of the host meets all of them, and the ratio to blocking
 * mode is taken within a turn.
 */
#ifndef POLLUX_BENCH_BENCH_H
#define POLLUX_BENCH_BENCH_H

#include <stddef.h>
#include <stdio.h>

#include "aio/policy/policy.h"
#include "bench/cache-line.h"
#include "cli/options.h"
#include "engine/engine.h"

#define BENCH_RUNS_MAX    100
#define BENCH_TARGETS_MAX 16
#define BENCH_GROUPS_MAX  (BENCH_TARGETS_MAX * OPTION_LIST_MAX * OPTION_LIST_MAX * OPTION_LIST_MAX)
/* Ours, QEMU's (blocking and each cap, with each ring), and the host's. */
#define BENCH_VARIANTS_MAX                                                                         \
    (2 * OPTION_LIST_MAX * OPTION_LIST_MAX * OPTION_LIST_MAX + 2 * (OPTION_LIST_MAX + 1) + 3)
#define BENCH_IDLE_MAX   4096
#define BENCH_PAUSE_MAX  64
#define BENCH_MEMORY_MAX (1ull << 30) /* of a guest's buffers */

enum bench_guest {
    BENCH_GUEST_BUILT_IN,
    BENCH_GUEST_LINUX,
};

enum bench_cache { /* the host's page cache, as in pollux run */
                   BENCH_CACHE_NONE,
                   BENCH_CACHE_WRITEBACK,
};

struct bench_config {
    struct option_list depths, block_sizes, policies, engines, idle, rings;
    struct option_list pauses; /* texts, see bench_pause_parse() */
    struct option_list max_ns; /* empty: what suits each policy */
    const char *disk;          /* an image of the user's */
    const char *dir;           /* where the scratch file goes */
    const char *trace;         /* a file, or NULL */
    const char *report;        /* a directory, or NULL */
    const char *against;       /* "qemu", "qemu=PATH" or NULL */
    const char *rw;
    uint64_t size, time_ns;
    uint64_t runs;          /* 0: the default */
    uint64_t fsync;         /* a flush after so many writes; 0: none */
    uint64_t disks, queues; /* queues of each disk; --depth is of each queue */
    const char *guest_dir;  /* of the test Linux guest */
    unsigned order, wait;
    unsigned cache; /* enum bench_cache */
    unsigned guest; /* enum bench_guest */
    bool overwrite, json, wide, merge, host;
};

/* What is measured. */
struct bench_target {
    const char *name;
    const struct engine_ops *engine;
    char path[64]; /* empty for engine null */
    const char *file;
    uint64_t size;
    bool direct, readonly;
    int fd; /* of a scratch file, which has no name; -1 if there is none */
};

struct bench_group {
    const struct bench_target *target;
    uint64_t bs;
    unsigned depth;
    const char *pause; /* in the plan */
};

/* One run, or the medians of several. What is not known is not a number; see figures.c for
 * names. */
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
    /* Where the time of a request went, mean: on the way to the device and back, and in it. */
    double stage_guest_ns, stage_submit_ns, stage_device_ns, stage_finish_ns;
    double steal;     /* seconds per second that a hypervisor below took from all CPUs */
    double runqueue;  /* seconds per second that threads waited for a CPU, all together */
    double switches;  /* involuntary, per second */
    double noise;     /* share of the time that the host took away; no figure of its own */
    bool noisy;       /* of medians: more than half of the runs are */
    unsigned repeats; /* runs that were thrown away for their noise */
};

struct bench_variant {
    const struct bench_runner *runner;
    const struct poll_policy_ops *policy; /* NULL: the runner knows no such thing */
    uint64_t max_ns;                      /* 0 for block */
    unsigned idle; /* handlers in the I/O thread that never have anything to do */
    bool packed;   /* the guest drives a packed ring */
};

/* Who runs the variant: Pollux, or what it is compared with. */
struct bench_runner {
    const char *name; /* "pollux": in table and JSON */

    /**
     * takes - does this cell mean anything here?
     * Where it does not, the cell is left out: see bench_cell_exists().
     */
    bool (*takes)(const struct bench_config *c, const struct bench_group *group,
                  const struct bench_variant *variant);

    /**
     * run - one run in a fresh machine
     * @trace: NULL: none
     * @stop_fd: when it becomes readable the run ends at once
     * Return: 0 and @out; -EINTR when stopped; else -errno and @err.
     */
    int (*run)(const struct bench_config *c, const struct bench_group *group,
               const struct bench_variant *variant, unsigned run, int stop_fd, struct trace *trace,
               struct bench_result *out, struct error *err);
};

/* The QEMU we compare with. */
struct bench_qemu {
    char version[32];
    unsigned major, minor;
};

/* What --host found out beforehand. */
struct bench_host {
    char fio_version[32];        /* empty: not installed */
    struct cache_line_trip trip; /* ns is 0 where there are no two CPUs */
};

struct bench_plan {
    const struct bench_config *config;
    struct bench_qemu qemu;
    struct bench_host host;
    unsigned nr_targets, nr_groups, nr_variants, nr_runs;
    struct bench_target targets[BENCH_TARGETS_MAX];
    char pauses[OPTION_LIST_MAX][BENCH_PAUSE_MAX];
    struct bench_group groups[BENCH_GROUPS_MAX];
    struct bench_variant variants[BENCH_VARIANTS_MAX]; /* block first, if it is there */
    struct bench_result *results;                      /* see bench_result_at() */
    unsigned *done;                                    /* complete turns of each group */
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

/* --- options.c --- */

extern const struct option bench_options[];

/* bench_cache_name - of enum bench_cache; NULL past the last */
const char *bench_cache_name(unsigned i);

void bench_config_init(struct bench_config *c);

/**
 * bench_config_check - what cannot be seen in one value alone
 * Return: 0, or -EINVAL and @err.
 */
int bench_config_check(const struct bench_config *c, struct error *err);

/* --- plan.c --- */

/**
 * bench_plan_init - what is to be run, with scratch files made and filled
 * @p: zeroed; bench_plan_destroy() releases, also after an error
 * Return: 0 or -errno and @err.
 */
int bench_plan_init(struct bench_plan *p, const struct bench_config *c, struct error *err);
void bench_plan_destroy(struct bench_plan *p);

/* --- target.c --- */

/**
 * bench_target_* - an engine without a file, a scratch file in @dir, or the user's disk, which is
 * looked at: what is wrong with it is known before anything runs
 * Return: 0 or -errno and @err. bench_target_close() releases.
 */
void bench_target_null(struct bench_target *t, const struct bench_config *c,
                       const struct engine_ops *engine);
int bench_target_scratch(struct bench_target *t, const struct bench_config *c,
                         const struct engine_ops *engine, const char *name, const char *dir,
                         struct error *err);
int bench_target_disk(struct bench_target *t, const struct bench_config *c,
                      const struct engine_ops *engine, struct error *err);
void bench_target_close(struct bench_target *t);

/* --- run.c --- */

/**
 * bench_run_plan - all runs, group by group, turn by turn; p->done tells how far it came
 * @progress: for people; NULL: none
 * @stop_fd, @trace: as in bench_runner.run
 * Return: 0; or -errno and @err of the run that failed; -EINTR when stopped.
 */
int bench_run_plan(struct bench_plan *p, FILE *progress, int stop_fd, struct trace *trace,
                   struct error *err);

#endif

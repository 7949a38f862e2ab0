// SPDX-License-Identifier: MIT
/*
 * pollux bench: the bench guest in a fresh machine for each run.
 *
 * A plan is a list of groups: what is asked of which disk, a workload. Each group has the same
 * variants, one for each way for the I/O thread to wait. The runs of a group take turns, variant
 * after variant, so that a slow moment of the host meets all of them, and the ratio to blocking
 * mode is taken within a turn.
 */
#ifndef POLLUX_CLI_BENCH_BENCH_H
#define POLLUX_CLI_BENCH_BENCH_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "aio/engine.h"
#include "aio/policy.h"
#include "cli/bench/cache-line.h"
#include "cli/options.h"
#include "iothread/iothread.h"
#include "virtq/virtio.h"
#include "kvm/machine.h"

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

/* --- machine.c --- */

struct bench_end {
    enum machine_end how;
    char message[ERROR_MSG_MAX / 2];
};

/**
 * bench_machine_run - a machine from its start to its end
 * @nr_idle: see bench_idle_add()
 * @timeout_ms: for a guest that does not end by itself
 * @m: set before the guest runs, for what runs beside it; freed when this returns
 * Return: 0 and @end when the machine ended by itself; -EINTR when it was stopped; else -errno and
 *         @err.
 */
int bench_machine_run(const struct machine_config *mc, unsigned nr_idle, int timeout_ms,
                      int stop_fd, struct machine **m, struct bench_end *end, struct error *err);

/* --- cell.c --- */

extern const struct bench_runner bench_runner_pollux;

/* A block device to be run in our machine in place of our own; see struct machine_disk. */
struct bench_device {
    int (*make)(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err);
    void *opaque;
};

/**
 * bench_cell - one run in a fresh machine of ours
 * @device: NULL: our own
 * For the rest see struct bench_runner.
 */
int bench_cell(const struct bench_config *c, const struct bench_group *group,
               const struct bench_variant *variant, const struct bench_device *device, unsigned run,
               int stop_fd, struct trace *trace, struct bench_result *out, struct error *err);

/* --- linux.c --- */

/* As struct bench_runner.run, with fio in the test Linux guest. */
int bench_linux_run(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err);

/**
 * bench_linux_check - is the guest there, and can KVM boot it?
 * Return: 0, or -errno and @err.
 */
int bench_linux_check(const struct bench_config *c, struct error *err);

/* --- run.c --- */

/**
 * bench_run_plan - all runs, group by group, turn by turn; p->done tells how far it came
 * @progress: for people; NULL: none
 * @stop_fd, @trace: as in bench_runner.run
 * Return: 0; or -errno and @err of the run that failed; -EINTR when stopped.
 */
int bench_run_plan(struct bench_plan *p, FILE *progress, int stop_fd, struct trace *trace,
                   struct error *err);

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

/* --- guest.c --- */

/* Differences between the guest's two marks. */
struct bench_clocks {
    uint64_t elapsed_ns;
    uint64_t iothread_ns; /* CPU time of the I/O thread */
    uint64_t exits;       /* of the vCPU, to user space; 0 where nobody counts them */
};

/* CPU time of all threads but the vCPU's. The clocks are not read at the same moment: where the
 * others did next to nothing, their difference may be below 0. */
static inline uint64_t bench_other_ns(uint64_t process_ns, uint64_t vcpu_ns)
{
    return process_ns > vcpu_ns ? process_ns - vcpu_ns : 0;
}

/* Entries of each virtqueue. The guest takes four for a request, so that none share a cache line.
 */
unsigned bench_queue_size(const struct bench_group *group);

/* Bytes of memory that the guest needs for this. */
uint64_t bench_guest_memory(const struct bench_config *c, const struct bench_group *group);

/* The guest's command line. */
void bench_guest_append(const struct bench_config *c, const struct bench_group *group,
                        const struct bench_variant *variant, unsigned run, char *buf, size_t size);

/* The value of the first line "KEY=..." of a report; it ends with the line. NULL: none. */
const char *bench_guest_value(const char *report, const char *key);

/**
 * bench_guest_report - figures from what the guest printed and the host's clocks
 * All others are made unknown.
 * Return: 0 and @out, or -EPROTO and @err.
 */
int bench_guest_report(const char *report, const struct bench_clocks *clocks,
                       struct bench_result *out, struct error *err);

/**
 * bench_guest_failure - what the guest says of its own failure
 * Return: -EIO and @err, or 0 if it says nothing.
 */
int bench_guest_failure(const char *report, struct error *err);

/* --- qemu.c --- */

extern const struct bench_runner bench_runner_qemu;

/* What @c names: a path, or a name to be looked for along PATH. */
const char *bench_qemu_program(const struct bench_config *c);

/**
 * bench_qemu_probe - which version of QEMU that is
 * Return: 0 and @out, or -errno and @err.
 */
int bench_qemu_probe(const struct bench_config *c, struct bench_qemu *out, struct error *err);

/* The rule by which its iothread polls. */
const struct poll_policy_ops *bench_qemu_policy(const struct bench_qemu *qemu);

/* --- bare.c, fio.c, pread.c: the host alone --- */

extern const struct bench_runner bench_runner_bare, bench_runner_fio, bench_runner_pread;

/* Is this something that a program on the host can do as well? */
static inline bool bench_host_takes(const struct bench_config *c, const struct bench_group *group)
{
    return group->target->file && c->disks == 1 && c->queues == 1 && !c->fsync &&
           !strcmp(group->pause, "0");
}

/**
 * bench_fio_probe - which version of fio is installed
 * Return: false if there is none; then @version is empty.
 */
bool bench_fio_probe(char *version, size_t size);

/* --- against.c --- */

/* A table of ratios between Pollux and all others that the plan has. */
void bench_print_against(const struct bench_plan *p, FILE *out);

/* What --host found out beforehand, to be released. */
struct json_t *bench_host_json(const struct bench_host *host);

/* The table of one cell, as a list to be released; NULL if there is nothing to compare it with. */
struct json_t *bench_against_json(const struct bench_plan *p, unsigned group, unsigned variant);

/* --- idle.c --- */

struct bench_idle;

/**
 * bench_idle_add - @n handlers in the loop of @io that can be polled and never have anything to do
 * Return: 0 and *@out, which bench_idle_remove() frees; or -errno and @err.
 */
int bench_idle_add(struct iothread *io, unsigned n, struct bench_idle **out, struct error *err);
void bench_idle_remove(struct bench_idle *idle);

/* --- report.c --- */

/* @wide: every figure */
void bench_print_table(const struct bench_plan *p, bool wide, FILE *out);

/* --- json.c --- */

#define BENCH_JSON_FORMAT 2 /* increased when a key changes its meaning or goes away */

/* All runs and medians as one JSON object, to be released; NULL if there is no memory. */
struct json_t *bench_json(const struct bench_plan *p);

/* --- page.c --- */

/**
 * bench_page_prepare - before anything is measured: make the directory, look for gnuplot
 * bench_page_write - make DIR/index.html
 * @root: what bench_json() returned
 * Return: 0 or -errno and @err.
 */
int bench_page_prepare(const char *dir, struct error *err);
int bench_page_write(const char *dir, const struct json_t *root, struct error *err);

/* --- compare.c --- */

struct bench_ratio {
    double ratio, low, high; /* of medians; it lies between the others with 95 % */
    bool differs;            /* from 1, beyond noise */
};

/**
 * bench_ratio - what the median of @b is to that of @a
 * @a, @b: 1 to BENCH_RUNS_MAX values each, more than 0
 */
void bench_ratio(const double *a, unsigned na, const double *b, unsigned nb,
                 struct bench_ratio *out);

/**
 * bench_compare - two files that --json wrote, cell by cell
 * Return: 0, or -EINVAL and @err: a file cannot be read, or is something else.
 */
int bench_compare(const char *path_a, const char *path_b, FILE *out, struct error *err);

/* --- names.c --- */

/**
 * bench_pause_parse - TIME, exp:MEAN, bimodal:SHORT:LONG:PERCENT or on-off:ON:OFF
 * @out: the same in the shortest form, as the guest takes it too
 * Return: 0 or -EINVAL and @err.
 */
int bench_pause_parse(const char *text, char out[BENCH_PAUSE_MAX], struct error *err);

/**
 * bench_variant_name - "cost", "block+1024", "qemu grow-shrink/packed", "bare"
 * @cap: with poll-max-ns: "cost 200000"
 */
void bench_variant_name(const struct bench_variant *v, bool cap, char *buf, size_t size);

/**
 * bench_format_time - "0", "50us", "32768ns"
 * bench_format_size - "512", "4K", "1M"
 */
const char *bench_format_time(uint64_t ns, char *buf, size_t size);
const char *bench_format_size(uint64_t bytes, char *buf, size_t size);

/**
 * bench_name_group - "memory, linux-aio, 4K, depth 1, pause exp:50us"
 */
void bench_name_group(const struct bench_group *group, char *buf, size_t size);

/**
 * bench_format_variant, bench_format_group - such names from their parts, wherever they are from
 * @policy: "" if there is none
 * @cap: "" or a text
 * @depth: 0: without
 */
void bench_format_variant(const char *runner, const char *policy, unsigned idle, bool packed,
                          const char *cap, char *buf, size_t size);
void bench_format_group(const char *disk, const char *engine, uint64_t bs, unsigned depth,
                        const char *pause, char *buf, size_t size);

#endif

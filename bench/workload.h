// SPDX-License-Identifier: MIT
/*
 * A cell of the bench is a group with a variant. The group is a disk and a workload; the variant
 * is the program that serves the guest and the poll policy of its I/O thread.
 */
#ifndef POLLUX_BENCH_WORKLOAD_H
#define POLLUX_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "aio/policy/policy.h"
#include "bench/bench-disk.h"
#include "bench/figures.h"
#include "trace/trace.h"

#define BENCH_PAUSE_MAX 64

struct bench_runner;

struct bench_group {
    const struct bench_disk *disk;
    uint64_t bs;
    unsigned depth;
    const char *pause; /* in the plan */
    uint64_t *reads;   /* NULL, or bench_runner_engine counts reads in it, see hist_bucket() */
};

struct bench_variant {
    const struct bench_runner *runner;
    const struct poll_policy_ops *policy; /* NULL: the runner has none */
    uint64_t max_ns;                      /* 0 for block */
    unsigned idle;                        /* handlers in the I/O thread that never become ready */
    bool packed;                          /* the guest drives a packed ring */
};

/* The program that serves the guest: Pollux, or one that it is compared with. */
struct bench_runner {
    const char *name; /* "pollux": in table and JSON */

    /**
     * takes - can the runner serve this cell? If not, bench_cell_exists() is false for it.
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

/* Can a program on the host do the same without a guest? */
static inline bool bench_host_takes(const struct bench_config *c, const struct bench_group *group)
{
    return group->disk->file && c->disks == 1 && c->queues == 1 && !c->fsync &&
           !strcmp(group->pause, "0");
}

/**
 * bench_pause_parse - TIME, exp:MEAN, bimodal:SHORT:LONG:PERCENT or on-off:ON:OFF
 * @out: the same in the shortest form, as the guest takes it too
 * Return: 0 or -EINVAL and @err.
 */
int bench_pause_parse(const char *text, char out[BENCH_PAUSE_MAX], struct error *err);

/**
 * bench_variant_name - "cost", "block+1024", "qemu grow-shrink/packed", "spin"
 * @cap: with poll-max-ns: "cost 200000"
 */
void bench_variant_name(const struct bench_variant *v, bool cap, char *buf, size_t size);

/**
 * bench_format_time - "0", "50us", "32768ns"
 */
const char *bench_format_time(uint64_t ns, char *buf, size_t size);

/**
 * bench_group_name - "memory, linux-aio, 4K, depth 1, pause exp:50us"
 */
void bench_group_name(const struct bench_group *group, char *buf, size_t size);

/**
 * bench_format_variant, bench_format_group - the same names from their parts
 * @policy: "" if there is none
 * @cap: "" or a text
 */
void bench_format_variant(const char *runner, const char *policy, unsigned idle, bool packed,
                          const char *cap, char *buf, size_t size);
void bench_format_group(const char *disk, const char *engine, uint64_t bs, unsigned depth,
                        const char *pause, char *buf, size_t size);

#endif

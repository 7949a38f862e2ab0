// SPDX-License-Identifier: MIT
/* Options of pollux bench. */
#ifndef POLLUX_BENCH_BENCH_OPTIONS_H
#define POLLUX_BENCH_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/options.h"

#define BENCH_RUNS_MAX   100
#define BENCH_IDLE_MAX   4096
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
    bool overwrite, json, wide, merge, contention, host;
};

extern const struct option bench_options[];

/* bench_cache_name - of enum bench_cache; NULL past the last */
const char *bench_cache_name(unsigned i);

void bench_config_init(struct bench_config *c);

/**
 * bench_config_check - check the combination of options
 * Return: 0, or -EINVAL and @err.
 */
int bench_config_check(const struct bench_config *c, struct error *err);

#endif

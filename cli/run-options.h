// SPDX-License-Identifier: MIT
/* What `pollux run` was told, and what it makes of it. */
#ifndef POLLUX_CLI_RUN_OPTIONS_H
#define POLLUX_CLI_RUN_OPTIONS_H

#include "cli/options.h"
#include "kvm/machine.h"

#define RUN_IOTHREADS_MAX 32
#define IOTHREAD_DEFAULT  "io0"

/* As struct run_disk. */
struct run_iothread {
    struct iothread_config io;
    unsigned policy; /* poll_policy_at() */
    unsigned fdmon;  /* aio_fdmon_name() */
};

/* Most of a disk is stored where the device looks for it; the rest becomes part of @disk in
 * run_plan_init(). */
struct run_disk {
    struct disk_config disk;
    const char *iothread; /* ids with colons between */
    unsigned engine;      /* engine_at(), or RUN_ENGINE_DEFAULT */
    unsigned cache;       /* enum run_cache */
    unsigned format;      /* enum run_format, or RUN_FORMAT_DEFAULT */
    unsigned discard;     /* enum run_discard */
    unsigned fault_errno; /* choice_errno() */
};

#define RUN_ENGINE_DEFAULT UINT32_MAX /* the one that suits the cache mode */

enum run_cache {
    RUN_CACHE_NONE,
    RUN_CACHE_WRITEBACK,
    RUN_CACHE_WRITETHROUGH,
    RUN_CACHE_DIRECTSYNC,
};

#define RUN_FORMAT_DEFAULT UINT32_MAX /* raw, unless the file is of another format */

enum run_format {
    RUN_FORMAT_RAW,
};

enum run_discard {
    RUN_DISCARD_IGNORE,
    RUN_DISCARD_UNMAP,
};

struct run_config {
    const char *kernel, *initrd, *append;
    uint64_t cpus;
    struct {
        uint64_t size;
        bool shared;
    } memory;
    unsigned nr_iothreads, nr_disks;
    struct run_iothread iothreads[RUN_IOTHREADS_MAX];
    struct run_disk disks[MACHINE_DISKS_MAX];
    bool stats;
    const char *trace; /* a file, or NULL */
};

extern const struct option run_options[];

const char *run_cache_name(unsigned i); /* of enum run_cache; NULL past the last */

void run_config_init(struct run_config *c);

/* --- run-plan.c --- */

/* The same in the machine's terms; strings point into the run_config. */
struct run_plan {
    struct iothread_config iothreads[RUN_IOTHREADS_MAX];
    struct disk_config disks[MACHINE_DISKS_MAX];
    char names[MACHINE_DISKS_MAX][16]; /* of the disks */
    struct machine_config machine;
};

/**
 * run_plan_init - check what options say about each other, and put in defaults
 * @plan: filled, without machine.console_out, log and opaque
 * Return: 0, or -EINVAL and @err: one line.
 */
int run_plan_init(struct run_plan *plan, const struct run_config *c, struct error *err);

#endif

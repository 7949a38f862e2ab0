// SPDX-License-Identifier: MIT
/* The options of `pollux run`, and the configuration of the machine that they make. */
#ifndef POLLUX_CLI_RUN_OPTIONS_H
#define POLLUX_CLI_RUN_OPTIONS_H

#include "cli/disk-options.h"
#include "cli/iothread-options.h"
#include "cli/sandbox-options.h"
#include "kvm/machine.h"

struct run_config {
    const char *kernel, *initrd, *append;
    uint64_t cpus;
    const char *vcpu_cpus; /* cpus_parse(); NULL: any */
    struct {
        uint64_t size;
        bool shared;
    } memory;
    struct iothread_list iothreads;
    unsigned nr_disks;
    struct disk_args disks[MACHINE_DISKS_MAX];
    bool stats;
    const char *trace; /* a file, or NULL */
    const char *qmp;   /* unix:PATH, fd:N, or NULL */
    struct sandbox_args sandbox;
};

extern const struct option run_options[];

void run_config_init(struct run_config *c);

/* --- run-plan.c --- */

/* The same in the machine's terms; strings point into the run_config. */
struct run_plan {
    struct iothread_config iothreads[IOTHREADS_MAX];
    struct disk_config disks[MACHINE_DISKS_MAX];
    char names[MACHINE_DISKS_MAX][DISK_NAME_MAX]; /* of the disks */
    struct throttle_group throttle_groups[MACHINE_DISKS_MAX];
    struct machine_config machine;
};

/**
 * run_plan_init - check what options say about each other, and put in defaults
 * @plan: filled, without machine.console_out, log and opaque
 * Return: 0, or -EINVAL and @err: one line.
 */
int run_plan_init(struct run_plan *plan, const struct run_config *c, struct error *err);

#endif

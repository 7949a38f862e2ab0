// SPDX-License-Identifier: MIT
/* The options of `pollux vhost-user`, and the plan of threads and disks that they make. */
#ifndef POLLUX_CLI_VHOST_OPTIONS_H
#define POLLUX_CLI_VHOST_OPTIONS_H

#include "cli/disk-options.h"
#include "cli/iothread-options.h"
#include "cli/sandbox-options.h"

#define VHOST_DISKS_MAX 256

struct vhost_disk_args {
    struct disk_args disk; /* first: the keys of --disk are shared with other commands */
    const char *socket;    /* a path, or NULL */
    uint64_t socket_fd;    /* VHOST_NO_FD: none */
    uint64_t socket_mode;  /* as it is typed: 660 */
};

#define VHOST_NO_FD UINT64_MAX

struct vhost_config_args {
    struct iothread_list iothreads;
    unsigned nr_disks;
    struct vhost_disk_args disks[VHOST_DISKS_MAX];
    bool stats;
    const char *trace;
    const char *qmp; /* unix:PATH, fd:N, or NULL */
    struct sandbox_args sandbox;
};

extern const struct option vhost_options[];

/* The same in the terms of the I/O threads and disks; strings point into the arguments. */
struct vhost_plan {
    unsigned nr_iothreads, nr_disks;
    struct iothread_config iothreads[IOTHREADS_MAX];
    struct disk_config disks[VHOST_DISKS_MAX];
    struct throttle_group throttle_groups[VHOST_DISKS_MAX];
    char names[VHOST_DISKS_MAX][DISK_NAME_MAX];
    unsigned modes[VHOST_DISKS_MAX]; /* of the sockets */
};

/**
 * vhost_plan_init - check what options say about each other, and put in defaults
 * Return: 0, or -EINVAL and @err: one line.
 */
int vhost_plan_init(struct vhost_plan *plan, const struct vhost_config_args *c, struct error *err);

#endif

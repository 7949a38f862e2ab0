// SPDX-License-Identifier: MIT
/* The CPU time that this process may use. */
#ifndef POLLUX_CLI_CPUS_H
#define POLLUX_CLI_CPUS_H

#include <sched.h>

#include "base/error.h"

struct cpus {
    unsigned online;
    unsigned allowed; /* by sched_setaffinity(2) and cpusets */
    unsigned quota;   /* percent of a CPU, the least of all control groups above; 0: no limit */
};

/**
 * cpus_get - affinity, and the CPU quota of control groups (v1 cpu.cfs_quota_us, v2 cpu.max)
 * @root: in front of /proc and /sys; "" but in tests
 */
void cpus_get(struct cpus *c, const char *root);

/**
 * cpus_whole - how many threads can run all the time at once, at least 1
 */
unsigned cpus_whole(const struct cpus *c);

/**
 * cpus_parse - a list of CPUs as "0:2-5": numbers and ranges, with a colon or a comma between
 * @where: prefix of the message, as "--iothread: cpus"
 * @root: as of cpus_get()
 * Return: 0 and @out, not empty; or -EINVAL and @err: not a list, or a CPU that the host does not
 *         have, that is offline, or that this process may not use.
 */
int cpus_parse(const char *list, const char *where, const char *root, cpu_set_t *out,
               struct error *err);

#endif

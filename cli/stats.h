// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_STATS_H
#define POLLUX_CLI_STATS_H

#include <stdio.h>

#include "kvm/machine.h"

/**
 * stats_print_disk - figures of one disk, with the latency of its requests by stage
 */
void stats_print_disk(const char *name, struct virtio_device *dev, FILE *out);

/**
 * stats_print - figures of vCPUs, I/O threads and disks, some lines each
 * @config: what @m was made from
 */
void stats_print(struct machine *m, const struct machine_config *config, FILE *out);

#endif

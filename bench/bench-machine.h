// SPDX-License-Identifier: MIT
/* A Pollux machine from its start to its end, for one run. */
#ifndef POLLUX_BENCH_BENCH_MACHINE_H
#define POLLUX_BENCH_BENCH_MACHINE_H

#include "kvm/machine.h"

struct bench_end {
    enum machine_end how;
    char message[ERROR_MSG_MAX / 2];
};

/**
 * bench_machine_run - a machine from its start to its end
 * @nr_idle: see bench_idle_add()
 * @timeout_ms: for a guest that does not end by itself
 * @m: set before the guest runs, for threads beside the machine; freed at the return
 * Return: 0 and @end when the machine ended by itself; -EINTR when it was stopped; else -errno and
 *         @err.
 */
int bench_machine_run(const struct machine_config *mc, unsigned nr_idle, int timeout_ms,
                      int stop_fd, struct machine **m, struct bench_end *end, struct error *err);

#endif

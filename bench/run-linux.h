// SPDX-License-Identifier: MIT
/* pollux bench --guest linux: fio in the test Linux guest. */
#ifndef POLLUX_BENCH_RUN_LINUX_H
#define POLLUX_BENCH_RUN_LINUX_H

#include "bench/workload.h"

/* As struct bench_runner.run, with fio in the test Linux guest. */
int bench_linux_run(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err);

/**
 * bench_linux_check - is the guest there, and can KVM boot it?
 * Return: 0, or -errno and @err.
 */
int bench_linux_check(const struct bench_config *c, struct error *err);

#endif

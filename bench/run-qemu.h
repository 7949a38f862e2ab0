// SPDX-License-Identifier: MIT
/* The bench guest under QEMU. */
#ifndef POLLUX_BENCH_RUN_QEMU_H
#define POLLUX_BENCH_RUN_QEMU_H

#include "bench/workload.h"

extern const struct bench_runner bench_runner_qemu;

#endif

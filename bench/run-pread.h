// SPDX-License-Identifier: MIT
/* pread(2) on the host, without a guest. */
#ifndef POLLUX_BENCH_RUN_PREAD_H
#define POLLUX_BENCH_RUN_PREAD_H

#include "bench/workload.h"

extern const struct bench_runner bench_runner_pread;

#endif

// SPDX-License-Identifier: MIT
/* The bench guest with the spin device, see spin-loops.h. */
#ifndef POLLUX_BENCH_RUN_SPIN_H
#define POLLUX_BENCH_RUN_SPIN_H

#include "bench/workload.h"

extern const struct bench_runner bench_runner_spin;

#endif

// SPDX-License-Identifier: MIT
/* The latency of waking a blocked I/O thread. */
#ifndef POLLUX_BENCH_ADVISE_WAKE_COST_H
#define POLLUX_BENCH_ADVISE_WAKE_COST_H

#include "base/error.h"

/**
 * advise_wake - measure the latency that a wake-up of an I/O thread adds, compared with polling
 * Return: 0 and *@ns, below 0 if the measurement was disturbed; or -errno and @err.
 */
int advise_wake(double *ns, struct error *err);

#endif

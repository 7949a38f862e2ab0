// SPDX-License-Identifier: MIT
/* Noise of the host during a run: stolen time, and threads that waited for a CPU. */
#ifndef POLLUX_BENCH_NOISE_H
#define POLLUX_BENCH_NOISE_H

#include <stdint.h>

#include "bench/figures.h"

/* Since the start of the host, or of the threads. */
struct bench_noise {
    uint64_t at_ns;
    uint64_t steal_ns;    /* of all CPUs */
    uint64_t runqueue_ns; /* ready to run, and not running: all threads together */
    uint64_t times_run;   /* that threads were given a CPU */
    uint64_t switches;    /* involuntary */
};

/**
 * bench_noise_sample - of the threads that a process has now; takes a tenth of a millisecond or so
 * @proc: "/proc/self"
 */
void bench_noise_sample(struct bench_noise *n, const char *proc);

/* Noise between two samples, into its figures. */
void bench_noise_result(const struct bench_noise *begin, const struct bench_noise *end,
                        struct bench_result *out);

#endif

// SPDX-License-Identifier: MIT
/* Where the time of a request went, as the disks of a machine know it. */
#ifndef POLLUX_BENCH_LATENCY_STAGES_H
#define POLLUX_BENCH_LATENCY_STAGES_H

#include "bench/figures.h"
#include "kvm/machine.h"

/* Reads and writes of all disks since they were made. */
struct bench_stages {
    uint64_t requests;
    uint64_t sum_ns[BLK_LATENCY_STAGES];
};

/**
 * bench_stages_sample - a snapshot; takes a tenth of a millisecond or so
 * bench_stages_result - what two of them tell, into the stages of @out, which has its latency
 */
void bench_stages_sample(struct bench_stages *s, struct machine *m, unsigned nr_disks);
void bench_stages_result(const struct bench_stages *begin, const struct bench_stages *end,
                         struct bench_result *out);

#endif

// SPDX-License-Identifier: MIT
/* Latency by stage, from the histograms of a machine's disks. */
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
 * bench_stages_result - the stages of @out from two snapshots; its latency is set
 */
void bench_stages_sample(struct bench_stages *s, struct machine *m, unsigned nr_disks);
void bench_stages_result(const struct bench_stages *begin, const struct bench_stages *end,
                         struct bench_result *out);

#endif

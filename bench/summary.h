// SPDX-License-Identifier: MIT
/* Medians of the runs of a cell. */
#ifndef POLLUX_BENCH_SUMMARY_H
#define POLLUX_BENCH_SUMMARY_H

#include "bench/plan.h"

/* Of the complete turns: medians, and the ratio of IOPS to blocking mode, turn by turn. */
struct bench_summary {
    struct bench_result median;
    double ratio, ratio_min, ratio_max; /* 0 if blocking mode was not measured */
};

void bench_summarise(const struct bench_plan *p, unsigned group, unsigned variant,
                     struct bench_summary *out);

#endif

// SPDX-License-Identifier: MIT
/* The rule that computes a recommendation from figures. */
#ifndef POLLUX_BENCH_ADVISE_RULE_H
#define POLLUX_BENCH_ADVISE_RULE_H

#include "bench/advise/advise-data.h"

/* Why not to poll at all. */
enum advice_block {
    ADVICE_POLL,
    ADVICE_ONE_CPU,
    ADVICE_CHEAP_WAKE,
    ADVICE_SLOWER, /* than blocking, as measured */
};

struct advice {
    unsigned engine, usual; /* recommended; the default of pollux run */
    double engine_ratio;    /* IOPS of @engine over those of @usual */
    const struct poll_policy_ops *policy;
    enum advice_block why_block;
    uint64_t max_ns; /* 0 with policy block */
    enum advise_wait wait;
    double wake_ns;     /* median */
    uint64_t limit_ns;  /* spinning that a wake-up is worth */
    uint64_t window_ns; /* for how long policy cost will spin for a read at depth 1 */
    double within;      /* share of the reads that come in this window */
};

/* advise_median - of all turns of engine @e */
struct bench_result advise_median(const struct advise_data *d, unsigned e, enum advise_wait wait,
                                  enum advise_depth depth);

/* advise_decide - what the figures say; there must be a complete turn */
void advise_decide(const struct advise_data *d, struct advice *out);

#endif

// SPDX-License-Identifier: MIT
/*
 * A bound on the CPU time that polling takes, whatever the policy: in any interval of 100 ms at
 * most the given share of a CPU.
 *
 * A token bucket. It holds an eighth of the budget of 100 ms and fills at seven eighths of the
 * permitted rate. An interval of 100 ms can spend the contents of the bucket at its begin and the
 * tokens that are added meanwhile. Their sum never exceeds the budget.
 */
#ifndef POLLUX_AIO_POLICY_BUDGET_H
#define POLLUX_AIO_POLICY_BUDGET_H

#include <stdint.h>

#define POLL_BUDGET_WINDOW_NS 100000000

struct poll_budget {
    uint32_t percent; /* of a CPU; 0: no limit */
    int64_t tokens;   /* in 1/800 ns of polling */
    uint64_t last_ns; /* when tokens were last added */
};

/**
 * poll_budget_init - start with a full bucket
 * @percent: of one CPU, 0 for no limit
 */
void poll_budget_init(struct poll_budget *b, uint32_t percent);

/**
 * poll_budget_cut - how much of @window may be polled from @now on
 * @now: of the clock that all waits are on; must not go back
 * Return: at most @window, ns.
 */
uint64_t poll_budget_cut(struct poll_budget *b, uint64_t now, uint64_t window);

/**
 * poll_budget_spend - @ns were spent polling since the last poll_budget_cut()
 */
void poll_budget_spend(struct poll_budget *b, uint64_t ns);

#endif

// SPDX-License-Identifier: MIT
/*
 * Always poll for poll-max-ns: what a user who knows the workload sets by hand.
 */
#include "aio/policy/policy.h"

static uint64_t fixed_window(struct poll_policy *p, uint64_t now)
{
    return p->params.max_ns;
}

const struct poll_policy_ops poll_policy_fixed = {
    .name = "fixed",
    .summary = "always poll for poll-max-ns",
    .window = fixed_window,
};

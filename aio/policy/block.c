// SPDX-License-Identifier: MIT
/*
 * Never poll: the baseline of all measurements.
 */
#include "aio/policy/policy.h"

static uint64_t block_window(struct poll_policy *p, uint64_t now)
{
    return 0;
}

const struct poll_policy_ops poll_policy_block = {
    .name = "block",
    .summary = "never poll, always block in the kernel",
    .window = block_window,
};

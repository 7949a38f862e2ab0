// SPDX-License-Identifier: MIT
/* The token bucket of poll-cpu-max. */
#include "aio/policy/budget.h"

/* Units: a token is 1/800 ns of polling, so that neither percent nor eighths need a division. */
#define TOKENS_PER_NS 800

static int64_t capacity(const struct poll_budget *b)
{
    return (int64_t)POLL_BUDGET_WINDOW_NS * b->percent;
}

void poll_budget_init(struct poll_budget *b, uint32_t percent)
{
    *b = (struct poll_budget){.percent = percent};
    b->tokens = capacity(b);
}

uint64_t poll_budget_cut(struct poll_budget *b, uint64_t now, uint64_t window)
{
    uint64_t elapsed, left;

    if (!b->percent) {
        return window;
    }
    elapsed = now - b->last_ns;
    b->last_ns = now;
    if (elapsed > 2 * POLL_BUDGET_WINDOW_NS) {
        elapsed = 2 * POLL_BUDGET_WINDOW_NS;
    }
    b->tokens += (int64_t)(elapsed * 7 * b->percent);
    if (b->tokens > capacity(b)) {
        b->tokens = capacity(b);
    }
    left = b->tokens > 0 ? (uint64_t)b->tokens / TOKENS_PER_NS : 0;
    return window < left ? window : left;
}

void poll_budget_spend(struct poll_budget *b, uint64_t ns)
{
    if (b->percent) {
        b->tokens -= (int64_t)ns * TOKENS_PER_NS;
    }
}

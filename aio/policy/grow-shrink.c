// SPDX-License-Identifier: MIT
/*
 * The rule of QEMU since 2.9, for each source as in QEMU since 10.
 *
 * A source's window grows while its waits are longer than the window and would still fit under
 * the cap, and shrinks when one did not fit. The loop spins for the largest window of any source.
 * A wait inside the window changes nothing, so a window that has grown stays until a wait
 * is longer than the cap. So the rule is cheap, and it may spin for windows that run out.
 */
#include "aio/policy/policy.h"

#define GROW_DEFAULT 2

struct gs_source {
    uint64_t window;
};

static uint64_t gs_window(struct poll_policy *p, uint64_t now)
{
    uint64_t window = 0;
    struct list *pos;

    list_for_each(pos, &p->sources)
    {
        const struct gs_source *gs = list_entry(pos, struct poll_source, node)->data;

        if (gs->window > window) {
            window = gs->window;
        }
    }
    return window;
}

static uint64_t gs_grown(const struct poll_params *params, uint64_t window)
{
    uint64_t grown;

    if (!window) {
        grown = POLL_GROW_START_NS;
    } else if (__builtin_mul_overflow(window, params->grow ? params->grow : GROW_DEFAULT, &grown)) {
        grown = params->max_ns;
    }
    return grown < params->max_ns ? grown : params->max_ns;
}

static void gs_event(struct poll_policy *p, struct poll_source *s, const struct poll_wait *w)
{
    struct gs_source *gs = s->data;
    uint64_t wait = w->end_ns - w->start_ns;

    if (w->off_cpu || wait <= gs->window) {
        return;
    }
    if (wait > p->params.max_ns) {
        gs->window = p->params.shrink ? gs->window / p->params.shrink : 0;
    } else {
        gs->window = gs_grown(&p->params, gs->window);
    }
}

const struct poll_policy_ops poll_policy_grow_shrink = {
    .name = "grow-shrink",
    .summary = "the rule of QEMU 2.9: grow while waits fit under poll-max-ns, else shrink",
    .source_size = sizeof(struct gs_source),
    .window = gs_window,
    .event = gs_event,
};

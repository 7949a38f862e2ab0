// SPDX-License-Identifier: MIT
/*
 * The rule of QEMU 11.1: follow an exponentially weighted mean.
 *
 * Each source has a mean of its event intervals. A source that was silent in a wait has that wait
 * added, so that one which went quiet fades out; a mean over the cap counts as 0, the source is
 * then inactive until its next event. The thread has one window, which moves toward the largest
 * mean among the sources that were ready: it jumps up or grows, and it shrinks by a step at a time.
 *
 * The weakness of the rule: with a symmetric distribution, half of the events come just after a
 * window of the length of the mean.
 */
#include "aio/policy/policy.h"

#define GROW_DEFAULT   2
#define SHRINK_DEFAULT 2
#define WEIGHT_DEFAULT 3

struct weighted {
    uint64_t window;
};

struct weighted_source {
    uint64_t mean;
    /* In the wait that is being accounted: */
    bool had_event;
    bool came_back; /* it was not in the poll set, so the wait says nothing about it */
};

static uint64_t weighted_window(struct poll_policy *p, uint64_t now)
{
    const struct weighted *wd = p->data;

    return wd->window;
}

static void weighted_event(struct poll_policy *p, struct poll_source *s, const struct poll_wait *w)
{
    struct weighted_source *ws = s->data;

    ws->had_event = s->was_polled;
    ws->came_back = !s->was_polled;
}

static uint64_t weighted_mean(const struct poll_params *params, uint64_t mean, uint64_t wait)
{
    unsigned shift = params->weight ? params->weight : WEIGHT_DEFAULT;

    return mean ? mean - (mean >> shift) + (wait >> shift) : wait;
}

static void weighted_move(struct poll_policy *p, uint64_t target)
{
    struct weighted *wd = p->data;
    uint32_t grow = p->params.grow ? p->params.grow : GROW_DEFAULT;
    uint32_t shrink = p->params.shrink ? p->params.shrink : SHRINK_DEFAULT;

    if (target > wd->window) {
        uint64_t grown;

        if (__builtin_mul_overflow(wd->window, grow, &grown) || grown < target) {
            grown = target;
        }
        wd->window = grown < p->params.max_ns ? grown : p->params.max_ns;
    } else if (target < wd->window / shrink) {
        wd->window /= shrink;
    }
}

static void weighted_wait_done(struct poll_policy *p, const struct poll_wait *w)
{
    uint64_t wait = w->end_ns - w->start_ns;
    uint64_t target = 0;
    bool any = false;
    struct list *pos;

    list_for_each(pos, &p->sources)
    {
        struct weighted_source *ws = list_entry(pos, struct poll_source, node)->data;

        if (w->off_cpu || ws->came_back) {
            ws->had_event = ws->came_back = false;
            continue;
        }
        if (ws->had_event) {
            ws->mean = weighted_mean(&p->params, ws->mean, wait);
        } else if (ws->mean) {
            ws->mean += wait;
        }
        if (ws->mean >= p->params.max_ns) {
            ws->mean = 0;
        }
        if (ws->had_event) {
            any = true;
            target = ws->mean > target ? ws->mean : target;
        }
        ws->had_event = false;
    }
    if (any) {
        weighted_move(p, target);
    }
}

const struct poll_policy_ops poll_policy_weighted = {
    .name = "weighted",
    .summary = "the rule of QEMU 11.1: follow an exponentially weighted mean of the intervals",
    .size = sizeof(struct weighted),
    .source_size = sizeof(struct weighted_source),
    .window = weighted_window,
    .event = weighted_event,
    .wait_done = weighted_wait_done,
};

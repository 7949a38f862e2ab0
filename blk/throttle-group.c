// SPDX-License-Identifier: MIT
/* The line of a throttle group (blk/throttle-group.h). */
#include "base/clock.h"
#include "blk/throttle-group.h"

#define HANG_NS  50000000 /* after this time the first in the line has lost its turn */
#define RETRY_NS 10000000

/* --- the line; all under the lock --- */

static struct throttle_waiter *first(struct throttle_group *g)
{
    return list_empty(&g->line) ? NULL : list_entry(g->line.next, struct throttle_waiter, node);
}

static void wake_first(struct throttle_group *g, uint64_t now)
{
    struct throttle_waiter *w = first(g);

    g->due_ns = now;
    if (w) {
        aio_bh_schedule(&w->wake);
    }
}

/* The bottom half or the timer of a waiter that hangs is pending: it will stand in line again. */
static void drop_hanging(struct throttle_group *g, const struct throttle_waiter *asking,
                         uint64_t now)
{
    struct throttle_waiter *w = first(g);

    if (w && w != asking && now > g->due_ns && now - g->due_ns > HANG_NS) {
        list_del(&w->node);
        wake_first(g, now);
    }
}

static void to_the_end(struct throttle_waiter *w, uint64_t now)
{
    struct throttle_group *g = w->group;
    bool turn_ends = first(g) == w;

    list_del(&w->node);
    list_add_tail(&g->line, &w->node);
    if (turn_ends && first(g) != w) {
        wake_first(g, now);
    }
}

/* @w has to wait: until its turn begins, or, behind others, until the first one would have lost
 * its turn. */
static void wait_in_line(struct throttle_waiter *w, uint64_t now, uint64_t wait)
{
    struct throttle_group *g = w->group;

    if (list_empty(&w->node) || w->took) {
        to_the_end(w, now);
    }
    w->took = false;
    if (first(g) == w) {
        g->due_ns = now + wait;
        aio_timer_arm(&w->timer, g->due_ns);
    } else {
        aio_timer_arm(&w->timer, (g->due_ns > now ? g->due_ns : now) + HANG_NS + 1);
    }
}

/* --- for queues --- */

bool throttle_admit(struct throttle_waiter *w)
{
    struct throttle_group *g = w->group;
    uint64_t now = aio_now(w->ctx), wait;
    bool ok;

    pthread_mutex_lock(&g->lock);
    throttle_advance(&g->throttle, now, !list_empty(&g->line));
    drop_hanging(g, w, now);
    wait = throttle_wait_ns(&g->throttle);
    ok = !g->limited || (wait == 0 && (list_empty(&g->line) || first(g) == w));
    if (!ok) {
        wait_in_line(w, now, wait);
    }
    pthread_mutex_unlock(&g->lock);
    return ok;
}

void throttle_began(struct throttle_waiter *w, enum throttle_dir dir, unsigned ops, uint64_t bytes)
{
    struct throttle_group *g = w->group;

    pthread_mutex_lock(&g->lock);
    throttle_charge(&g->throttle, dir, ops, bytes);
    pthread_mutex_unlock(&g->lock);
    w->took = true;
}

void throttle_retry(struct throttle_waiter *w)
{
    aio_timer_arm(&w->timer, aio_now(w->ctx) + RETRY_NS);
}

void throttle_leave(struct throttle_waiter *w)
{
    struct throttle_group *g = w->group;
    bool turn_ends;

    pthread_mutex_lock(&g->lock);
    turn_ends = first(g) == w;
    list_del(&w->node);
    if (turn_ends) {
        wake_first(g, aio_now(w->ctx));
    }
    pthread_mutex_unlock(&g->lock);
    aio_bh_cancel(&w->wake); /* nobody schedules it any more */
    aio_timer_cancel(&w->timer);
    w->took = false;
}

void throttle_waiter_init(struct throttle_waiter *w, struct throttle_group *g, AioContext *ctx,
                          void (*again)(void *opaque), void *opaque)
{
    *w = (struct throttle_waiter){.group = g, .ctx = ctx};
    list_init(&w->node);
    aio_bh_init(ctx, &w->wake, again, opaque);
    aio_timer_init(ctx, &w->timer, again, opaque);
}

/* --- for any thread; the clock is the one that aio_now() reads --- */

void throttle_group_init(struct throttle_group *g, const struct throttle_limits *limits)
{
    *g = (struct throttle_group){.limited = throttle_limited(limits)};
    pthread_mutex_init(&g->lock, NULL);
    list_init(&g->line);
    throttle_set(&g->throttle, limits, clock_ns(CLOCK_MONOTONIC));
}

void throttle_group_destroy(struct throttle_group *g)
{
    pthread_mutex_destroy(&g->lock);
}

void throttle_group_set(struct throttle_group *g, const struct throttle_limits *limits)
{
    struct list *at;

    pthread_mutex_lock(&g->lock);
    throttle_set(&g->throttle, limits, clock_ns(CLOCK_MONOTONIC));
    store_relaxed(&g->limited, throttle_limited(limits));
    list_for_each(at, &g->line)
    {
        aio_bh_schedule(&list_entry(at, struct throttle_waiter, node)->wake);
    }
    pthread_mutex_unlock(&g->lock);
}

struct throttle_limits throttle_group_get(struct throttle_group *g)
{
    struct throttle_limits limits;

    pthread_mutex_lock(&g->lock);
    limits = g->throttle.limits;
    pthread_mutex_unlock(&g->lock);
    return limits;
}

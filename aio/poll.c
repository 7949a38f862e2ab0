// SPDX-License-Identifier: MIT
/*
 * One iteration of the loop.
 *
 * The loop is in polling mode from the first event until it has to block, over any number of
 * iterations. The sources are asked to notify again only then. So a source that has its next event
 * before the loop blocks sends no notification, even if the policy never spins.
 *
 * What must hold: before the loop blocks, every source in the poll set has re-enabled its
 * notifications (poll_end) and was polled once more after that, and the monitor watches every other
 * handler. Then each later event writes a descriptor that the monitor watches.
 */
#include <stdlib.h>

#include "aio/bh.h"
#include "aio/loop-clock.h"
#include "aio/deferred.h"
#include "aio/fdmon/fdmon.h"
#include "aio/loop.h"
#include "aio/notifier.h"
#include "aio/poll-set.h"
#include "aio/run-delay.h"
#include "aio/timer.h"
#include "aio/waits/recorder.h"

/* Poll callbacks between two readings of the clock, which costs about as much. */
#define LOOKS_PER_CLOCK 16
/* Two readings of the clock further apart than this: the thread was not running. */
#define OFF_CPU_NS 20000

static void take_new_params(AioContext *ctx)
{
    struct poll_params *params;
    struct list *at;

    if (!load_relaxed(&ctx->new_params)) {
        return;
    }
    params = exchange_acq_rel(&ctx->new_params, NULL);
    poll_policy_change(&ctx->policy, params);
    list_for_each(at, &ctx->handlers)
    {
        poll_source_reset(&list_entry(at, struct aio_handler, node)->source);
    }
    free(params);
}

static void look_at_fds(AioContext *ctx, uint64_t now)
{
    ctx->fds_seen_ns = now;
    ctx->fdmon->ops->wait(ctx->fdmon, 0);
}

/*
 * Spin for up to @limit ns.
 * Return: true if something is ready.
 */
static bool spin(AioContext *ctx, struct poll_wait *w, uint64_t limit)
{
    unsigned sources = ctx->nr_handlers - ctx->nr_quiet;
    bool cheap = sources < LOOKS_PER_CLOCK && !ctx->nr_dear;
    unsigned passes = cheap ? LOOKS_PER_CLOCK / sources : 1;
    uint64_t before, now = w->start_ns;
    bool found = false;

    do {
        for (unsigned i = 0; i < passes && !found; i++) {
            found = aio_poll_set_pass(ctx);
        }
        if (found) {
            break; /* without another reading of the clock, which would delay the event */
        }
        cpu_relax(); /* once in a batch: at each look it would cost the event 40 ns */
        before = now;
        now = aio_now(ctx);
        w->off_cpu |= now - before > OFF_CPU_NS;
        if (ctx->nr_fd_only && now - ctx->fds_seen_ns >= AIO_FD_SLICE_NS) {
            look_at_fds(ctx, now);
            found = !list_empty(&ctx->ready);
            now = aio_now(ctx);
        }
    } while (!found && now - w->start_ns < limit);

    w->polled_ns = now - w->start_ns;
    w->end_ns = now;
    return found;
}

/* Return: false if the loop did not block, because the last poll pass found an event. */
static bool block(AioContext *ctx, struct poll_wait *w)
{
    bool polled = aio_poll_set_end(ctx); /* which may arm a timer */
    int64_t timeout = aio_timers_timeout(ctx, w->end_ns);
    uint64_t began = w->end_ns;

    if (aio_notifier_prepare(ctx)) {
        timeout = 0;
    }
    /* The last poll pass before the system call. poll_end ends with a full barrier: this pass sees an
     * event that came before, and the other side of a later event sees that notifications are on. */
    if (polled && aio_poll_set_pass(ctx)) {
        aio_notifier_awake(ctx);
        return false;
    }
    if (w->window_ns) {
        stat_add(&ctx->stats.poll_misses, 1);
        stat_add(&ctx->stats.missed_ns, w->polled_ns);
    }
    trace_block_begin(ctx->trace, ctx, timeout);
    ctx->fdmon->ops->wait(ctx->fdmon, timeout);
    aio_notifier_awake(ctx);

    w->end_ns = aio_now(ctx);
    w->blocked_ns = w->end_ns - began;
    trace_block_end(ctx->trace, ctx, w->blocked_ns);
    w->outcome = POLL_BLOCKED;
    ctx->fds_seen_ns = w->end_ns;
    stat_add(&ctx->stats.blocks, 1);
    stat_add(&ctx->stats.blocked_ns, w->blocked_ns);
    return true;
}

/* Tells the policy and the recorder which handlers ended the wait. */
static void note_events(AioContext *ctx, const struct poll_wait *w)
{
    uint64_t ready = 0;
    struct list *at;

    list_for_each(at, &ctx->ready)
    {
        struct aio_handler *h = list_entry(at, struct aio_handler, ready_node);

        /* A descriptor may be readable for an event that an earlier poll pass has handled. */
        if (h->ops->poll && (!h->revents || h->ops->poll(h->opaque))) {
            poll_policy_event(&ctx->policy, &h->source);
            ready |= ctx->recorder ? wait_recorder_bit(ctx->recorder, h) : 0;
        }
    }
    if (ctx->recorder) {
        wait_recorder_add(ctx->recorder, w, ready);
    }
}

/* The handlers that ended the wait are charged for it. */
static void charge(AioContext *ctx, const struct poll_wait *w)
{
    struct list *at;

    list_for_each(at, &ctx->ready)
    {
        struct aio_handler *h = list_entry(at, struct aio_handler, ready_node);

        stat_add(&h->stats.polled_ns, w->polled_ns);
        if (w->blocked_ns) {
            stat_add(&h->stats.blocked_ns, w->blocked_ns);
            stat_add(&h->stats.misses, w->polled_ns != 0);
        }
    }
}

static void note_window(AioContext *ctx, uint64_t ns)
{
    uint64_t old = ctx->stats.window_ns;

    if (ns == old) {
        return;
    }
    if (ns > old) {
        trace_poll_grow(ctx->trace, ctx, old, ns);
    } else {
        trace_poll_shrink(ctx->trace, ctx, old, ns);
    }
    store_relaxed(&ctx->stats.window_ns, ns);
}

/*
 * The loop is idle at @w->start_ns: wait until something is ready.
 * Return: whether the policy is to learn from it.
 */
static bool wait_for_event(AioContext *ctx, struct poll_wait *w)
{
    int64_t timeout = aio_timers_timeout(ctx, w->start_ns);
    bool learn = ctx->policy.params.max_ns && !list_empty(&ctx->poll_set);
    bool found = false;

    if (learn) {
        w->window_ns = poll_policy_window(&ctx->policy, w->start_ns);
    }
    note_window(ctx, w->window_ns);
    if (w->window_ns) {
        uint64_t limit = w->window_ns < (uint64_t)timeout ? w->window_ns : (uint64_t)timeout;

        aio_poll_set_begin(ctx, w->start_ns);
        trace_run_poll_handlers_begin(ctx->trace, ctx, w->window_ns, timeout);
        found = spin(ctx, w, limit);
        trace_run_poll_handlers_end(ctx->trace, ctx, found, timeout);
        stat_add(&ctx->stats.polled_ns, w->polled_ns);
    }
    if (!found && w->window_ns >= (uint64_t)timeout) {
        w->outcome = POLL_TIMER;
    } else if (!found && block(ctx, w)) {
        if (list_empty(&ctx->ready) && aio_timers_timeout(ctx, w->end_ns) == 0) {
            w->outcome = POLL_TIMER;
        }
    } else if (w->window_ns) {
        stat_add(&ctx->stats.poll_hits, 1);
    }
    charge(ctx, w);
    if (learn) {
        note_events(ctx, w);
    }
    return learn;
}

static bool dispatch(AioContext *ctx, uint64_t now)
{
    struct trace_track *trace = ctx->trace;
    struct list batch;
    bool ran = false;

    list_take(&batch, &ctx->ready);
    while (!list_empty(&batch)) {
        struct aio_handler *h = list_entry(batch.next, struct aio_handler, ready_node);
        int revents = h->revents;

        list_del(&h->ready_node);
        h->revents = 0;
        h->last_event_ns = now;
        if (h->ops->poll && !aio_in_poll_set(h)) {
            aio_poll_set_join(h, now);
        }
        if (h != &ctx->notifier) {
            stat_add(&ctx->stats.dispatches, 1);
            ran = true;
        }
        trace_dispatch_begin(trace, ctx, h->name, revents);
        if (revents) {
            stat_add(&h->stats.wakeups, 1);
            h->ops->ready(h->opaque, revents);
        } else {
            stat_add(&h->stats.hits, 1);
            h->ops->poll_ready(h->opaque);
        }
        trace_dispatch_end(trace, ctx); /* @h may be gone */
    }
    return ran;
}

bool aio_poll(AioContext *ctx, bool blocking)
{
    bool busy, ran, learn = false;
    struct poll_wait w;
    uint64_t now;

    aio_assert_owner(ctx);
    assert(!ctx->in_poll);
    ctx->in_poll = true;
    take_new_params(ctx);

    busy = ctx->polling && aio_poll_set_pass(ctx);
    now = busy ? aio_recent(ctx) : aio_now(ctx);
    w = (struct poll_wait){.start_ns = now, .end_ns = now, .outcome = POLL_HIT};
    aio_poll_set_maintain(ctx, now);
    busy |= !blocking || load_relaxed(&ctx->notified) || aio_bh_any(ctx) ||
            !list_empty(&ctx->deferred) || !list_empty(&ctx->ready) ||
            aio_timers_timeout(ctx, now) == 0;
    if (!busy) {
        learn = wait_for_event(ctx, &w);
        now = w.end_ns;
    }
    /* A busy poll set does not starve descriptors that cannot be polled. */
    if ((busy && (!ctx->polling || !blocking)) ||
        (ctx->nr_fd_only && now - ctx->fds_seen_ns >= AIO_FD_SLICE_NS)) {
        look_at_fds(ctx, now);
    }

    aio_notifier_accept(ctx);
    if (!list_empty(&ctx->ready) || aio_bh_any(ctx)) {
        aio_poll_set_begin(ctx, now);
    }
    ran = dispatch(ctx, now);
    ran |= aio_bh_run(ctx);
    ran |= aio_timers_run(ctx, now);
    ran |= aio_deferred_run(ctx);
    if (learn) {
        poll_policy_wait_done(&ctx->policy, &w);
        aio_run_delay_sample(ctx, now);
    }
    if (ran) {
        stat_add(&ctx->stats.turns, 1);
    }
    ctx->in_poll = false;
    return ran;
}

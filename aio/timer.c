// SPDX-License-Identifier: MIT
/* One-shot timers, in a list by deadline: a loop has few of them. */
#include "aio/loop.h"
#include "aio/timer.h"

void aio_timer_init(AioContext *ctx, struct aio_timer *t, void (*cb)(void *opaque), void *opaque)
{
    *t = (struct aio_timer){.ctx = ctx, .cb = cb, .opaque = opaque};
    list_init(&t->node);
}

void aio_timer_arm(struct aio_timer *t, uint64_t deadline_ns)
{
    struct list *at;

    aio_assert_owner(t->ctx);
    list_del(&t->node);
    t->deadline_ns = deadline_ns;
    list_for_each(at, &t->ctx->timers)
    {
        if (list_entry(at, struct aio_timer, node)->deadline_ns > deadline_ns) {
            break;
        }
    }
    list_add_tail(at, &t->node);
}

void aio_timer_cancel(struct aio_timer *t)
{
    aio_assert_owner(t->ctx);
    list_del(&t->node);
}

int64_t aio_timers_timeout(const AioContext *ctx, uint64_t now)
{
    uint64_t deadline;

    if (list_empty(&ctx->timers)) {
        return INT64_MAX;
    }
    deadline = list_entry(ctx->timers.next, struct aio_timer, node)->deadline_ns;
    if (deadline <= now) {
        return 0;
    }
    return deadline - now < INT64_MAX ? (int64_t)(deadline - now) : INT64_MAX;
}

bool aio_timers_run(AioContext *ctx, uint64_t now)
{
    struct list due, *at;

    if (aio_timers_timeout(ctx, now) > 0) {
        return false;
    }
    /* Due timers leave the list first: a timer that a callback arms is not due in this call. */
    list_for_each(at, &ctx->timers)
    {
        if (list_entry(at, struct aio_timer, node)->deadline_ns > now) {
            break;
        }
    }
    due.next = ctx->timers.next;
    due.prev = at->prev;
    due.next->prev = due.prev->next = &due;
    ctx->timers.next = at;
    at->prev = &ctx->timers;

    while (!list_empty(&due)) {
        struct aio_timer *t = list_entry(due.next, struct aio_timer, node);

        list_del(&t->node);
        stat_add(&ctx->stats.timers, 1);
        t->cb(t->opaque);
    }
    return true;
}

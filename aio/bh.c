// SPDX-License-Identifier: MIT
/*
 * Bottom halves. Any thread pushes onto a lock-free stack; the owner takes the whole stack at once
 * and reverses it, so they run in the order of the calls. A bottom half that is scheduled while
 * they run waits for the next iteration, so one that schedules itself does not starve the other
 * sources.
 */
#include "aio/bh.h"
#include "aio/loop.h"

void aio_bh_init(AioContext *ctx, struct aio_bh *bh, void (*cb)(void *opaque), void *opaque)
{
    *bh = (struct aio_bh){.ctx = ctx, .cb = cb, .opaque = opaque};
    list_init(&bh->node);
}

void aio_bh_schedule(struct aio_bh *bh)
{
    AioContext *ctx = bh->ctx;

    /* Pairs with the exchange in aio_bh_run(): if this finds 1, the next run sees its writes. */
    if (!exchange_acq_rel(&bh->scheduled, 1)) {
        struct aio_bh *head = load_relaxed(&ctx->bh_incoming);

        do {
            bh->next = head;
        } while (!__atomic_compare_exchange_n(&ctx->bh_incoming, &head, bh, true, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED));
    }
    aio_notify(ctx);
}

static void take_incoming(AioContext *ctx)
{
    struct list *at = &ctx->bh_pending;
    struct aio_bh *bh;

    if (!load_relaxed(&ctx->bh_incoming)) {
        return;
    }
    /* newest first: each goes before the one taken just before it */
    for (bh = exchange_acq_rel(&ctx->bh_incoming, NULL); bh; bh = bh->next) {
        list_add_tail(at, &bh->node);
        at = &bh->node;
    }
}

bool aio_bh_any(AioContext *ctx)
{
    return load_relaxed(&ctx->bh_incoming) || !list_empty(&ctx->bh_pending);
}

bool aio_bh_run(AioContext *ctx)
{
    struct list batch;

    take_incoming(ctx);
    if (list_empty(&ctx->bh_pending)) {
        return false;
    }
    trace_bottom_halves_begin(ctx->trace, ctx);
    list_take(&batch, &ctx->bh_pending);
    while (!list_empty(&batch)) {
        struct aio_bh *bh = list_entry(batch.next, struct aio_bh, node);

        list_del(&bh->node);
        stat_add(&ctx->stats.bhs, 1);
        exchange_acq_rel(&bh->scheduled, 0);
        bh->cb(bh->opaque);
    }
    trace_bottom_halves_end(ctx->trace, ctx);
    return true;
}

void aio_bh_cancel(struct aio_bh *bh)
{
    aio_assert_owner(bh->ctx);
    take_incoming(bh->ctx);
    list_del(&bh->node);
    store_relaxed(&bh->scheduled, 0);
}

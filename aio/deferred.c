// SPDX-License-Identifier: MIT
/* Work that was deferred to the end of the turn. */
#include "aio/deferred.h"
#include "aio/loop.h"

/*
 * The first round submits requests. Requests that complete inside the submission defer the publishing
 * of used buffers, the second round. Further rounds (a completion that submits again) wait for the
 * next iteration, or they would starve the other sources.
 */
#define DEFERRED_ROUNDS 3

void aio_deferred_init(struct aio_deferred *d, void (*cb)(void *opaque), void *opaque)
{
    *d = (struct aio_deferred){.cb = cb, .opaque = opaque};
    list_init(&d->node);
}

void aio_defer_first(AioContext *ctx, struct aio_deferred *d)
{
    aio_assert_owner(ctx);
    list_add_tail(&ctx->deferred, &d->node);
}

void aio_deferred_cancel(struct aio_deferred *d)
{
    list_del(&d->node);
}

bool aio_deferred_run(AioContext *ctx)
{
    if (list_empty(&ctx->deferred)) {
        return false;
    }
    trace_end_of_turn_begin(ctx->trace, ctx);
    for (unsigned round = 0; round < DEFERRED_ROUNDS && !list_empty(&ctx->deferred); round++) {
        struct list batch;

        list_take(&batch, &ctx->deferred);
        while (!list_empty(&batch)) {
            struct aio_deferred *d = list_entry(batch.next, struct aio_deferred, node);

            list_del(&d->node);
            d->cb(d->opaque);
        }
    }
    trace_end_of_turn_end(ctx->trace, ctx);
    return true;
}

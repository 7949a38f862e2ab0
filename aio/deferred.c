// SPDX-License-Identifier: MIT
/* Work put off to the end of the turn. */
#include "aio/internal.h"

void aio_deferred_init(struct aio_deferred *d, void (*cb)(void *opaque), void *opaque)
{
    *d = (struct aio_deferred){.cb = cb, .opaque = opaque};
    list_init(&d->node);
}

void aio_defer(AioContext *ctx, struct aio_deferred *d)
{
    aio_assert_owner(ctx);
    if (list_empty(&d->node)) {
        list_add_tail(&ctx->deferred, &d->node);
    }
}

void aio_deferred_cancel(struct aio_deferred *d)
{
    list_del(&d->node);
}

bool aio_deferred_run(AioContext *ctx)
{
    bool ran = false;

    while (!list_empty(&ctx->deferred)) {
        struct aio_deferred *d = list_entry(ctx->deferred.next, struct aio_deferred, node);

        list_del(&d->node);
        d->cb(d->opaque);
        ran = true;
    }
    return ran;
}

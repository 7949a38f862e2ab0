// SPDX-License-Identifier: MIT
/* Which thread a loop belongs to. */
#include "aio/loop.h"

/* Each thread has its own, so the address identifies the thread. No call into libpthread: the
 * engines and the virtqueues ask several times for each request. */
static _Thread_local char self;

void aio_context_take(AioContext *ctx)
{
    store_relaxed(&ctx->owner, &self);
}

bool aio_context_in_owner(const AioContext *ctx)
{
    return load_relaxed(&ctx->owner) == &self;
}

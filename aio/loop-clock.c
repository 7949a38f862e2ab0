// SPDX-License-Identifier: MIT
/* The loop's clock. */
#include "aio/loop-clock.h"
#include "aio/loop.h"
#include "base/clock.h"

uint64_t aio_clock_monotonic(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t aio_now(AioContext *ctx)
{
    ctx->recent_ns = ctx->clock();
    return ctx->recent_ns;
}

uint64_t aio_recent(AioContext *ctx)
{
    uint64_t ticks = __builtin_ia32_rdtsc();

    /* The counter of another CPU may be behind: that is a large difference, too. */
    if (ctx->clock != aio_clock_monotonic || ticks - ctx->recent_ticks > AIO_RECENT_TICKS) {
        ctx->recent_ticks = ticks;
        aio_now(ctx);
    }
    return ctx->recent_ns;
}

// SPDX-License-Identifier: MIT
/*
 * What the trials of poll_params.contention compare: the time that the loop's thread was ready to
 * run and waited for a CPU, and the requests that its handlers completed. aio_watch_run_delay() is in
 * aio.h.
 */
#ifndef POLLUX_AIO_RUN_DELAY_H
#define POLLUX_AIO_RUN_DELAY_H

#include "aio/loop.h"

/* Reads the counters and gives them to the policy. */
void aio_run_delay_read(AioContext *ctx, uint64_t now);

/* The loop is between two waits: reads the counters if the policy is to see them now. */
static inline void aio_run_delay_sample(AioContext *ctx, uint64_t now)
{
    if (ctx->run_delay_fd >= 0 && poll_policy_wants_progress(&ctx->policy, now)) {
        aio_run_delay_read(ctx, now);
    }
}

void aio_run_delay_close(AioContext *ctx);

#endif

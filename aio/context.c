// SPDX-License-Identifier: MIT
/* Creating, configuring and destroying an event loop. One iteration is in poll.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aio/stats.h"
#include "aio/bh.h"
#include "aio/loop-clock.h"
#include "aio/fdmon/fdmon.h"
#include "aio/loop.h"
#include "aio/notifier.h"
#include "aio/run-delay.h"
#include "aio/waits/recorder.h"

static void open_tracks(AioContext *ctx, const struct aio_context_config *config)
{
    const char *name = config->name ? config->name : "loop";
    char notify[32];

    snprintf(notify, sizeof(notify), "notify %s", name);
    ctx->trace = trace_track_new(config->trace, name, false);
    ctx->trace_notify = trace_track_new(config->trace, notify, true);
}

int aio_context_new(const struct aio_context_config *config, AioContext **out, struct error *err)
{
    const struct fdmon_ops *fdmon = fdmon_find(config->fdmon);
    AioContext *ctx;
    int r;

    if (!fdmon) {
        return error_set(err, -EINVAL, "no file descriptor monitor is named '%s'", config->fdmon);
    }
    if (config->max_batch > AIO_MAX_BATCH_LIMIT) {
        return error_set(err, -EINVAL, "aio-max-batch is at most %d, not %u", AIO_MAX_BATCH_LIMIT,
                         config->max_batch);
    }
    ctx = aligned_alloc(CACHE_LINE, sizeof(*ctx));
    if (!ctx) {
        return error_set(err, -ENOMEM, "out of memory for an event loop");
    }
    memset(ctx, 0, sizeof(*ctx));
    ctx->max_batch = config->max_batch;
    ctx->run_delay_fd = -1;
    ctx->clock = config->clock ? config->clock : aio_clock_monotonic;
    list_init(&ctx->handlers);
    list_init(&ctx->removed);
    list_init(&ctx->ready);
    list_init(&ctx->poll_set);
    list_init(&ctx->timers);
    list_init(&ctx->deferred);
    list_init(&ctx->bh_pending);
    aio_context_take(ctx);
    open_tracks(ctx, config);

    r = poll_policy_init(&ctx->policy, &config->poll);
    if (r < 0) {
        error_set(err, r, "out of memory for a poll policy");
        goto free_ctx;
    }
    r = fdmon->open(ctx, &ctx->fdmon);
    if (r < 0) {
        error_set(err, r,
                  "cannot set up the file descriptor monitor %s: %s (fdmon=auto always works)",
                  fdmon->name, strerror(-r));
        goto destroy_policy;
    }
    r = aio_notifier_init(ctx);
    if (r < 0) {
        error_set(err, r, "cannot make an eventfd for an event loop: %s", strerror(-r));
        goto close_fdmon;
    }
    if (config->record) {
        r = wait_recorder_open(config->record, &ctx->policy, &ctx->recorder, err);
        if (r < 0) {
            goto destroy_notifier;
        }
    }
    *out = ctx;
    return 0;

destroy_notifier:
    aio_notifier_destroy(ctx);
    aio_stats_destroy(ctx);
close_fdmon:
    ctx->fdmon->ops->close(ctx->fdmon);
destroy_policy:
    poll_policy_destroy(&ctx->policy);
free_ctx:
    free(ctx);
    return r;
}

int aio_record_end(AioContext *ctx, struct error *err)
{
    struct wait_recorder *recorder = ctx->recorder;

    aio_assert_owner(ctx);
    ctx->recorder = NULL;
    return recorder ? wait_recorder_close(recorder, err) : 0;
}

int aio_context_free(AioContext *ctx)
{
    aio_assert_owner(ctx);
    assert(!ctx->in_poll);
    if (ctx->nr_handlers || !list_empty(&ctx->timers) || !list_empty(&ctx->deferred) ||
        aio_bh_any(ctx)) {
        return -EBUSY;
    }
    aio_record_end(ctx, NULL);
    aio_run_delay_close(ctx);
    aio_notifier_destroy(ctx);
    aio_stats_destroy(ctx);
    ctx->fdmon->ops->close(ctx->fdmon);
    poll_policy_destroy(&ctx->policy);
    free(ctx->new_params);
    free(ctx);
    return 0;
}

struct trace_track *aio_trace(const AioContext *ctx)
{
    return ctx->trace;
}

bool aio_polling(const AioContext *ctx)
{
    return ctx->polling;
}

bool aio_fds_unwatched(const AioContext *ctx)
{
    return ctx->unwatched;
}

unsigned aio_max_batch(const AioContext *ctx)
{
    return ctx->max_batch;
}

struct worker_pool *aio_worker_pool(const AioContext *ctx)
{
    return ctx->workers;
}

void aio_set_worker_pool(AioContext *ctx, struct worker_pool *pool)
{
    aio_assert_owner(ctx);
    ctx->workers = pool;
}

int aio_set_poll_params(AioContext *ctx, const struct poll_params *params)
{
    struct poll_params *copy = malloc(sizeof(*copy));

    if (!copy) {
        return -ENOMEM;
    }
    *copy = *params;
    free(exchange_acq_rel(&ctx->new_params, copy));
    aio_notify(ctx);
    return 0;
}

struct poll_params aio_poll_params(AioContext *ctx)
{
    aio_assert_owner(ctx);
    return ctx->policy.params;
}

int aio_describe_policy(AioContext *ctx, char *buf, size_t len)
{
    aio_assert_owner(ctx);
    return poll_policy_describe(&ctx->policy, buf, len);
}

uint64_t aio_wake_ns(AioContext *ctx)
{
    aio_assert_owner(ctx);
    return poll_policy_wake_ns(&ctx->policy);
}

// SPDX-License-Identifier: MIT
/* An event loop's life: creation, ownership, parameters, figures. The loop itself is in poll.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aio/internal.h"
#include "aio/waits/recorder.h"

static uint64_t clock_monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

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
    ctx->clock = config->clock ? config->clock : clock_monotonic;
    list_init(&ctx->handlers);
    list_init(&ctx->removed);
    list_init(&ctx->ready);
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
    aio_account_destroy(ctx);
close_fdmon:
    ctx->fdmon->ops->close(ctx->fdmon);
destroy_policy:
    poll_policy_destroy(&ctx->policy);
free_ctx:
    free(ctx);
    return r;
}

int aio_context_free(AioContext *ctx)
{
    aio_assert_owner(ctx);
    assert(!ctx->in_poll);
    if (ctx->nr_handlers || !list_empty(&ctx->timers) || !list_empty(&ctx->deferred) ||
        aio_bh_any(ctx)) {
        return -EBUSY;
    }
    if (ctx->recorder) {
        wait_recorder_close(ctx->recorder);
    }
    aio_notifier_destroy(ctx);
    aio_account_destroy(ctx);
    ctx->fdmon->ops->close(ctx->fdmon);
    poll_policy_destroy(&ctx->policy);
    free(ctx->new_params);
    free(ctx);
    return 0;
}

/* Each thread has its own, so its address tells threads apart, and without a call into libpthread:
 * this is asked several times for each request. */
static _Thread_local char self;

void aio_context_take(AioContext *ctx)
{
    store_relaxed(&ctx->owner, &self);
}

bool aio_context_in_owner(const AioContext *ctx)
{
    return load_relaxed(&ctx->owner) == &self;
}

uint64_t aio_now(AioContext *ctx)
{
    ctx->recent_ns = ctx->clock();
    return ctx->recent_ns;
}

uint64_t aio_recent(AioContext *ctx)
{
    uint64_t ticks = __builtin_ia32_rdtsc();

    /* On another CPU the counter may be behind: that is a large difference, too. */
    if (ctx->clock != clock_monotonic || ticks - ctx->recent_ticks > AIO_RECENT_TICKS) {
        ctx->recent_ticks = ticks;
        aio_now(ctx);
    }
    return ctx->recent_ns;
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

void aio_count_loop_syscall(AioContext *ctx)
{
    stat_add(&ctx->stats.syscalls, 1);
}

struct worker_pool *aio_worker_pool(const AioContext *ctx)
{
    return ctx->workers;
}

void aio_set_worker_pool(AioContext *ctx, struct worker_pool *pool)
{
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

void aio_get_stats(AioContext *ctx, struct aio_stats *out)
{
    const uint64_t *from = (const uint64_t *)&ctx->stats;
    uint64_t *to = (uint64_t *)out;

    _Static_assert(sizeof(*out) % sizeof(*to) == 0, "only counters in struct aio_stats");
    for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++) {
        to[i] = load_relaxed(&from[i]);
    }
    out->notify_sent += load_relaxed(&ctx->notify_sent);
    out->notify_elided += load_relaxed(&ctx->notify_elided);
}

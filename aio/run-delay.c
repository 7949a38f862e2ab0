// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "aio/run-delay.h"

/* Time on a CPU, run delay, number of times that the thread began to run: proc_pid_schedstat(5). */
static bool read_schedstat(int fd, struct poll_progress *out)
{
    char text[80], *at = text;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    strtoull(at, &at, 10);
    out->delay_ns = strtoull(at, &at, 10);
    out->starts = strtoull(at, &at, 10);
    return *at == '\n';
}

bool aio_watch_run_delay(AioContext *ctx)
{
    struct poll_progress p;

    aio_assert_owner(ctx);
    aio_run_delay_close(ctx);
    ctx->run_delay_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (ctx->run_delay_fd >= 0 && !read_schedstat(ctx->run_delay_fd, &p)) {
        aio_run_delay_close(ctx);
    }
    return ctx->run_delay_fd >= 0;
}

bool aio_run_delay(AioContext *ctx, uint64_t *ns, uint64_t *starts)
{
    struct poll_progress p;

    aio_assert_owner(ctx);
    if (ctx->run_delay_fd < 0 || !read_schedstat(ctx->run_delay_fd, &p)) {
        return false;
    }
    *ns = p.delay_ns;
    *starts = p.starts;
    return true;
}

/* A handler that is removed and added again, as that of a disk at its limit, counts from there on. */
static uint64_t count_done(AioContext *ctx)
{
    struct list *at;

    list_for_each(at, &ctx->handlers)
    {
        struct aio_handler *h = list_entry(at, struct aio_handler, node);

        if (h->done) {
            ctx->done += *h->done - h->done_seen;
            h->done_seen = *h->done;
        }
    }
    return ctx->done;
}

void aio_run_delay_read(AioContext *ctx, uint64_t now)
{
    struct poll_progress p;

    if (read_schedstat(ctx->run_delay_fd, &p)) {
        p.done = count_done(ctx);
        poll_policy_progress(&ctx->policy, now, &p);
        store_relaxed(&ctx->stats.trials, ctx->policy.contention.trials);
        aio_count_loop_syscall(ctx);
    }
}

void aio_run_delay_close(AioContext *ctx)
{
    if (ctx->run_delay_fd >= 0) {
        close(ctx->run_delay_fd);
        ctx->run_delay_fd = -1;
    }
}

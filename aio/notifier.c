// SPDX-License-Identifier: MIT
/*
 * Waking a loop from another thread.
 *
 *     notifying thread                      owner
 *     ----------------                      -----
 *     publish the work                      notify_me = 1
 *     notified = 1                          full barrier (A)
 *     full barrier (B)                      if notified: do not block
 *     if notify_me: write the eventfd       block
 *                                           notify_me = 0
 *                                           if notified: clear it, then look for work
 *
 * A pairs with B: of the two loads after them at least one sees the other side's store, so either
 * the owner does not block or the eventfd is written. While the owner runs or polls, notify_me is 0
 * and a notification costs no system call; the poll phase looks at `notified` in each pass.
 * tests/model checks this with both barriers, and that it fails without either.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "aio/handler.h"
#include "aio/loop.h"
#include "aio/notifier.h"

static void notifier_ready(void *opaque, int revents)
{
    AioContext *ctx = opaque;
    uint64_t n;

    aio_count_syscall(&ctx->notifier);
    while (read(ctx->notifier.fd, &n, sizeof(n)) < 0 && errno == EINTR) {
    }
}

static const struct aio_handler_ops notifier_ops = {.ready = notifier_ready};

int aio_notifier_init(AioContext *ctx)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r;

    if (fd < 0) {
        return -errno;
    }
    r = aio_handler_add_notifier(ctx, fd, &notifier_ops);
    if (r < 0) {
        close(fd);
    }
    return r;
}

void aio_notifier_destroy(AioContext *ctx)
{
    int fd = ctx->notifier.fd;

    aio_handler_remove(&ctx->notifier);
    close(fd);
}

static void send(AioContext *ctx)
{
    uint64_t one = 1;
    int saved = errno; /* this may be a signal handler */

    __atomic_fetch_add(&ctx->notify_sent, 1, __ATOMIC_RELAXED);
    while (write(ctx->notifier.fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    trace_notify(ctx->trace_notify, ctx, true);
    errno = saved;
}

/* In the owner's thread program order replaces the barriers, and the counter needs no atomic
 * addition. A signal handler that interrupts the addition may lose a count. */
void aio_notify(AioContext *ctx)
{
    bool own = aio_context_in_owner(ctx);

    store_release(&ctx->notified, 1);
    if (!own) {
        full_barrier(); /* B, pairs with A in aio_notifier_prepare() */
    }
    if (load_relaxed(&ctx->notify_me)) {
        send(ctx);
        return;
    }
    if (own) {
        stat_add(&ctx->stats.notify_elided, 1);
    } else {
        __atomic_fetch_add(&ctx->notify_elided, 1, __ATOMIC_RELAXED);
    }
    trace_notify(ctx->trace_notify, ctx, false);
}

bool aio_asleep(const AioContext *ctx)
{
    return load_relaxed(&ctx->notify_me);
}

bool aio_notifier_prepare(AioContext *ctx)
{
    store_relaxed(&ctx->notify_me, 1);
    full_barrier(); /* A, pairs with B in aio_notify() */
    return load_relaxed(&ctx->notified);
}

void aio_notifier_awake(AioContext *ctx)
{
    store_relaxed(&ctx->notify_me, 0);
}

bool aio_notifier_accept(AioContext *ctx)
{
    return load_relaxed(&ctx->notified) && exchange_acq_rel(&ctx->notified, 0);
}

// SPDX-License-Identifier: MIT
/*
 * File descriptor handlers and the poll set.
 *
 * Every handler is always known to the monitor. One that can be polled is also in the poll set,
 * which is what the poll phase spins over; if it stays quiet it leaves the set, so that a thousand
 * idle queues cost a busy one nothing, and it comes back when its descriptor fires.
 */
#include <errno.h>

#include "aio/internal.h"

void aio_handler_watch(struct aio_handler *h, bool on)
{
    struct fdmon *m = h->ctx->fdmon;

    if (m->ops->watch && h->unwatched == on) {
        m->ops->watch(m, h, on);
        h->unwatched = !on;
    }
}

void aio_poll_set_join(struct aio_handler *h, uint64_t now)
{
    AioContext *ctx = h->ctx;

    h->last_event_ns = now;
    list_add_tail(&ctx->policy.sources, &h->source.node);
    ctx->nr_quiet--;
    if (ctx->unwatched) {
        aio_handler_watch(h, false);
    }
    trace_poll_add(ctx->trace, ctx, h->name, h->fd);
    if (ctx->polling && h->ops->poll_begin) {
        h->ops->poll_begin(h->opaque);
    }
}

void aio_poll_set_leave(struct aio_handler *h)
{
    AioContext *ctx = h->ctx;

    aio_handler_watch(h, true);
    list_del(&h->source.node);
    ctx->nr_quiet++;
    trace_poll_remove(ctx->trace, ctx, h->name, h->fd);
    if (ctx->polling && h->ops->poll_end) {
        h->ops->poll_end(h->opaque);
    }
}

static int handler_add(AioContext *ctx, struct aio_handler *h, int fd, int events,
                       const struct aio_handler_ops *ops, void *opaque, const char *name,
                       const unsigned *expected)
{
    int r;

    *h = (struct aio_handler){
        .fd = fd,
        .events = events,
        .ops = ops,
        .opaque = opaque,
        .name = ctx->trace ? trace_name(ctx->trace, name) : name,
        .ctx = ctx,
    };
    list_init(&h->ready_node);
    r = poll_source_init(&h->source, &ctx->policy, expected);
    if (r == 0) {
        r = ctx->fdmon->ops->add(ctx->fdmon, h);
        if (r < 0) {
            poll_source_destroy(&h->source);
        }
    }
    if (r < 0) {
        h->ctx = NULL;
        return r;
    }
    list_add_tail(&ctx->handlers, &h->node);
    return 0;
}

int aio_handler_add(AioContext *ctx, struct aio_handler *h, int fd, int events,
                    const struct aio_handler_ops *ops, void *opaque, const char *name,
                    const unsigned *expected)
{
    int r;

    aio_assert_owner(ctx);
    assert(ops->ready && !ops->poll == !ops->poll_ready);
    r = handler_add(ctx, h, fd, events, ops, opaque, name, expected);
    if (r < 0) {
        return r;
    }
    ctx->nr_handlers++;
    ctx->nr_quiet++;
    if (ops->poll) {
        aio_poll_set_join(h, aio_now(ctx));
        h->last_event_ns -= AIO_POLL_IDLE_NS - AIO_POLL_GRACE_NS;
    }
    return 0;
}

void aio_handler_expect(struct aio_handler *h)
{
    if (!aio_in_poll_set(h) && h->ops->poll) {
        aio_poll_set_join(h, aio_now(h->ctx));
    }
}

/* The notifier's descriptor is watched like any other, but the loop polls its flag by itself. */
int aio_handler_add_notifier(AioContext *ctx, int fd, const struct aio_handler_ops *ops)
{
    return handler_add(ctx, &ctx->notifier, fd, POLLIN, ops, ctx, "notifier", NULL);
}

void aio_handler_remove(struct aio_handler *h)
{
    AioContext *ctx = h->ctx;

    if (!ctx) {
        return;
    }
    aio_assert_owner(ctx);
    if (h != &ctx->notifier) {
        if (aio_in_poll_set(h)) {
            aio_poll_set_leave(h);
        }
        ctx->nr_quiet--;
        ctx->nr_handlers--;
    }
    aio_account_close(h);
    ctx->fdmon->ops->remove(ctx->fdmon, h);
    list_del(&h->node);
    list_del(&h->ready_node);
    poll_source_destroy(&h->source);
    h->ctx = NULL;
}

void aio_handler_ready(struct aio_handler *h, int revents)
{
    h->revents |= revents;
    if (list_empty(&h->ready_node)) {
        list_add_tail(&h->ctx->ready, &h->ready_node);
    }
}

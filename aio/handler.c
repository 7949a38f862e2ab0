// SPDX-License-Identifier: MIT
/*
 * File descriptor handlers. Every handler is always known to the monitor; one that can be polled may
 * be in the poll set as well (poll-set.c).
 */
#include <errno.h>

#include "aio/stats.h"
#include "aio/fdmon/fdmon.h"
#include "aio/handler.h"
#include "aio/poll-set.h"

static int handler_add(AioContext *ctx, struct aio_handler *h, int fd, int events,
                       const struct aio_handler_ops *ops, void *opaque, const char *name,
                       const unsigned *in_flight)
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
    list_init(&h->poll_node);
    r = poll_source_init(&h->source, &ctx->policy, in_flight);
    if (r == 0) {
        h->source.look_ns = ops->look_ns;
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
                    const unsigned *in_flight)
{
    int r;

    aio_assert_owner(ctx);
    assert(ops->ready && !ops->poll == !ops->poll_ready);
    r = handler_add(ctx, h, fd, events, ops, opaque, name, in_flight);
    if (r < 0) {
        return r;
    }
    ctx->nr_handlers++;
    aio_poll_set_count_in(h);
    if (ops->poll) {
        aio_poll_set_join(h, aio_now(ctx));
        h->last_event_ns -= AIO_POLL_IDLE_NS - AIO_POLL_GRACE_NS;
    }
    return 0;
}

void aio_handler_in_flight(struct aio_handler *h)
{
    if (!aio_in_poll_set(h) && h->ops->poll) {
        aio_assert_owner(h->ctx);
        aio_poll_set_join(h, aio_now(h->ctx));
    }
}

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
        aio_poll_set_count_out(h);
        ctx->nr_handlers--;
    }
    aio_stats_close(h);
    ctx->fdmon->ops->remove(ctx->fdmon, h);
    list_del(&h->node);
    list_del(&h->ready_node);
    poll_source_destroy(&h->source);
    h->ctx = NULL;
}

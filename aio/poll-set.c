// SPDX-License-Identifier: MIT
/* The poll set, and polling mode: from poll_begin to poll_end of its handlers. */
#include "aio/fdmon/fdmon.h"
#include "aio/poll-set.h"

static struct aio_handler *handler_of(struct list *poll_node)
{
    return list_entry(poll_node, struct aio_handler, poll_node);
}

static void watch(struct aio_handler *h, bool on)
{
    struct fdmon *m = h->ctx->fdmon;

    if (m->ops->watch && h->unwatched == on) {
        m->ops->watch(m, h, on);
        h->unwatched = !on;
    }
}

/* A handler that counts requests in flight joins the poll set with the first one: outside of it none
 * of its events can come, and its descriptor need not be looked at. */
static unsigned fd_only(const struct aio_handler *h)
{
    return !(h->ops->poll && h->source.in_flight);
}

void aio_poll_set_count_in(struct aio_handler *h)
{
    h->ctx->nr_quiet++;
    h->ctx->nr_fd_only += fd_only(h);
}

void aio_poll_set_count_out(struct aio_handler *h)
{
    h->ctx->nr_quiet--;
    h->ctx->nr_fd_only -= fd_only(h);
}

void aio_poll_set_join(struct aio_handler *h, uint64_t now)
{
    AioContext *ctx = h->ctx;

    h->last_event_ns = now;
    list_add_tail(&ctx->poll_set, &h->poll_node);
    poll_source_join(&h->source, &ctx->policy);
    aio_poll_set_count_out(h);
    ctx->nr_dear += h->ops->look_ns != 0;
    if (ctx->unwatched) {
        watch(h, false);
    }
    trace_poll_add(ctx->trace, ctx, h->name, h->fd);
    if (ctx->polling && h->ops->poll_begin) {
        h->ops->poll_begin(h->opaque);
    }
}

void aio_poll_set_leave(struct aio_handler *h)
{
    AioContext *ctx = h->ctx;

    watch(h, true);
    list_del(&h->poll_node);
    poll_source_leave(&h->source);
    aio_poll_set_count_in(h);
    ctx->nr_dear -= h->ops->look_ns != 0;
    trace_poll_remove(ctx->trace, ctx, h->name, h->fd);
    if (ctx->polling && h->ops->poll_end) {
        h->ops->poll_end(h->opaque);
    }
}

void aio_poll_set_begin(AioContext *ctx, uint64_t now)
{
    struct list *at;

    if (ctx->polling) {
        return;
    }
    ctx->polling = true;
    ctx->polling_since_ns = now;
    list_for_each(at, &ctx->poll_set)
    {
        struct aio_handler *h = handler_of(at);

        if (h->ops->poll_begin) {
            h->ops->poll_begin(h->opaque);
        }
    }
}

bool aio_poll_set_end(AioContext *ctx)
{
    struct list *at;

    if (!ctx->polling) {
        return false;
    }
    ctx->polling = false;
    if (ctx->unwatched) {
        ctx->unwatched = false;
        list_for_each(at, &ctx->poll_set)
        {
            watch(handler_of(at), true);
        }
    }
    list_for_each(at, &ctx->poll_set)
    {
        struct aio_handler *h = handler_of(at);

        if (h->ops->poll_end) {
            h->ops->poll_end(h->opaque);
        }
    }
    return true;
}

/*
 * Stop watching the descriptors of the poll set once polling has lasted AIO_UNWATCH_NS. The loop
 * sees the events of these handlers by their poll callbacks. A watched eventfd makes each write()
 * walk the monitor's wait queue, and stays readable, so that each wait on the monitor reports it.
 */
static void unwatch_poll_set(AioContext *ctx)
{
    struct list *at;

    ctx->unwatched = true;
    list_for_each(at, &ctx->poll_set)
    {
        watch(handler_of(at), false);
    }
}

/* In polling mode an event may come just before the poll_end of a handler that leaves, so its poll
 * callback is called once more. */
static void drop_quiet_handlers(AioContext *ctx, uint64_t now)
{
    struct list *at, *next;

    ctx->quiet_scan_ns = now;
    for (at = ctx->poll_set.next; at != &ctx->poll_set; at = next) {
        struct aio_handler *h = handler_of(at);

        next = at->next;
        if (!list_empty(&h->ready_node) || (h->source.in_flight && *h->source.in_flight)) {
            continue; /* its event is there, or will come */
        }
        if (now - h->last_event_ns >= AIO_POLL_IDLE_NS) {
            aio_poll_set_leave(h);
            if (ctx->polling && h->ops->poll(h->opaque)) {
                aio_handler_ready(h, 0);
            }
        }
    }
}

void aio_poll_set_maintain(AioContext *ctx, uint64_t now)
{
    if (now - ctx->quiet_scan_ns >= AIO_POLL_SCAN_NS) {
        drop_quiet_handlers(ctx, now);
    }
    if (ctx->polling && !ctx->unwatched && now - ctx->polling_since_ns >= AIO_UNWATCH_NS) {
        unwatch_poll_set(ctx);
    }
}

// SPDX-License-Identifier: MIT
/*
 * The poll set: the handlers that the loop polls.
 *
 * A handler with a poll callback joins the poll set when it is added, when an event of it is in
 * flight, and when its descriptor becomes ready. It leaves the set after AIO_POLL_IDLE_NS without an
 * event, so that a thousand idle queues cost a busy one nothing. In or out, the monitor knows it.
 */
#ifndef POLLUX_AIO_POLL_SET_H
#define POLLUX_AIO_POLL_SET_H

#include "aio/loop.h"
#include "aio/ready.h"

/* A handler without an event for so long leaves the poll set. */
#define AIO_POLL_IDLE_NS 100000000
/* The same for a handler that is new and has never had an event. */
#define AIO_POLL_GRACE_NS 2000000
/* How often the poll set is searched for such handlers. */
#define AIO_POLL_SCAN_NS 5000000
/* Polling that has lasted so long is worth two system calls for each handler: see poll-set.c. */
#define AIO_UNWATCH_NS 1000000

static inline bool aio_in_poll_set(const struct aio_handler *h)
{
    return !list_empty(&h->poll_node);
}

/* Count a handler outside the poll set, new or leaving the set; and no longer. */
void aio_poll_set_count_in(struct aio_handler *h);
void aio_poll_set_count_out(struct aio_handler *h);

void aio_poll_set_join(struct aio_handler *h, uint64_t now);
void aio_poll_set_leave(struct aio_handler *h);

/* Polling mode: handlers are asked to suppress notifications. No effect if it is on. */
void aio_poll_set_begin(AioContext *ctx, uint64_t now);

/* Ends polling mode: watches the descriptors and asks handlers to notify again.
 * Return: true if polling mode was on. The caller must then make one more poll pass, for events
 * that came before poll_end. */
bool aio_poll_set_end(AioContext *ctx);

/* Periodic work at @now: drop quiet handlers, stop watching descriptors. */
void aio_poll_set_maintain(AioContext *ctx, uint64_t now);

/* One poll pass. Return: true if a handler has an event or the loop was notified. */
static inline bool aio_poll_set_pass(AioContext *ctx)
{
    bool found = load_relaxed(&ctx->notified);
    struct list *at;

    list_for_each(at, &ctx->poll_set)
    {
        struct aio_handler *h = list_entry(at, struct aio_handler, poll_node);

        if (h->ops->poll(h->opaque)) {
            aio_handler_ready(h, 0);
            found = true;
        }
    }
    return found;
}

#endif

// SPDX-License-Identifier: MIT
/*
 * An engine that moves no data. Without a delay every request completes at the end of the turn,
 * which measures the other parts of the path. With a delay the engine is a disk that takes exactly
 * that time: a timerfd wakes a loop that blocks, and a loop that polls reads the clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/submit.h"

/* In engine_req.priv. */
struct null_req {
    uint64_t due_ns;
};

struct null_engine {
    struct engine e;
    struct list submitted; /* in the order of due_ns, since all requests take the same time */
    struct aio_deferred complete;
    uint64_t delay_ns;
    int timer_fd;
    struct aio_handler handler;
    bool polling;
};

static struct null_req *first(struct null_engine *n)
{
    return (struct null_req *)list_entry(n->submitted.next, struct engine_req, node)->priv;
}

static void complete(struct null_engine *n, struct engine_req *req)
{
    ssize_t len = 0;

    for (int i = 0; i < req->iovcnt; i++) {
        len += req->iov[i].iov_len;
    }
    engine_complete(&n->e, req, len);
}

static void complete_all(void *opaque)
{
    struct null_engine *n = opaque;
    struct list batch, *at, *next;

    list_take(&batch, &n->submitted); /* the callbacks may submit again */
    for (at = batch.next; at != &batch; at = next) {
        next = at->next;
        complete(n, list_entry(at, struct engine_req, node));
    }
}

/* Set the timer for a loop that blocks: to the time of the first request. */
static void set_timer(struct null_engine *n)
{
    struct itimerspec at = {0};

    if (!list_empty(&n->submitted)) {
        at.it_value.tv_sec = first(n)->due_ns / 1000000000;
        at.it_value.tv_nsec = first(n)->due_ns % 1000000000;
    }
    aio_count_loop_syscall(n->e.ctx);
    timerfd_settime(n->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static bool delayed_poll(void *opaque)
{
    struct null_engine *n = opaque;

    return !list_empty(&n->submitted) && first(n)->due_ns <= aio_now(n->e.ctx);
}

static void delayed_complete(void *opaque)
{
    struct null_engine *n = opaque;
    uint64_t now = aio_now(n->e.ctx);

    while (!list_empty(&n->submitted) && first(n)->due_ns <= now) {
        struct engine_req *req = list_entry(n->submitted.next, struct engine_req, node);

        list_del(&req->node);
        complete(n, req);
    }
}

static void delayed_ready(void *opaque, int revents)
{
    struct null_engine *n = opaque;
    uint64_t expirations;

    aio_count_loop_syscall(n->e.ctx);
    while (read(n->timer_fd, &expirations, sizeof(expirations)) < 0 && errno == EINTR) {
    }
    delayed_complete(n);
}

static void delayed_poll_begin(void *opaque)
{
    struct null_engine *n = opaque;

    n->polling = true;
}

static void delayed_poll_end(void *opaque)
{
    struct null_engine *n = opaque;

    n->polling = false;
    set_timer(n);
}

static const struct aio_handler_ops delayed_ops = {
    .ready = delayed_ready,
    .poll = delayed_poll,
    .poll_ready = delayed_complete,
    .poll_begin = delayed_poll_begin,
    .poll_end = delayed_poll_end,
};

static int null_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                     struct engine **out, struct error *err)
{
    struct null_engine *n = calloc(1, sizeof(*n));
    int ret;

    if (!n) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    list_init(&n->submitted);
    aio_deferred_init(&n->complete, complete_all, n);
    n->delay_ns = config->delay_ns;
    n->timer_fd = -1;
    n->e.ctx = ctx;
    if (n->delay_ns) {
        n->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        ret = n->timer_fd < 0 ? -errno
                              : aio_handler_add(ctx, &n->handler, n->timer_fd, POLLIN, &delayed_ops,
                                                n, "null", &n->e.in_flight);
        if (ret < 0) {
            close(n->timer_fd);
            free(n);
            return error_set(err, ret, "cannot set up a delay: %s", strerror(-ret));
        }
    }
    *out = &n->e;
    return 0;
}

static __attribute__((noinline)) void submit_delayed(struct null_engine *n, struct engine_req *req)
{
    bool was_empty = list_empty(&n->submitted);

    aio_handler_in_flight(&n->handler);
    *(struct null_req *)req->priv = (struct null_req){.due_ns = aio_now(n->e.ctx) + n->delay_ns};
    list_add_tail(&n->submitted, &req->node);
    if (was_empty && !n->polling) {
        set_timer(n);
    }
}

static int null_submit(struct engine *e, struct engine_req *req)
{
    struct null_engine *n = container_of(e, struct null_engine, e);

    if (n->delay_ns) {
        submit_delayed(n, req);
    } else {
        list_add_tail(&n->submitted, &req->node);
        aio_defer(e->ctx, &n->complete);
    }
    return 0;
}

static void null_close(struct engine *e)
{
    struct null_engine *n = container_of(e, struct null_engine, e);

    aio_deferred_cancel(&n->complete);
    if (n->delay_ns) {
        aio_handler_remove(&n->handler);
        close(n->timer_fd);
    }
    free(n);
}

const struct engine_ops engine_null = {
    .name = "null",
    .summary = "no I/O at all, at once or after a set delay; measures the path to it",
    .open = null_open,
    .submit = null_submit,
    .close = null_close,
};

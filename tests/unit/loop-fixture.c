// SPDX-License-Identifier: MIT
#include "tests/unit/loop-fixture.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const struct poll_policy_ops *policy_named(const char *name)
{
    const struct poll_policy_ops *ops;

    for (unsigned i = 0; (ops = poll_policy_at(i)); i++) {
        if (!strcmp(ops->name, name)) {
            break;
        }
    }
    return ops;
}

int monitor_count(void)
{
    int n = 0;

    while (aio_fdmon_name(n)) {
        n++;
    }
    return n;
}

static uint64_t clock_ns = 1000000000;

uint64_t virtual_clock(void)
{
    return clock_ns += CLOCK_STEP_NS;
}

uint64_t virtual_now(void)
{
    return clock_ns;
}

void virtual_clock_advance(uint64_t ns)
{
    clock_ns += ns;
}

AioContext *loop_new_with(int monitor, struct poll_params params, uint64_t (*clock)(void))
{
    struct aio_context_config config = {
        .poll = params,
        .fdmon = aio_fdmon_name(monitor),
        .clock = clock,
    };
    struct error err = {""};
    AioContext *ctx;
    int r = aio_context_new(&config, &ctx, &err);

    ck_assert_msg(r == 0, "monitor %s: %s", config.fdmon, err.msg);
    return ctx;
}

AioContext *loop_new(int monitor, uint64_t max_ns)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = max_ns};

    return loop_new_with(monitor, params, virtual_clock);
}

void loop_free(AioContext *ctx)
{
    ck_assert_int_eq(aio_context_free(ctx), 0);
}

struct aio_stats loop_stats(AioContext *ctx)
{
    struct aio_stats stats;

    aio_get_stats(ctx, &stats);
    return stats;
}

void loop_drain(AioContext *ctx)
{
    unsigned turns = 0;

    while (aio_poll(ctx, false)) {
        ck_assert_uint_lt(++turns, 100);
    }
}

static bool source_poll(void *opaque)
{
    struct source *s = opaque;

    s->looks++;
    if (s->event_after_looks && --s->event_after_looks == 0) {
        s->pending++;
    }
    if (s->in_poll) {
        s->in_poll(s);
    }
    return s->pending > 0;
}

static void source_poll_ready(void *opaque)
{
    struct source *s = opaque;

    s->polled++;
    s->pending = 0;
    if (s->then) {
        s->then(s);
    }
}

static void source_ready(void *opaque, int revents)
{
    struct source *s = opaque;
    uint64_t n;

    ck_assert_int_eq(revents, POLLIN);
    ck_assert_int_eq(read(s->fd, &n, sizeof(n)), sizeof(n));
    s->ready++;
    s->pending = 0;
    if (s->then) {
        s->then(s);
    }
}

static void source_poll_begin(void *opaque)
{
    struct source *s = opaque;

    ck_assert_msg(!s->polling, "poll_begin twice without poll_end");
    s->polling = true;
    s->begins++;
}

static void source_poll_end(void *opaque)
{
    struct source *s = opaque;

    ck_assert_msg(s->polling, "poll_end without poll_begin");
    if (s->event_in_poll_end) {
        s->event_in_poll_end = false;
        s->pending++;
    }
    if (s->in_poll_end) {
        s->in_poll_end(s);
    }
    s->polling = false;
    s->ends++;
}

static const struct aio_handler_ops polled_ops = {
    .ready = source_ready,
    .poll = source_poll,
    .poll_ready = source_poll_ready,
    .poll_begin = source_poll_begin,
    .poll_end = source_poll_end,
};

static const struct aio_handler_ops fd_ops = {.ready = source_ready};

static void add(struct source *s, AioContext *ctx, const struct aio_handler_ops *ops)
{
    s->ctx = ctx;
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_ge(s->fd, 0);
    ck_assert_int_eq(aio_handler_add(ctx, &s->h, s->fd, POLLIN, ops, s, "source", s->in_flight), 0);
}

void source_add_fd(struct source *s, AioContext *ctx)
{
    add(s, ctx, &fd_ops);
}

void source_add(struct source *s, AioContext *ctx)
{
    add(s, ctx, &polled_ops);
}

void source_remove(struct source *s)
{
    aio_handler_remove(&s->h);
    ck_assert_msg(!s->polling, "removed in polling mode without poll_end");
    close(s->fd);
}

void source_fire(struct source *s)
{
    uint64_t one = 1;

    ck_assert_int_eq(write(s->fd, &one, sizeof(one)), sizeof(one));
}

unsigned source_runs(const struct source *s)
{
    return s->ready + s->polled;
}

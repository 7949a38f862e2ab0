// SPDX-License-Identifier: MIT
/* The event loop: bottom halves, timers, deferred work, notification, statistics. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aio/loop.h"
#include "aio/notifier.h"
#include "engine/submit.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define LONG_NS 1000000000

/* What ran, in order, by the letter of each. */
static char order[64];
static unsigned nr_ran;

static void note(char letter)
{
    ck_assert_uint_lt(nr_ran, sizeof(order) - 1);
    order[nr_ran++] = letter;
}

static void assert_order(const char *expected)
{
    ck_assert_str_eq(order, expected);
}

static void note_cb(void *opaque)
{
    note(*(const char *)opaque);
}

static char letters[] = "abcdefgh";

/* --- bottom halves --- */

START_TEST(bottom_halves_run_once_in_the_order_of_the_calls)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_bh bh[5];

    for (unsigned i = 0; i < 5; i++) {
        aio_bh_init(ctx, &bh[i], note_cb, &letters[i]);
    }
    aio_bh_schedule(&bh[2]);
    aio_bh_schedule(&bh[0]);
    aio_bh_schedule(&bh[4]);
    aio_bh_schedule(&bh[0]); /* is already */
    ck_assert(aio_poll(ctx, true));
    assert_order("cae");
    ck_assert(!aio_poll(ctx, false));

    aio_bh_schedule(&bh[0]);
    ck_assert(aio_poll(ctx, true));
    assert_order("caea");
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(loop_stats(ctx).bhs, 4);
    ck_assert_uint_eq(loop_stats(ctx).turns, 2);
    loop_free(ctx);
}
END_TEST

START_TEST(a_cancelled_bottom_half_does_not_run_and_can_be_scheduled_again)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_bh bh[3];

    for (unsigned i = 0; i < 3; i++) {
        aio_bh_init(ctx, &bh[i], note_cb, &letters[i]);
        aio_bh_schedule(&bh[i]);
    }
    aio_bh_cancel(&bh[1]);
    aio_bh_cancel(&bh[1]);
    ck_assert(aio_poll(ctx, true));
    assert_order("ac");
    ck_assert(!aio_poll(ctx, false));

    aio_bh_schedule(&bh[1]);
    ck_assert(aio_poll(ctx, true));
    assert_order("acb");
    aio_bh_cancel(&bh[1]);
    loop_free(ctx);
}
END_TEST

START_TEST(after_a_cancel_the_order_of_the_rest_stays)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_bh bh[5];

    for (unsigned i = 0; i < 5; i++) {
        aio_bh_init(ctx, &bh[i], note_cb, &letters[i]);
    }
    aio_bh_schedule(&bh[0]);
    aio_bh_schedule(&bh[1]);
    aio_bh_schedule(&bh[2]);
    aio_bh_cancel(&bh[1]); /* the owner has taken a and c over */
    aio_bh_schedule(&bh[3]);
    aio_bh_schedule(&bh[4]);
    ck_assert(aio_poll(ctx, true));
    assert_order("acde");
    loop_free(ctx);
}
END_TEST

static void schedule_self(void *opaque)
{
    note('s');
    aio_bh_schedule(opaque);
}

START_TEST(a_bottom_half_that_schedules_itself_runs_once_an_iteration_and_starves_nobody)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source by_fd = {0}, polled = {0};
    struct aio_bh bh;

    source_add_fd(&by_fd, ctx);
    source_add(&polled, ctx);
    aio_bh_init(ctx, &bh, schedule_self, &bh);
    aio_bh_schedule(&bh);
    for (unsigned i = 1; i <= 5; i++) {
        source_fire(&by_fd);
        source_fire(&polled);
        virtual_clock_advance(AIO_FD_SLICE_NS);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(nr_ran, i);
        ck_assert_uint_eq(by_fd.ready, i);
        ck_assert_uint_eq(source_runs(&polled), i);
    }
    ck_assert_uint_eq(loop_stats(ctx).blocks, 0);
    aio_bh_cancel(&bh);
    source_remove(&by_fd);
    source_remove(&polled);
    loop_free(ctx);
}
END_TEST

static struct aio_bh *victim;

static void cancel_and_free_victim(void *opaque)
{
    note_cb(opaque);
    aio_bh_cancel(victim);
    free(victim);
}

START_TEST(a_bottom_half_may_cancel_one_that_would_run_next)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_bh a, c;

    victim = malloc(sizeof(*victim));
    aio_bh_init(ctx, &a, cancel_and_free_victim, &letters[0]);
    aio_bh_init(ctx, victim, note_cb, &letters[1]);
    aio_bh_init(ctx, &c, note_cb, &letters[2]);
    aio_bh_schedule(&a);
    aio_bh_schedule(victim);
    aio_bh_schedule(&c);
    ck_assert(aio_poll(ctx, true));
    assert_order("ac");
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

static void free_self(void *opaque)
{
    note('f');
    free(opaque);
}

START_TEST(a_bottom_half_may_free_itself)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_bh *bh = malloc(sizeof(*bh));

    aio_bh_init(ctx, bh, free_self, bh);
    aio_bh_schedule(bh);
    ck_assert(aio_poll(ctx, true));
    assert_order("f");
    loop_free(ctx);
}
END_TEST

/* --- from other threads --- */

struct waker {
    AioContext *ctx;
    struct aio_bh bh;
    pthread_t thread;
    int written, seen;
};

static void see(void *opaque)
{
    struct waker *w = opaque;

    w->seen = w->written;
}

/* Returns when the loop is about to block or does. */
static void wait_until_it_blocks(AioContext *ctx)
{
    while (!load_relaxed(&ctx->notify_me)) {
        sched_yield();
    }
}

static void *wake(void *opaque)
{
    struct waker *w = opaque;

    wait_until_it_blocks(w->ctx);
    w->written = 42;
    aio_bh_schedule(&w->bh);
    return NULL;
}

START_TEST(a_bottom_half_from_another_thread_ends_a_block)
{
    AioContext *ctx = loop_new(_i, 0);
    struct waker w = {.ctx = ctx};

    aio_bh_init(ctx, &w.bh, see, &w);
    ck_assert_int_eq(pthread_create(&w.thread, NULL, wake, &w), 0);
    while (!aio_poll(ctx, true)) {
    }
    ck_assert_int_eq(w.seen, 42);
    pthread_join(w.thread, NULL);
    ck_assert_uint_eq(loop_stats(ctx).notify_sent, 1);
    ck_assert(!aio_poll(ctx, false));
    ck_assert_msg(poll(&(struct pollfd){.fd = ctx->notifier.fd, .events = POLLIN}, 1, 0) == 0,
                  "the next block would end at once");
    loop_free(ctx);
}
END_TEST

static void *only_notify(void *opaque)
{
    wait_until_it_blocks(opaque);
    aio_notify(opaque);
    return NULL;
}

START_TEST(a_notification_alone_ends_a_block_and_is_forgotten)
{
    AioContext *ctx = loop_new(_i, 0);
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, only_notify, ctx), 0);
    ck_assert(!aio_poll(ctx, true));
    pthread_join(thread, NULL);
    aio_poll(ctx, false);

    aio_notify(ctx);
    ck_assert(!aio_poll(ctx, true)); /* would hang */
    ck_assert_uint_eq(load_relaxed(&ctx->notified), 0);
    ck_assert_uint_eq(loop_stats(ctx).notify_sent, 1);
    ck_assert_uint_eq(loop_stats(ctx).notify_elided, 1);
    loop_free(ctx);
}
END_TEST

START_TEST(a_notification_between_prepare_and_block_is_seen)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    ck_assert(!aio_notifier_prepare(ctx));
    aio_notify(ctx);
    aio_notifier_awake(ctx);
    ck_assert_uint_eq(loop_stats(ctx).notify_sent, 1);
    ck_assert(aio_notifier_prepare(ctx)); /* too late to block */
    aio_notifier_awake(ctx);
    ck_assert(aio_notifier_accept(ctx));
    ck_assert(!aio_notifier_accept(ctx));
    source_add_fd(&s, ctx);
    source_fire(&s);
    while (!s.ready) {
        aio_poll(ctx, true); /* the eventfd is still to be read */
    }
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static AioContext *signalled;

static void notify_in_signal(int signal)
{
    aio_notify(signalled);
}

static void *send_signal(void *opaque)
{
    wait_until_it_blocks(signalled);
    pthread_kill(*(pthread_t *)opaque, SIGUSR1);
    return NULL;
}

START_TEST(a_notification_from_a_signal_handler_ends_a_block)
{
    pthread_t self = pthread_self(), thread;

#if defined(__SANITIZE_THREAD__)
    if (!strcmp(aio_fdmon_name(_i), "io_uring")) {
        puts("skipped: ThreadSanitizer puts signals off in a system call that it does not know");
        return;
    }
#endif
    signalled = loop_new(_i, 0);
    signal(SIGUSR1, notify_in_signal); /* restarts what it interrupts, where that can be */
    ck_assert_int_eq(pthread_create(&thread, NULL, send_signal, &self), 0);
    while (!loop_stats(signalled).blocks) {
        aio_poll(signalled, true);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(loop_stats(signalled).notify_sent, 1);
    aio_poll(signalled, false);
    loop_free(signalled);
}
END_TEST

static void do_nothing(int signal)
{
}

static void *interrupt_twice_then_notify(void *opaque)
{
    pthread_t loop = *(pthread_t *)opaque;

    for (unsigned i = 0; i < 2; i++) {
        wait_until_it_blocks(signalled);
        pthread_kill(loop, SIGUSR1);
    }
    wait_until_it_blocks(signalled);
    aio_bh_schedule(victim);
    return NULL;
}

START_TEST(an_interrupted_block_runs_nothing_and_loses_nothing)
{
    struct sigaction action = {.sa_handler = do_nothing}; /* no SA_RESTART: EINTR */
    pthread_t self = pthread_self(), thread;
    struct source s = {0};
    struct aio_bh bh;

    signalled = loop_new(_i, 0);
    victim = &bh;
    source_add_fd(&s, signalled);
    sigaction(SIGUSR1, &action, NULL);
    aio_bh_init(signalled, &bh, note_cb, letters);
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_twice_then_notify, &self), 0);
    while (!aio_poll(signalled, true)) {
    }
    assert_order("a");
    ck_assert_uint_eq(s.ready, 0);
    pthread_join(thread, NULL);
    source_remove(&s);
    loop_free(signalled);
}
END_TEST

static void *is_owner(void *opaque)
{
    bool before = aio_context_in_owner(opaque);

    aio_context_take(opaque);
    return (void *)(uintptr_t)(2 * before + aio_context_in_owner(opaque));
}

START_TEST(a_loop_belongs_to_the_thread_that_took_it)
{
    AioContext *ctx = loop_new(_i, 0);
    pthread_t thread;
    void *result;

    ck_assert(aio_context_in_owner(ctx));
    ck_assert_int_eq(pthread_create(&thread, NULL, is_owner, ctx), 0);
    pthread_join(thread, &result);
    ck_assert_uint_eq((uintptr_t)result, 1);
    ck_assert(!aio_context_in_owner(ctx));
    aio_context_take(ctx);
    loop_free(ctx);
}
END_TEST

static void *poll_once_and_end(void *opaque)
{
    aio_context_take(opaque);
    return (void *)(uintptr_t)aio_poll(opaque, false);
}

START_TEST(a_loop_outlives_the_thread_that_ran_it)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};
    pthread_t thread;
    void *ran;

    source_add_fd(&s, ctx);
    ck_assert_int_eq(pthread_create(&thread, NULL, poll_once_and_end, ctx), 0);
    pthread_join(thread, &ran);
    ck_assert_ptr_eq(ran, NULL);
    aio_context_take(ctx);
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(s.ready, 0);
    source_fire(&s);
    while (!s.ready) {
        aio_poll(ctx, true);
    }
    ck_assert(!aio_poll(ctx, false));
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

/* --- timers --- */

START_TEST(timers_run_by_deadline_never_early_and_once)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_timer timer[4];
    uint64_t base = virtual_now();
    static const unsigned at[] = {3000000, 1000000, 1005000, 1000000}; /* ns */

    for (unsigned i = 0; i < 4; i++) {
        aio_timer_init(ctx, &timer[i], note_cb, &letters[i]);
        aio_timer_arm(&timer[i], base + at[i]);
    }
    ck_assert(!aio_poll(ctx, false));
    virtual_clock_advance(1000000 - 10 * CLOCK_STEP_NS);
    ck_assert(!aio_poll(ctx, false));
    virtual_clock_advance(10 * CLOCK_STEP_NS);
    ck_assert(aio_poll(ctx, false));
    assert_order("bd"); /* those of one deadline in the order of arming */
    virtual_clock_advance(5000000);
    ck_assert(aio_poll(ctx, true));
    assert_order("bdca");
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(loop_stats(ctx).timers, 4);
    loop_free(ctx);
}
END_TEST

START_TEST(an_armed_timer_can_be_moved_and_cancelled)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_timer timer[2];
    uint64_t base = virtual_now();

    for (unsigned i = 0; i < 2; i++) {
        aio_timer_init(ctx, &timer[i], note_cb, &letters[i]);
        aio_timer_arm(&timer[i], base + 1000000);
    }
    aio_timer_arm(&timer[0], base + 2000000);
    aio_timer_cancel(&timer[1]);
    aio_timer_cancel(&timer[1]);
    virtual_clock_advance(1500000);
    ck_assert(!aio_poll(ctx, false));
    virtual_clock_advance(1000000);
    ck_assert(aio_poll(ctx, true));
    assert_order("a");
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

static void rearm_in_the_past(void *opaque)
{
    struct aio_timer *timer = opaque;

    note('t');
    aio_timer_arm(timer, 0);
}

START_TEST(a_timer_that_is_rearmed_in_the_past_runs_once_an_iteration_and_starves_nobody)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source by_fd = {0}, polled = {0};
    struct aio_timer timer;

    source_add_fd(&by_fd, ctx);
    source_add(&polled, ctx);
    aio_timer_init(ctx, &timer, rearm_in_the_past, &timer);
    aio_timer_arm(&timer, 0);
    for (unsigned i = 1; i <= 5; i++) {
        source_fire(&by_fd);
        source_fire(&polled);
        virtual_clock_advance(AIO_FD_SLICE_NS);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(nr_ran, i);
        ck_assert_uint_eq(by_fd.ready, i);
        ck_assert_uint_eq(source_runs(&polled), i);
    }
    aio_timer_cancel(&timer);
    source_remove(&by_fd);
    source_remove(&polled);
    loop_free(ctx);
}
END_TEST

static struct aio_timer *others[3];

/* Of three timers that are due at once the first frees the second and moves the third. */
static void free_one_move_one(void *opaque)
{
    note_cb(opaque);
    aio_timer_cancel(others[1]);
    free(others[1]);
    aio_timer_arm(others[2], virtual_now() + 1000000);
}

START_TEST(a_timer_may_cancel_and_move_those_due_with_it)
{
    AioContext *ctx = loop_new(_i, 0);

    for (unsigned i = 0; i < 3; i++) {
        others[i] = malloc(sizeof(*others[i]));
        aio_timer_init(ctx, others[i], i ? note_cb : free_one_move_one, &letters[i]);
        aio_timer_arm(others[i], virtual_now());
    }
    ck_assert(aio_poll(ctx, true));
    assert_order("a");
    ck_assert(!aio_poll(ctx, false));
    virtual_clock_advance(1000000);
    ck_assert(aio_poll(ctx, true));
    assert_order("ac");
    free(others[0]);
    free(others[2]);
    loop_free(ctx);
}
END_TEST

static uint64_t real_clock(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

START_TEST(a_timer_ends_a_block)
{
    static const uint64_t delays[] = {1, 999, 50000, 1000001, 2999999};
    struct poll_params params = {.policy = &poll_policy_block, .max_ns = 1000};
    AioContext *ctx = loop_new_with(_i, params, NULL);
    struct source s = {0};
    struct aio_timer timer;

    source_add(&s, ctx);
    aio_timer_init(ctx, &timer, note_cb, letters);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t deadline = aio_now(ctx) + delays[i];

        aio_timer_arm(&timer, deadline);
        while (!aio_poll(ctx, true)) {
            ck_assert_uint_lt(loop_stats(ctx).blocks, 100); /* it sleeps, it does not spin */
        }
        ck_assert_uint_eq(nr_ran, i + 1);
        ck_assert_uint_ge(real_clock(), deadline);
    }
    ck_assert_uint_gt(loop_stats(ctx).blocks, 0);
    ck_assert_uint_ge(loop_stats(ctx).blocked_ns, 2000000);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_timer_at_the_end_of_time_does_not_overflow)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source s = {0}, fd = {0};
    const uint64_t deadlines[] = {UINT64_MAX, (uint64_t)INT64_MAX + 2 * virtual_now()};
    struct aio_timer timer;

    source_add_fd(&fd, ctx);
    aio_timer_init(ctx, &timer, note_cb, letters);
    for (unsigned i = 0; i < 2; i++) {
        aio_timer_arm(&timer, deadlines[i]);
        source_fire(&fd);
        ck_assert(aio_poll(ctx, true)); /* blocks for centuries, but for the descriptor */
        ck_assert_uint_eq(fd.ready, i + 1);
    }
    source_add(&s, ctx);
    s.event_after_looks = 20;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.polled, 1);
    ck_assert_uint_eq(nr_ran, 0);
    source_remove(&s);
    source_remove(&fd);
    aio_timer_cancel(&timer);
    loop_free(ctx);
}
END_TEST

/* --- deferred work --- */

static struct {
    AioContext *ctx;
    struct aio_deferred d;
} later;

static void defer_later(struct source *s)
{
    note('h');
    aio_defer(s->ctx, &later.d);
    aio_defer(s->ctx, &later.d);
}

static void defer_later_cb(void *opaque)
{
    note_cb(opaque);
    aio_defer(later.ctx, &later.d);
}

START_TEST(deferred_work_runs_once_at_the_end_of_the_turn)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s[2] = {{.then = defer_later}, {.then = defer_later}};
    struct aio_timer timer;
    struct aio_bh bh;

    later.ctx = ctx;
    aio_deferred_init(&later.d, note_cb, &letters[3]);
    source_add_fd(&s[0], ctx);
    source_add_fd(&s[1], ctx);
    source_fire(&s[0]);
    source_fire(&s[1]);
    aio_bh_init(ctx, &bh, defer_later_cb, &letters[0]);
    aio_bh_schedule(&bh);
    aio_timer_init(ctx, &timer, defer_later_cb, &letters[1]);
    aio_timer_arm(&timer, 0);
    ck_assert(aio_poll(ctx, true));
    assert_order("hhabd");
    ck_assert(!aio_poll(ctx, false));
    source_remove(&s[0]);
    source_remove(&s[1]);
    loop_free(ctx);
}
END_TEST

START_TEST(deferred_work_runs_in_order_and_can_be_cancelled)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct aio_deferred d[4];

    for (unsigned i = 0; i < 4; i++) {
        aio_deferred_init(&d[i], note_cb, &letters[i]);
    }
    aio_defer(ctx, &d[2]);
    aio_defer(ctx, &d[1]);
    aio_defer(ctx, &d[0]);
    aio_defer(ctx, &d[3]);
    aio_defer(ctx, &d[2]); /* is already */
    aio_deferred_cancel(&d[1]);
    aio_deferred_cancel(&d[1]);
    ck_assert(aio_poll(ctx, true)); /* deferred outside of a turn: does not block */
    assert_order("cad");
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(loop_stats(ctx).blocks, 0);
    loop_free(ctx);
}
END_TEST

static void defer_self(void *opaque)
{
    note('r');
    aio_defer(later.ctx, &later.d);
}

START_TEST(deferred_work_that_defers_itself_runs_a_few_rounds_a_turn_and_starves_nobody)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source by_fd = {0}, polled = {0};

    later.ctx = ctx;
    aio_deferred_init(&later.d, defer_self, NULL);
    source_add_fd(&by_fd, ctx);
    source_add(&polled, ctx);
    aio_defer(ctx, &later.d);
    for (unsigned i = 1; i <= 5; i++) {
        unsigned before = nr_ran;

        source_fire(&by_fd);
        source_fire(&polled);
        virtual_clock_advance(AIO_FD_SLICE_NS);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(by_fd.ready, i);
        ck_assert_uint_eq(source_runs(&polled), i);
        ck_assert_msg(nr_ran - before > 1, "what is deferred by deferred work runs in the turn");
        ck_assert_uint_lt(nr_ran - before, 10);
    }
    ck_assert_uint_eq(loop_stats(ctx).blocks, 0);
    aio_deferred_cancel(&later.d);
    source_remove(&by_fd);
    source_remove(&polled);
    loop_free(ctx);
}
END_TEST

static void cancel_later(void *opaque)
{
    note_cb(opaque);
    aio_deferred_cancel(&later.d);
}

START_TEST(deferred_work_may_cancel_what_would_run_next)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_deferred first;

    aio_deferred_init(&first, cancel_later, &letters[0]);
    aio_deferred_init(&later.d, note_cb, &letters[1]);
    aio_defer(ctx, &first);
    aio_defer(ctx, &later.d);
    ck_assert(aio_poll(ctx, true));
    assert_order("a");
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

/* --- statistics --- */

START_TEST(statistics_count_what_happened)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};
    struct aio_stats stats = loop_stats(ctx);

    ck_assert_uint_eq(stats.turns + stats.dispatches + stats.blocks + stats.syscalls, 0);
    source_add(&s, ctx);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    stats = loop_stats(ctx);
    ck_assert_uint_eq(stats.turns, 1);
    ck_assert_uint_eq(stats.dispatches, 1);
    ck_assert_uint_eq(stats.blocks, 1);
    ck_assert_uint_gt(stats.blocked_ns, 0);
    ck_assert_uint_ge(stats.syscalls, 1);
    ck_assert_uint_eq(stats.bhs + stats.timers + stats.notify_sent + stats.notify_elided, 0);
    aio_poll(ctx, false);
    ck_assert_uint_eq(loop_stats(ctx).turns, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aio_work");
    TCase *t = tcase_create("bottom halves");
    int n = monitor_count();

    tcase_add_loop_test(t, bottom_halves_run_once_in_the_order_of_the_calls, 0, n);
    tcase_add_loop_test(t, a_cancelled_bottom_half_does_not_run_and_can_be_scheduled_again, 0, n);
    tcase_add_loop_test(t, after_a_cancel_the_order_of_the_rest_stays, 0, n);
    tcase_add_loop_test(
        t, a_bottom_half_that_schedules_itself_runs_once_an_iteration_and_starves_nobody, 0, n);
    tcase_add_loop_test(t, a_bottom_half_may_cancel_one_that_would_run_next, 0, n);
    tcase_add_loop_test(t, a_bottom_half_may_free_itself, 0, n);
    suite_add_tcase(suite, t);

    t = tcase_create("other threads");
    tcase_add_loop_test(t, a_bottom_half_from_another_thread_ends_a_block, 0, n);
    tcase_add_loop_test(t, a_notification_alone_ends_a_block_and_is_forgotten, 0, n);
    tcase_add_loop_test(t, a_notification_between_prepare_and_block_is_seen, 0, n);
    tcase_add_loop_test(t, a_notification_from_a_signal_handler_ends_a_block, 0, n);
    tcase_add_loop_test(t, an_interrupted_block_runs_nothing_and_loses_nothing, 0, n);
    tcase_add_loop_test(t, a_loop_belongs_to_the_thread_that_took_it, 0, n);
    tcase_add_loop_test(t, a_loop_outlives_the_thread_that_ran_it, 0, n);
    suite_add_tcase(suite, t);

    t = tcase_create("timers");
    tcase_add_loop_test(t, timers_run_by_deadline_never_early_and_once, 0, n);
    tcase_add_loop_test(t, an_armed_timer_can_be_moved_and_cancelled, 0, n);
    tcase_add_loop_test(
        t, a_timer_that_is_rearmed_in_the_past_runs_once_an_iteration_and_starves_nobody, 0, n);
    tcase_add_loop_test(t, a_timer_may_cancel_and_move_those_due_with_it, 0, n);
    tcase_add_loop_test(t, a_timer_ends_a_block, 0, n);
    tcase_add_loop_test(t, a_timer_at_the_end_of_time_does_not_overflow, 0, n);
    suite_add_tcase(suite, t);

    t = tcase_create("deferred work");
    tcase_add_loop_test(t, deferred_work_runs_once_at_the_end_of_the_turn, 0, n);
    tcase_add_loop_test(t, deferred_work_runs_in_order_and_can_be_cancelled, 0, n);
    tcase_add_loop_test(
        t, deferred_work_that_defers_itself_runs_a_few_rounds_a_turn_and_starves_nobody, 0, n);
    tcase_add_loop_test(t, deferred_work_may_cancel_what_would_run_next, 0, n);
    tcase_add_loop_test(t, statistics_count_what_happened, 0, n);
    suite_add_tcase(suite, t);

    return suite_run(suite);
}

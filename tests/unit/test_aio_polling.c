// SPDX-License-Identifier: MIT
/* The poll phase: when the loop spins and stops, the poll set, and the calls of the policy. */
#include <string.h>

#include "aio/loop-clock.h"
#include "aio/fdmon/fdmon.h"
#include "aio/poll-set.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define WINDOW_NS 10000 /* shorter than the slice in which descriptors are looked at */
#define LONG_NS   1000000000

/* Some readings of the clock: the delay until the loop notices that a time has come. */
#define SOON_NS (20 * CLOCK_STEP_NS)

START_TEST(an_event_is_seen_without_its_fd_and_without_system_calls)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {0};
    struct aio_stats before, after;

    source_add(&s, ctx);
    aio_poll(ctx, false);
    before = loop_stats(ctx);
    for (unsigned i = 1; i <= 100; i++) {
        s.event_after_looks = i;
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.polled, i);
    }
    after = loop_stats(ctx);
    ck_assert_uint_eq(after.syscalls, before.syscalls);
    ck_assert_uint_eq(after.blocks, 0);
    ck_assert_uint_eq(after.poll_misses + after.missed_ns, 0);
    ck_assert_uint_gt(after.poll_hits, 90);
    ck_assert_uint_gt(after.polled_ns, 0);
    ck_assert_uint_eq(after.dispatches, 100);
    ck_assert_uint_eq(s.h.stats.hits, 100);
    ck_assert_uint_eq(s.h.stats.wakeups, 0);

    ck_assert_msg(s.begins == 1 && s.ends == 0, "polling mode lasts over iterations");
    source_remove(&s);
    ck_assert_uint_eq(s.ends, 1);
    loop_free(ctx);
}
END_TEST

/* A descriptor ended a block: the other source notifies before it, and not after it. */
static void assert_notified_while_blocking(struct source *s)
{
    const struct source *polled = s + 1;

    ck_assert_uint_eq(polled->ends, s->ready);
    ck_assert_uint_eq(polled->begins, s->ready + 1);
}

START_TEST(notifications_are_on_while_the_loop_blocks)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s[2] = {{.then = assert_notified_while_blocking}};
    struct aio_stats stats;

    source_add_fd(&s[0], ctx);
    source_add(&s[1], ctx);
    aio_poll(ctx, false); /* begins a slice for descriptors; from then on each block does */
    for (unsigned i = 1; i <= 10; i++) {
        source_fire(&s[0]);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s[0].ready, i);
    }
    stats = loop_stats(ctx);
    ck_assert_uint_eq(stats.blocks, 10);
    ck_assert_uint_eq(stats.poll_misses, 10);
    ck_assert_uint_ge(stats.missed_ns, 10 * WINDOW_NS);
    ck_assert_uint_eq(stats.missed_ns, stats.polled_ns);
    ck_assert_uint_eq(stats.poll_hits, 0);
    ck_assert_uint_ge(stats.polled_ns, 10 * WINDOW_NS);
    ck_assert_uint_le(stats.polled_ns, 10 * (WINDOW_NS + SOON_NS));
    source_remove(&s[0]);
    source_remove(&s[1]);
    loop_free(ctx);
}
END_TEST

START_TEST(an_event_that_races_with_poll_end_is_not_lost)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {.event_in_poll_end = true};

    source_add(&s, ctx);
    aio_poll(ctx, false);
    ck_assert(aio_poll(ctx, true)); /* blocks for ever if it is lost */
    ck_assert_uint_eq(s.polled, 1);
    ck_assert_uint_eq(s.ends, 1);
    ck_assert_uint_eq(loop_stats(ctx).blocks, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static struct aio_timer armed_late;
static bool armed_late_ran;

static void arm_late(struct source *s)
{
    aio_timer_arm(&armed_late, aio_now(s->ctx) + 1000000);
}

static void note_late(void *opaque)
{
    armed_late_ran = true;
}

START_TEST(a_timer_that_poll_end_arms_is_not_slept_over)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = WINDOW_NS};
    AioContext *ctx = loop_new_with(_i, params, NULL);
    struct source s = {.in_poll_end = arm_late};

    source_add(&s, ctx);
    aio_timer_init(ctx, &armed_late, note_late, NULL);
    while (!armed_late_ran) {
        aio_poll(ctx, true); /* blocks for ever if it is */
    }
    ck_assert_uint_gt(s.ends, 0);
    aio_timer_cancel(&armed_late);
    s.in_poll_end = NULL;
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(with_a_cap_of_0_it_never_spins)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    source_add(&s, ctx);
    for (unsigned i = 1; i <= 10; i++) {
        source_fire(&s);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.ready, i);
        virtual_clock_advance(AIO_POLL_IDLE_NS); /* it may be idle for long, too */
        ck_assert(!aio_poll(ctx, false));
        ck_assert_uint_le(s.looks, 3 * i); /* once awake, once before it leaves, once blocking */
    }
    ck_assert_uint_eq(loop_stats(ctx).polled_ns, 0);
    ck_assert_uint_eq(loop_stats(ctx).poll_misses, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_loop_without_polled_sources_blocks_at_once)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source s = {0};

    source_add_fd(&s, ctx);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(loop_stats(ctx).polled_ns, 0);
    ck_assert_uint_eq(loop_stats(ctx).blocks, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(an_iteration_that_must_not_block_does_not_spin_either)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {0};
    struct aio_stats stats;

    source_add(&s, ctx);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(!aio_poll(ctx, false));
    }
    stats = loop_stats(ctx);
    ck_assert_uint_eq(stats.polled_ns + stats.blocks + stats.turns, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

/* --- starvation --- */

static void always_pending(struct source *s)
{
    s->pending = 1;
}

START_TEST(a_busy_polled_source_delays_an_fd_by_no_more_than_a_slice)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source busy = {.in_poll = always_pending}, s = {0};

    source_add(&busy, ctx);
    source_add_fd(&s, ctx);
    for (unsigned i = 1; i <= 10; i++) {
        uint64_t fired = virtual_now();

        source_fire(&s);
        while (s.ready < i) {
            ck_assert(aio_poll(ctx, true));
            ck_assert_uint_le(virtual_now() - fired, AIO_FD_SLICE_NS + SOON_NS);
        }
    }
    ck_assert_uint_gt(busy.polled, 100);
    ck_assert_msg(loop_stats(ctx).syscalls <= 40, "looks at descriptors only once in a slice");
    source_remove(&busy);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_long_window_delays_an_fd_by_no_more_than_a_slice)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source polled = {0}, s = {0};

    source_add(&polled, ctx);
    source_add_fd(&s, ctx);
    for (unsigned i = 1; i <= 10; i++) {
        uint64_t fired = virtual_now();

        source_fire(&s);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.ready, i);
        ck_assert_uint_le(virtual_now() - fired, AIO_FD_SLICE_NS + SOON_NS);
    }
    ck_assert_uint_eq(loop_stats(ctx).blocks, 0);
    ck_assert_uint_eq(polled.ends, 0);
    source_remove(&polled);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static unsigned count_runs;

static void count_cb(void *opaque)
{
    count_runs++;
}

START_TEST(a_busy_polled_source_starves_neither_timers_nor_bottom_halves)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source busy = {.in_poll = always_pending};
    struct aio_timer timer;
    struct aio_bh bh;

    source_add(&busy, ctx);
    ck_assert(aio_poll(ctx, true));
    ck_assert(aio_poll(ctx, true));

    aio_bh_init(ctx, &bh, count_cb, NULL);
    aio_bh_schedule(&bh);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(count_runs, 1);

    aio_timer_init(ctx, &timer, count_cb, NULL);
    aio_timer_arm(&timer, virtual_now() + 5000);
    while (count_runs == 1) {
        ck_assert_uint_lt(virtual_now(), timer.deadline_ns + SOON_NS);
        ck_assert(aio_poll(ctx, true));
    }
    ck_assert_uint_ge(virtual_now(), timer.deadline_ns);
    source_remove(&busy);
    loop_free(ctx);
}
END_TEST

START_TEST(aio_recent_never_goes_back_and_is_only_microseconds_old)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = WINDOW_NS};
    AioContext *ctx = loop_new_with(_i, params, NULL);
    uint64_t first = aio_recent(ctx), known;

    do {
        known = aio_now(ctx);
    } while (known == first);
    ctx->recent_ticks = __builtin_ia32_rdtsc(); /* that was just now */
    ck_assert_uint_ge(aio_recent(ctx), known);

    do {
        known = ctx->clock(); /* and nobody tells the loop */
    } while (known <= ctx->recent_ns);
    ctx->recent_ticks -= AIO_RECENT_TICKS + 1;
    ck_assert_uint_ge(aio_recent(ctx), known);
    loop_free(ctx);
}
END_TEST

START_TEST(two_busy_polled_sources_run_in_turn)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source a = {.in_poll = always_pending}, b = {.in_poll = always_pending};

    source_add(&a, ctx);
    source_add(&b, ctx);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(a.polled, b.polled);
    }
    ck_assert_uint_gt(a.polled, 8);
    source_remove(&a);
    source_remove(&b);
    loop_free(ctx);
}
END_TEST

/* --- the end of a window --- */

static struct aio_bh bh_from_poll;

static void schedule_at_look_50(struct source *s)
{
    if (s->looks == 50) {
        aio_bh_schedule(&bh_from_poll); /* as another thread would, meanwhile */
    }
}

START_TEST(a_notification_ends_a_window_and_costs_no_system_call)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source s = {.in_poll = schedule_at_look_50};
    struct aio_stats stats;

    source_add(&s, ctx);
    aio_bh_init(ctx, &bh_from_poll, count_cb, NULL);
    ck_assert(aio_poll(ctx, true));
    stats = loop_stats(ctx);
    ck_assert_uint_eq(count_runs, 1);
    ck_assert_uint_le(s.looks, 51);
    ck_assert_uint_eq(stats.syscalls, 0);
    ck_assert_uint_eq(stats.notify_elided, 1);
    ck_assert_uint_eq(stats.notify_sent, 0);
    ck_assert_uint_eq(stats.bhs, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_timer_ends_a_window_on_time_and_polling_goes_on)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source s = {0};
    struct aio_timer timer;

    source_add(&s, ctx);
    aio_timer_init(ctx, &timer, count_cb, NULL);
    for (unsigned i = 1; i <= 10; i++) {
        aio_timer_arm(&timer, virtual_now() + 5000);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(count_runs, i);
        ck_assert_uint_ge(virtual_now(), timer.deadline_ns);
        ck_assert_uint_le(virtual_now(), timer.deadline_ns + SOON_NS);
    }
    ck_assert_uint_eq(loop_stats(ctx).syscalls, 0);
    ck_assert_uint_eq(loop_stats(ctx).timers, 10);
    ck_assert_uint_eq(loop_stats(ctx).poll_misses, 0);
    ck_assert_uint_eq(s.begins, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

/* --- the poll set --- */

static void make_quiet(struct source *quiet, struct source *busy)
{
    quiet->pending = busy->pending = 1;
    ck_assert(aio_poll(busy->ctx, true)); /* neither is new any more */
    virtual_clock_advance(AIO_POLL_IDLE_NS - 1000000);
    busy->pending = 1;
    ck_assert(aio_poll(busy->ctx, true)); /* not yet */
    ck_assert(aio_in_poll_set(&quiet->h));
    virtual_clock_advance(1000000 + AIO_POLL_SCAN_NS);
    busy->pending = 1;
    ck_assert(aio_poll(busy->ctx, true));
    ck_assert(aio_in_poll_set(&busy->h));
}

START_TEST(a_new_source_without_an_event_leaves_the_poll_set_and_joins_with_a_request_in_flight)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source idle = {0}, busy = {0};

    source_add(&busy, ctx);
    busy.pending = 1;
    ck_assert(aio_poll(ctx, true));
    source_add(&idle, ctx);
    ck_assert(idle.polling);
    virtual_clock_advance(AIO_POLL_GRACE_NS + AIO_POLL_SCAN_NS);
    busy.pending = 1;
    ck_assert(aio_poll(ctx, true));
    ck_assert(aio_in_poll_set(&busy.h));
    ck_assert(!aio_in_poll_set(&idle.h));
    ck_assert(!idle.polling);

    aio_handler_in_flight(&idle.h);
    aio_handler_in_flight(&idle.h);
    ck_assert(idle.polling);
    idle.event_after_looks = idle.looks + 100;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(idle.polled, 1);
    source_remove(&idle);
    source_remove(&busy);
    loop_free(ctx);
}
END_TEST

START_TEST(a_quiet_source_leaves_the_poll_set_and_returns_when_its_fd_fires)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source quiet = {0}, busy = {0};
    unsigned looks;

    source_add(&quiet, ctx);
    source_add(&busy, ctx);
    make_quiet(&quiet, &busy);
    ck_assert(!quiet.polling);
    looks = quiet.looks;

    busy.event_after_looks = 1000;
    ck_assert(aio_poll(ctx, true));
    ck_assert_msg(quiet.looks == looks, "a quiet source costs no looks");

    source_fire(&quiet);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(quiet.ready, 1);
    ck_assert(quiet.polling);
    ck_assert_uint_eq(quiet.begins, 2);

    quiet.event_after_looks = 1000;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(quiet.polled, 2);
    ck_assert_msg(busy.begins == 1, "a busy source never leaves");
    source_remove(&quiet);
    source_remove(&busy);
    loop_free(ctx);
}
END_TEST

START_TEST(an_event_that_races_with_leaving_the_poll_set_is_not_lost)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source quiet = {0}, busy = {0};

    source_add(&quiet, ctx);
    source_add(&busy, ctx);
    busy.pending = 1;
    ck_assert(aio_poll(ctx, true));
    busy.event_after_looks = 10;
    ck_assert(aio_poll(ctx, true));
    ck_assert(quiet.polling);
    quiet.event_in_poll_end = true;
    make_quiet(&quiet, &busy);
    ck_assert_uint_eq(quiet.polled, 2);
    ck_assert_msg(aio_in_poll_set(&quiet.h), "it was not quiet after all");
    source_remove(&quiet);
    source_remove(&busy);
    loop_free(ctx);
}
END_TEST

START_TEST(an_event_that_races_with_the_last_source_leaving_is_not_lost)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source s = {.event_after_looks = 10};

    source_add(&s, ctx);
    ck_assert(aio_poll(ctx, true));
    virtual_clock_advance(AIO_POLL_IDLE_NS);
    s.event_in_poll_end = true;
    ck_assert(aio_poll(ctx, true)); /* blocks for ever if it is lost */
    ck_assert_uint_eq(s.polled, 2);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_quiet_source_may_be_removed)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source quiet = {0}, busy = {0};

    source_add(&quiet, ctx);
    source_add(&busy, ctx);
    make_quiet(&quiet, &busy);
    ck_assert_uint_eq(ctx->nr_quiet, 1);
    source_remove(&quiet);
    ck_assert_uint_eq(ctx->nr_quiet, 0);
    source_remove(&busy);
    ck_assert_uint_eq(ctx->nr_quiet, 0);
    loop_free(ctx);
}
END_TEST

START_TEST(a_source_with_a_request_in_flight_stays_in_the_poll_set)
{
    AioContext *ctx = loop_new(_i, LONG_NS);
    struct source counted = {0}, busy = {0};
    unsigned in_flight = 1;

    source_add(&counted, ctx);
    counted.h.source.in_flight = &in_flight;
    source_add(&busy, ctx);
    make_quiet(&counted, &busy);
    ck_assert(aio_in_poll_set(&counted.h));
    in_flight = 0;
    virtual_clock_advance(AIO_POLL_SCAN_NS);
    busy.pending = 1;
    ck_assert(aio_poll(ctx, true));
    ck_assert(!aio_in_poll_set(&counted.h));
    source_remove(&counted);
    source_remove(&busy);
    loop_free(ctx);
}
END_TEST

START_TEST(a_source_that_blocks_between_its_events_stays_in_the_poll_set)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {0};

    source_add(&s, ctx);
    for (unsigned i = 1; i <= 10; i++) {
        virtual_clock_advance(AIO_POLL_IDLE_NS / 2);
        source_fire(&s);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.ready, i);
        ck_assert(aio_in_poll_set(&s.h));
    }
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(unwatched_descriptors_are_watched_again_before_the_loop_blocks)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {0}, more[70] = {0};

    source_add(&s, ctx);
    for (unsigned round = 0; round < 3; round++) {
        s.pending = 1;
        ck_assert(aio_poll(ctx, true));
        virtual_clock_advance(AIO_UNWATCH_NS);
        s.pending = 1;
        ck_assert(aio_poll(ctx, true));
        ck_assert(ctx->unwatched);
        source_fire(&s);
        s.pending = 1;
        ck_assert(aio_poll(ctx, true)); /* seen by polling; its descriptor stays readable */
        if (ctx->fdmon->ops->watch) {
            ck_assert(!aio_poll(ctx, false));
        }

        /* "auto" goes over to epoll and back while the source is left out. */
        for (unsigned i = 0; i < 70 && round == 1; i++) {
            source_add_fd(&more[i], ctx);
        }
        for (unsigned i = 0; i < 70 && round == 2; i++) {
            source_remove(&more[i]);
        }
        ck_assert(aio_poll(ctx, true)); /* the window runs out, then the descriptor fires */
        ck_assert_uint_ge(s.ready, 2 * round + 1);
        source_fire(&s);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.pending, 0);
    }
    ck_assert_uint_ge(s.ready, 6);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

/* --- without a window --- */

START_TEST(an_awake_loop_needs_no_notification_even_if_it_never_spins)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    source_add(&s, ctx);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 1);
    for (unsigned i = 1; i <= 3; i++) {
        s.pending = 1; /* it is quick */
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.polled, i);
    }
    ck_assert_uint_eq(s.begins, 1);
    ck_assert_uint_eq(s.ends, 0);

    s.event_in_poll_end = true; /* and nearly late */
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.polled, 4);
    ck_assert_uint_eq(loop_stats(ctx).blocks, 1);
    ck_assert_uint_eq(loop_stats(ctx).polled_ns + loop_stats(ctx).poll_hits, 0);

    source_fire(&s); /* and late */
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 2);
    ck_assert_uint_eq(s.begins, 3);
    ck_assert_uint_eq(s.ends, 2);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static void once_more_in_poll_end(struct source *s)
{
    s->event_in_poll_end = true;
}

START_TEST(a_source_that_is_always_just_in_time_starves_no_descriptor)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {.then = once_more_in_poll_end}, fd = {0};
    uint64_t fired;

    source_add(&s, ctx);
    source_add_fd(&fd, ctx);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    for (unsigned i = 1; i <= 5; i++) {
        source_fire(&fd);
        fired = virtual_now();
        while (fd.ready < i) {
            unsigned runs = source_runs(&s);

            virtual_clock_advance(SOON_NS);
            ck_assert(aio_poll(ctx, true));
            ck_assert_uint_eq(source_runs(&s), runs + 1);
            ck_assert_uint_le(virtual_now() - fired, AIO_FD_SLICE_NS + 2 * SOON_NS);
        }
    }
    s.then = NULL;
    source_remove(&s);
    source_remove(&fd);
    loop_free(ctx);
}
END_TEST

/* --- parameters at run time --- */

START_TEST(parameters_change_in_the_next_iteration)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = 0};
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {.event_after_looks = 20};
    uint64_t polled_ns;

    source_add(&s, ctx);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.polled, 1);

    ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0);
    aio_poll(ctx, true); /* the notification of the change itself */
    polled_ns = loop_stats(ctx).polled_ns;
    for (unsigned i = 1; i <= 2; i++) {
        source_fire(&s);
        ck_assert(aio_poll(ctx, true));
        ck_assert_uint_eq(s.ready, i);
        ck_assert_uint_eq(loop_stats(ctx).blocks, i);
    }
    ck_assert_uint_eq(loop_stats(ctx).polled_ns, polled_ns);
    ck_assert_uint_eq(loop_stats(ctx).window_ns, 0);

    params.max_ns = 2 * WINDOW_NS;
    ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0);
    params.max_ns = WINDOW_NS; /* the later one counts */
    ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0);
    aio_poll(ctx, true);
    s.event_after_looks = 20;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(loop_stats(ctx).window_ns, WINDOW_NS);
    ck_assert_uint_eq(s.polled, 2);
    source_remove(&s);

    ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0); /* freed though never taken */
    loop_free(ctx);
}
END_TEST

/* --- calls of the policy --- */

static struct {
    uint64_t answer;
    unsigned windows, waits, events;
    struct poll_wait last; /* of wait_done */
    struct poll_source *source;
    unsigned events_in_wait;
} told;

static uint64_t spy_window(struct poll_policy *p, uint64_t now)
{
    ck_assert_uint_eq(told.windows, told.waits);
    ck_assert(!list_empty(&p->sources));
    ck_assert_uint_gt(p->params.max_ns, 0);
    told.windows++;
    told.events_in_wait = 0;
    return told.answer;
}

static void spy_event(struct poll_policy *p, struct poll_source *s, const struct poll_wait *w)
{
    ck_assert_uint_eq(told.windows, told.waits + 1);
    told.events++;
    told.events_in_wait++;
    told.source = s;
}

static void spy_wait_done(struct poll_policy *p, const struct poll_wait *w)
{
    told.waits++;
    told.last = *w;
    ck_assert_uint_eq(told.windows, told.waits);
    ck_assert_uint_ge(w->end_ns, w->start_ns);
    ck_assert_uint_le(w->polled_ns + w->blocked_ns, w->end_ns - w->start_ns);
}

static const struct poll_policy_ops spy = {
    .name = "spy",
    .window = spy_window,
    .event = spy_event,
    .wait_done = spy_wait_done,
};

static AioContext *loop_with_spy(int monitor, uint64_t max_ns, uint64_t answer)
{
    struct poll_params params = {.policy = &spy, .max_ns = max_ns};

    told.answer = answer;
    return loop_new_with(monitor, params, virtual_clock);
}

START_TEST(the_policy_is_told_of_a_hit)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, WINDOW_NS);
    struct source other = {0}, s = {.event_after_looks = 200};

    source_add(&other, ctx);
    source_add(&s, ctx);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(told.waits, 1);
    ck_assert_uint_eq(told.events, 1);
    ck_assert_ptr_eq(told.source, &s.h.source);
    ck_assert_int_eq(told.last.outcome, POLL_HIT);
    ck_assert_uint_eq(told.last.window_ns, WINDOW_NS);
    ck_assert_uint_eq(told.last.blocked_ns, 0);
    ck_assert_uint_gt(told.last.polled_ns, 0);
    ck_assert(!told.last.off_cpu);
    source_remove(&other);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static void assert_not_told_yet(struct source *s)
{
    ck_assert_uint_eq(told.windows, told.waits + 1);
    ck_assert_uint_eq(told.events, 0);
}

/* The policy learns from an event after the event was served. */
START_TEST(the_policy_is_told_when_the_event_was_served)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, WINDOW_NS);
    struct source s = {.event_after_looks = 100, .then = assert_not_told_yet};

    source_add(&s, ctx);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.polled, 1);
    ck_assert_uint_eq(told.waits, 1);
    ck_assert_uint_eq(told.events, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(the_policy_is_not_told_of_sources_that_are_gone)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, WINDOW_NS);
    struct source other = {0}, s = {.event_after_looks = 100, .then = source_remove};

    source_add(&other, ctx);
    source_add(&s, ctx);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.polled, 1);
    ck_assert_uint_eq(told.waits, 1);
    ck_assert_uint_eq(told.events, 0);
    source_remove(&other);
    loop_free(ctx);
}
END_TEST

START_TEST(the_policy_is_told_of_a_miss)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, WINDOW_NS);
    struct source s = {0};

    source_add(&s, ctx);
    aio_poll(ctx, false);
    s.event_after_looks = 0;
    source_fire(&s);
    s.pending = 0;
    ck_assert(aio_poll(ctx, true));
    ck_assert_int_eq(told.last.outcome, POLL_BLOCKED);
    ck_assert_uint_ge(told.last.polled_ns, WINDOW_NS);
    ck_assert_uint_gt(told.last.blocked_ns, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(the_policy_is_told_of_waits_it_wanted_to_block_in)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, 0);
    struct source s = {0}, fd = {0};

    source_add(&s, ctx);
    source_add_fd(&fd, ctx);
    source_fire(&fd);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(told.waits, 1);
    ck_assert_msg(told.events == 0, "an event of a source that can't be polled teaches nothing");
    ck_assert_int_eq(told.last.outcome, POLL_BLOCKED);
    ck_assert_uint_eq(told.last.polled_ns, 0);
    ck_assert_uint_eq(s.looks, 0);
    source_remove(&s);
    source_remove(&fd);
    loop_free(ctx);
}
END_TEST

START_TEST(the_window_is_cut_at_the_cap)
{
    AioContext *ctx = loop_with_spy(_i, WINDOW_NS, UINT64_MAX);
    struct source s = {0}, fd = {0};

    source_add(&s, ctx);
    source_add_fd(&fd, ctx);
    aio_poll(ctx, false);
    source_fire(&fd);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(told.last.window_ns, WINDOW_NS);
    ck_assert_uint_eq(loop_stats(ctx).window_ns, WINDOW_NS);
    ck_assert_int_eq(told.last.outcome, POLL_BLOCKED);
    ck_assert_uint_le(told.last.polled_ns, WINDOW_NS + SOON_NS);
    source_remove(&s);
    source_remove(&fd);
    loop_free(ctx);
}
END_TEST

START_TEST(a_wait_that_a_timer_ends_is_told_as_such)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, LONG_NS);
    struct source s = {0};
    struct aio_timer timer;

    source_add(&s, ctx);
    aio_timer_init(ctx, &timer, count_cb, NULL);
    aio_timer_arm(&timer, virtual_now() + 5000);
    ck_assert(aio_poll(ctx, true));
    ck_assert_int_eq(told.last.outcome, POLL_TIMER);
    ck_assert_uint_eq(told.events, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_block_that_a_timer_ends_is_told_as_such)
{
    struct poll_params params = {.policy = &spy, .max_ns = LONG_NS};
    AioContext *ctx = loop_new_with(_i, params, NULL);
    struct source s = {0};
    struct aio_timer timer;

    source_add(&s, ctx);
    aio_timer_init(ctx, &timer, count_cb, NULL);
    do { /* on a busy host the timer may have expired before the loop could wait for it */
        count_runs = 0;
        aio_timer_arm(&timer, aio_now(ctx) + 1000000);
        while (!count_runs) {
            aio_poll(ctx, true);
        }
    } while (!told.waits);
    ck_assert_int_eq(told.last.outcome, POLL_TIMER);
    ck_assert_uint_gt(told.last.blocked_ns, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static void lose_the_cpu_at_look_100(struct source *s)
{
    if (s->looks == 100) {
        virtual_clock_advance(1000000);
    }
}

START_TEST(a_wait_in_which_the_thread_lost_the_cpu_is_told_as_such)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, LONG_NS);
    struct source s = {.in_poll = lose_the_cpu_at_look_100, .event_after_looks = 200};

    source_add(&s, ctx);
    ck_assert(aio_poll(ctx, true));
    ck_assert(told.last.off_cpu);
    s.event_after_looks = 100;
    ck_assert(aio_poll(ctx, true));
    ck_assert(!told.last.off_cpu);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

/* A poll callback takes 100 ns; nobody was preempted however many there are. */
static void take_some_time(struct source *s)
{
    virtual_clock_advance(100);
}

START_TEST(many_sources_are_not_mistaken_for_a_lost_cpu_and_do_not_stretch_the_window)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, WINDOW_NS);
    static struct source s[64];
    struct source fd = {0};

    for (unsigned i = 0; i < 64; i++) {
        s[i].in_poll = take_some_time;
        source_add(&s[i], ctx);
    }
    source_add_fd(&fd, ctx);
    aio_poll(ctx, false);
    source_fire(&fd);
    ck_assert(aio_poll(ctx, true));
    ck_assert(!told.last.off_cpu);
    ck_assert_uint_le(told.last.polled_ns, WINDOW_NS + 64 * 100 + SOON_NS);
    for (unsigned i = 0; i < 64; i++) {
        source_remove(&s[i]);
    }
    source_remove(&fd);
    loop_free(ctx);
}
END_TEST

static void poll_like_an_eventfd_user(struct source *s)
{
    s->pending = 0;
}

/* A descriptor that fired for an event that polling has taken is read, but is no event. */
START_TEST(a_stale_descriptor_teaches_nothing)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, 0);
    struct source s = {.in_poll = poll_like_an_eventfd_user};

    source_add(&s, ctx);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 1);
    ck_assert_uint_eq(told.waits, 1);
    ck_assert_uint_eq(told.events, 0);

    s.in_poll = NULL;
    s.event_after_looks = 3; /* one as it is awake, the last one, and when the descriptor fired */
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 2);
    ck_assert_uint_eq(told.events, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(turns_in_which_the_loop_was_not_idle_teach_nothing)
{
    AioContext *ctx = loop_with_spy(_i, LONG_NS, WINDOW_NS);
    struct source s = {0};
    struct aio_bh bh;

    source_add(&s, ctx);
    aio_bh_init(ctx, &bh, count_cb, NULL);
    aio_bh_schedule(&bh);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 1);
    ck_assert_uint_eq(count_runs, 1);
    ck_assert_uint_eq(told.windows + told.waits + told.events, 0);

    s.event_after_looks = 20;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(told.waits, 1);
    s.pending = 1;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.polled, 2);
    ck_assert_uint_eq(told.waits, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aio_polling");
    TCase *t = tcase_create("polling");
    int n = monitor_count();

    tcase_add_loop_test(t, an_event_is_seen_without_its_fd_and_without_system_calls, 0, n);
    tcase_add_loop_test(t, notifications_are_on_while_the_loop_blocks, 0, n);
    tcase_add_loop_test(t, unwatched_descriptors_are_watched_again_before_the_loop_blocks, 0, n);
    tcase_add_loop_test(t, an_event_that_races_with_poll_end_is_not_lost, 0, n);
    tcase_add_loop_test(t, a_timer_that_poll_end_arms_is_not_slept_over, 0, n);
    tcase_add_loop_test(t, with_a_cap_of_0_it_never_spins, 0, n);
    tcase_add_loop_test(t, a_loop_without_polled_sources_blocks_at_once, 0, n);
    tcase_add_loop_test(t, an_iteration_that_must_not_block_does_not_spin_either, 0, n);
    tcase_add_loop_test(t, a_busy_polled_source_delays_an_fd_by_no_more_than_a_slice, 0, n);
    tcase_add_loop_test(t, a_long_window_delays_an_fd_by_no_more_than_a_slice, 0, n);
    tcase_add_loop_test(t, a_busy_polled_source_starves_neither_timers_nor_bottom_halves, 0, n);
    tcase_add_loop_test(t, aio_recent_never_goes_back_and_is_only_microseconds_old, 0, n);
    tcase_add_loop_test(t, two_busy_polled_sources_run_in_turn, 0, n);
    tcase_add_loop_test(t, a_notification_ends_a_window_and_costs_no_system_call, 0, n);
    tcase_add_loop_test(t, a_timer_ends_a_window_on_time_and_polling_goes_on, 0, n);
    tcase_add_loop_test(t, a_quiet_source_leaves_the_poll_set_and_returns_when_its_fd_fires, 0, n);
    tcase_add_loop_test(t, an_event_that_races_with_leaving_the_poll_set_is_not_lost, 0, n);
    tcase_add_loop_test(t, an_event_that_races_with_the_last_source_leaving_is_not_lost, 0, n);
    tcase_add_loop_test(t, a_quiet_source_may_be_removed, 0, n);
    tcase_add_loop_test(t, a_source_with_a_request_in_flight_stays_in_the_poll_set, 0, n);
    tcase_add_loop_test(
        t, a_new_source_without_an_event_leaves_the_poll_set_and_joins_with_a_request_in_flight, 0,
        n);
    tcase_add_loop_test(t, a_source_that_blocks_between_its_events_stays_in_the_poll_set, 0, n);
    tcase_add_loop_test(t, an_awake_loop_needs_no_notification_even_if_it_never_spins, 0, n);
    tcase_add_loop_test(t, a_source_that_is_always_just_in_time_starves_no_descriptor, 0, n);
    tcase_add_loop_test(t, parameters_change_in_the_next_iteration, 0, n);
    suite_add_tcase(suite, t);

    t = tcase_create("teaching");
    tcase_add_loop_test(t, the_policy_is_told_of_a_hit, 0, n);
    tcase_add_loop_test(t, the_policy_is_told_when_the_event_was_served, 0, n);
    tcase_add_loop_test(t, the_policy_is_not_told_of_sources_that_are_gone, 0, n);
    tcase_add_loop_test(t, the_policy_is_told_of_a_miss, 0, n);
    tcase_add_loop_test(t, the_policy_is_told_of_waits_it_wanted_to_block_in, 0, n);
    tcase_add_loop_test(t, the_window_is_cut_at_the_cap, 0, n);
    tcase_add_loop_test(t, a_wait_that_a_timer_ends_is_told_as_such, 0, n);
    tcase_add_loop_test(t, a_block_that_a_timer_ends_is_told_as_such, 0, n);
    tcase_add_loop_test(t, a_wait_in_which_the_thread_lost_the_cpu_is_told_as_such, 0, n);
    tcase_add_loop_test(
        t, many_sources_are_not_mistaken_for_a_lost_cpu_and_do_not_stretch_the_window, 0, n);
    tcase_add_loop_test(t, a_stale_descriptor_teaches_nothing, 0, n);
    tcase_add_loop_test(t, turns_in_which_the_loop_was_not_idle_teach_nothing, 0, n);
    suite_add_tcase(suite, t);

    return suite_run(suite);
}

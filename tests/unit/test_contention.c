// SPDX-License-Identifier: MIT
/* poll-contention: trials of polling against blocking on a busy host. */
#include <pthread.h>
#include <stdio.h>

#include "aio/loop-clock.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

#define STEP_NS (1 * MS) /* a wait of the simulated loop */

/*
 * A host that gives the thread so many requests per second while it polls and while it blocks, and so
 * much run delay per second.
 */
struct host {
    double polling, blocking;
    uint64_t polling_delay_ns, blocking_delay_ns;
    unsigned starts; /* per second */
};

static const struct host idle = {.polling = 40e3, .blocking = 10e3, .starts = 1000};

static struct poll_contention c;
static struct poll_progress seen;
static uint64_t now, polled, blocked, samples;

static void setup(void)
{
    poll_contention_init(&c);
    seen = (struct poll_progress){0};
    now = 1000 * S;
    polled = blocked = samples = 0;
}

/* The loop has waits of STEP_NS, in which it polls if it may. */
static void run(const struct host *host, uint64_t ns)
{
    double done = 0;

    for (uint64_t end = now + ns; now < end; now += STEP_NS) {
        bool poll = poll_contention_cut(&c, 100 * US) != 0;

        done += (poll ? host->polling : host->blocking) * STEP_NS / S;
        seen.done += (uint64_t)done;
        done -= (double)(uint64_t)done;
        seen.delay_ns += (poll ? host->polling_delay_ns : host->blocking_delay_ns) * STEP_NS / S;
        seen.starts += host->starts * STEP_NS / S;
        if (poll) {
            poll_contention_spend(&c, 100 * US);
            polled++;
        } else {
            blocked++;
        }
        if (poll_contention_due(&c, now)) {
            poll_contention_sample(&c, now, &seen);
            samples++;
        }
    }
}

START_TEST(without_run_delay_polling_is_free)
{
    run(&idle, 60 * S);
    ck_assert_uint_eq(blocked, 0);
    ck_assert_uint_eq(c.trials, 0);
    ck_assert_uint_le(samples, 60 * S / (4 * MS));
}
END_TEST

START_TEST(the_delay_of_each_start_is_no_contention)
{
    const struct host host = {
        .polling = 40e3, .blocking = 60e3, .starts = 20000, .polling_delay_ns = 20000 * 9 * US};

    run(&host, 60 * S);
    ck_assert_uint_eq(blocked, 0);
}
END_TEST

START_TEST(without_polling_no_sample_is_taken)
{
    now += S;
    ck_assert(!poll_contention_due(&c, now));
    poll_contention_spend(&c, 1);
    ck_assert(poll_contention_due(&c, now));
}
END_TEST

START_TEST(where_polling_gets_less_done_the_loop_blocks)
{
    const struct host host = {.polling = 5e3, .blocking = 20e3, .polling_delay_ns = 500 * MS};

    run(&host, 60 * S);
    ck_assert_uint_lt(polled * 20, blocked); /* 5 % of the time: the trials */
    ck_assert_uint_gt(polled, 0);
    ck_assert(c.block || c.state == POLL_TRIAL);
}
END_TEST

/* 6 % of run delay is contention, however many trials there were. */
START_TEST(a_little_run_delay_does_not_free_a_mode_that_gets_less_done)
{
    const struct host host = {.polling = 5e3, .blocking = 20e3, .polling_delay_ns = 60 * MS};

    run(&host, 60 * S);
    polled = blocked = 0;
    run(&host, 60 * S);
    ck_assert_uint_lt(polled * 20, blocked);
}
END_TEST

START_TEST(an_idle_guest_does_not_count_against_the_mode_of_its_period)
{
    const struct host host = {.polling = 5e3, .blocking = 20e3, .polling_delay_ns = 500 * MS};

    for (unsigned i = 0; i < 20; i++) {
        run(&host, 10 * S);
        while (c.state != POLL_TRIAL || !c.block || !c.counting) {
            run(&host, STEP_NS);
        }
        now += 60 * S; /* one wait */
        polled = blocked = 0;
        run(&host, 10 * S);
        ck_assert_uint_lt(polled * 10, blocked);
    }
}
END_TEST

START_TEST(where_polling_gets_more_done_the_loop_polls)
{
    const struct host host = {.polling = 20e3,
                              .blocking = 10e3,
                              .polling_delay_ns = 300 * MS,
                              .blocking_delay_ns = 300 * MS};

    run(&host, 60 * S);
    ck_assert_uint_lt(blocked * 20, polled);
    ck_assert_uint_gt(c.trials, 3);
}
END_TEST

START_TEST(for_a_gain_of_2_percent_the_loop_does_not_poll)
{
    const struct host host = {.polling = 10.2e3, .blocking = 10e3, .polling_delay_ns = 300 * MS};

    run(&host, 200 * S);
    ck_assert_uint_lt(polled * 20, blocked);
}
END_TEST

START_TEST(a_small_gain_is_believed_only_after_some_trials)
{
    const struct host host = {.polling = 11e3, .blocking = 10e3, .polling_delay_ns = 300 * MS};

    run(&host, 300 * MS);
    ck_assert_uint_eq(c.trials, 1);
    ck_assert(c.block);
    run(&host, 60 * S);
    ck_assert(!c.block || c.state == POLL_TRIAL);
    ck_assert_uint_gt(polled, blocked);
}
END_TEST

START_TEST(a_rate_that_falls_evenly_favours_neither_mode)
{
    struct host host = {.polling = 40e3, .polling_delay_ns = 500 * MS};

    while (c.state != POLL_DECIDED) {
        host.polling -= c.state == POLL_TRIAL ? 350 : 0;
        host.blocking = host.polling;
        run(&host, 1 * MS);
    }
    ck_assert(c.block);
}
END_TEST

START_TEST(a_loop_that_completes_nothing_blocks)
{
    const struct host host = {.polling_delay_ns = 300 * MS};

    run(&host, 60 * S);
    ck_assert_uint_lt(polled * 20, blocked);
}
END_TEST

START_TEST(polling_is_free_again_4_seconds_after_the_load)
{
    const struct host host = {.polling = 5e3, .blocking = 20e3, .polling_delay_ns = 500 * MS};

    run(&host, 60 * S);
    run(&idle, 4 * S);
    ck_assert_int_eq(c.block, false);
    blocked = 0;
    run(&idle, 20 * S);
    ck_assert_uint_eq(blocked, 0);
    ck_assert_int_eq(c.state, POLL_FREE);
}
END_TEST

START_TEST(a_host_that_turns_round_is_followed)
{
    const struct host good = {.polling = 20e3, .blocking = 10e3, .polling_delay_ns = 300 * MS};
    const struct host bad = {.polling = 5e3, .blocking = 20e3, .polling_delay_ns = 500 * MS};

    for (unsigned i = 0; i < 3; i++) {
        run(&good, 60 * S);
        ck_assert_int_eq(c.decided_block, false);
        run(&bad, 60 * S);
        ck_assert_int_eq(c.decided_block, true);
    }
}
END_TEST

/* --- in a loop --- */

static bool stop; /* atomic */

static void pin(void)
{
    cpu_set_t cpus, first;
    unsigned cpu = 0;

    ck_assert_int_eq(pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus), 0);
    while (!CPU_ISSET(cpu, &cpus)) {
        cpu++;
    }
    CPU_ZERO(&first);
    CPU_SET(cpu, &first);
    ck_assert_int_eq(pthread_setaffinity_np(pthread_self(), sizeof(first), &first), 0);
}

static void *compete(void *opaque)
{
    while (!load_relaxed(&stop)) {
        cpu_relax();
    }
    return opaque;
}

static uint64_t run_delay(void)
{
    unsigned long long delay;
    FILE *f = fopen("/proc/thread-self/schedstat", "r");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*u %llu", &delay), 1);
    fclose(f);
    return delay;
}

/* Without poll-contention, until the loop would have seen run delay many times. */
START_TEST(a_competitor_on_the_cpu_of_the_loop_starts_a_trial)
{
    struct poll_params params = {
        .policy = &poll_policy_fixed, .max_ns = 1 * S, .contention = _i != 0};
    AioContext *ctx = loop_new_with(0, params, aio_clock_monotonic);
    struct source s = {0};
    pthread_t thread;
    uint64_t delay, starts;

    if (!aio_watch_run_delay(ctx)) {
        printf("skipped: the kernel has no /proc/thread-self/schedstat\n");
        loop_free(ctx);
        return;
    }
    pin();
    ck_assert_int_eq(pthread_create(&thread, NULL, compete, NULL), 0);
    source_add(&s, ctx);
    do {
        s.event_after_looks = 1000;
        aio_poll(ctx, true);
    } while (params.contention ? !loop_stats(ctx).trials : run_delay() < 100 * MS);
    ck_assert_int_eq(loop_stats(ctx).trials, params.contention);
    ck_assert(aio_run_delay(ctx, &delay, &starts));
    ck_assert_uint_gt(delay, 0);
    ck_assert_uint_le(delay, run_delay());
    store_relaxed(&stop, true);
    pthread_join(thread, NULL);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(a_loop_that_does_not_watch_run_delay_polls_freely)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = 1 * S, .contention = true};
    AioContext *ctx = loop_new_with(0, params, virtual_clock);
    struct source s = {0};
    uint64_t syscalls;

    source_add(&s, ctx);
    aio_poll(ctx, false);
    syscalls = loop_stats(ctx).syscalls;
    for (unsigned i = 0; i < 1000; i++) {
        s.event_after_looks = 100;
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(loop_stats(ctx).syscalls, syscalls);
    ck_assert_uint_eq(loop_stats(ctx).trials, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(people_read_what_the_trials_have_chosen)
{
    const struct host bad = {.polling = 5e3, .blocking = 20e3, .polling_delay_ns = 500 * MS};
    struct poll_params params;
    struct poll_policy p;
    char text[100];

    poll_params_default(&params);
    params.policy = &poll_policy_block;
    ck_assert(params.contention);
    ck_assert_int_eq(poll_policy_init(&p, &params), 0);
    poll_policy_describe(&p, text, sizeof(text));
    ck_assert_str_eq(text, "");
    run(&bad, 10 * S);
    while (c.state != POLL_DECIDED) {
        run(&bad, 10 * MS);
    }
    p.contention = c;
    poll_policy_describe(&p, text, sizeof(text));
    ck_assert_str_eq(text, "busy host: blocking");
    poll_policy_destroy(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("contention");
    TCase *tc = tcase_create("trials"), *loop = tcase_create("loop");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, without_run_delay_polling_is_free);
    tcase_add_test(tc, the_delay_of_each_start_is_no_contention);
    tcase_add_test(tc, without_polling_no_sample_is_taken);
    tcase_add_test(tc, where_polling_gets_less_done_the_loop_blocks);
    tcase_add_test(tc, a_little_run_delay_does_not_free_a_mode_that_gets_less_done);
    tcase_add_test(tc, an_idle_guest_does_not_count_against_the_mode_of_its_period);
    tcase_add_test(tc, where_polling_gets_more_done_the_loop_polls);
    tcase_add_test(tc, for_a_gain_of_2_percent_the_loop_does_not_poll);
    tcase_add_test(tc, a_small_gain_is_believed_only_after_some_trials);
    tcase_add_test(tc, a_rate_that_falls_evenly_favours_neither_mode);
    tcase_add_test(tc, a_loop_that_completes_nothing_blocks);
    tcase_add_test(tc, polling_is_free_again_4_seconds_after_the_load);
    tcase_add_test(tc, a_host_that_turns_round_is_followed);
    tcase_add_test(tc, people_read_what_the_trials_have_chosen);
    suite_add_tcase(s, tc);
    tcase_add_loop_test(loop, a_competitor_on_the_cpu_of_the_loop_starts_a_trial, 0, 2);
    tcase_add_test(loop, a_loop_that_does_not_watch_run_delay_polls_freely);
    suite_add_tcase(s, loop);
    return suite_run(s);
}

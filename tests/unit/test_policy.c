// SPDX-License-Identifier: MIT
/* Poll policies, one wait at a time on a virtual clock. */
#include <check.h>
#include <stdlib.h>

#include "aio/policy/cost-wake.h"
#include "aio/policy/policy.h"
#include "aio/waits/replay.h"
#include "base/histogram.h"
#include "loop-fixture.h"
#include "tests/unit/suite.h"

#define US 1000
#define MS 1000000

static const struct waits one_source = {
    .wake_ns = 30 * US,
    .wake_cpu_ns = 5 * US,
    .nr_sources = 1,
    .sources = {{.name = "kick"}},
};
static const struct waits kick_and_disk = {
    .wake_ns = 30 * US,
    .wake_cpu_ns = 5 * US,
    .nr_sources = 2,
    .sources = {{.name = "kick"}, {.name = "disk", .counted = true}},
};

static struct poll_params params_of(const char *name, uint64_t max_ns)
{
    struct poll_params params;

    poll_params_default(&params);
    params.policy = policy_named(name);
    ck_assert_ptr_nonnull(params.policy);
    params.max_ns = max_ns;
    return params;
}

static void start(struct replay *r, const char *name, uint64_t max_ns)
{
    struct poll_params params = params_of(name, max_ns);

    ck_assert_int_eq(replay_init(r, &params, &one_source), 0);
}

/* One wait whose event, from source 0, comes after @ns. Return: the window it had. */
static uint64_t wait_for(struct replay *r, uint64_t ns)
{
    replay_wait(r, &(struct wait_record){.busy_ns = 2 * US, .wait_ns = ns, .ready = 1});
    return r->window_ns;
}

/* The window of the next wait. */
static uint64_t ask(struct replay *r)
{
    return poll_policy_window(&r->policy, r->now);
}

/* --- all policies --- */

START_TEST(policies_are_found_by_name)
{
    unsigned n = 0;

    for (const struct poll_policy_ops *ops; (ops = poll_policy_at(n)); n++) {
        ck_assert_ptr_eq(policy_named(ops->name), ops); /* names are unique */
    }
    ck_assert_uint_eq(n, 5);
}
END_TEST

START_TEST(a_cap_of_zero_means_never_poll)
{
    struct replay r;

    start(&r, poll_policy_at(_i)->name, 0);
    for (unsigned i = 0; i < 300; i++) {
        ck_assert_uint_eq(wait_for(&r, 1 + i % 7 * US), 0);
    }
    replay_destroy(&r);
}
END_TEST

START_TEST(no_window_is_over_the_cap)
{
    struct replay r;

    srandom(1);
    start(&r, poll_policy_at(_i)->name, 50 * US);
    for (unsigned i = 0; i < 5000; i++) {
        ck_assert_uint_le(wait_for(&r, 1u << random() % 21), 50 * US);
    }
    replay_destroy(&r);
}
END_TEST

START_TEST(nothing_is_asked_without_a_source)
{
    struct poll_params params = params_of("fixed", 50 * US);
    struct poll_policy p;

    ck_assert_int_eq(poll_policy_init(&p, &params), 0);
    ck_assert_uint_eq(poll_policy_window(&p, 0), 0);
    poll_policy_destroy(&p);
}
END_TEST

START_TEST(a_wait_off_cpu_teaches_nothing)
{
    const char *name = poll_policy_at(_i)->name;
    struct replay calm, preempted;

    start(&calm, name, 200 * US);
    start(&preempted, name, 200 * US);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t now = preempted.now;

        replay_wait(&preempted,
                    &(struct wait_record){.wait_ns = 5 * MS, .ready = 1, .off_cpu = true});
        preempted.now = now;
        wait_for(&calm, 20 * US);
        wait_for(&preempted, 20 * US);
    }
    ck_assert_uint_eq(calm.window_ns, preempted.window_ns);
    replay_destroy(&calm);
    replay_destroy(&preempted);
}
END_TEST

/* The most that was polled in any 100 ms: the worst such window begins with a poll. */
static uint64_t most_in_100ms(const uint64_t *at, const uint64_t *polled, unsigned n)
{
    uint64_t sum = 0, most = 0;

    for (unsigned first = 0, next = 0; first < n; first++) {
        while (next < n && at[next] + polled[next] <= at[first] + 100 * MS) {
            sum += polled[next++];
        }
        most = sum > most ? sum : most;
        sum -= polled[first];
    }
    return most;
}

START_TEST(polling_stays_within_its_budget_in_any_100_ms)
{
    enum { WAITS = 20000 };
    static uint64_t at[WAITS], polled[WAITS];
    static const uint32_t percents[] = {1, 10, 50};
    struct poll_params params = params_of(poll_policy_at(_i)->name, 200 * US);

    for (unsigned k = 0; k < 3; k++) {
        struct replay r;

        srandom(2);
        params.cpu_max = percents[k];
        ck_assert_int_eq(replay_init(&r, &params, &one_source), 0);
        for (unsigned i = 0; i < WAITS; i++) {
            uint64_t before = r.result.polled_ns;
            /* Long silences, in which the budget recovers, then waits that invite polling. */
            uint64_t ns = i % 5000 == 0 ? 150 * MS : (uint64_t)(random() % 120) * US;

            at[i] = r.now + 2 * US;
            wait_for(&r, ns);
            polled[i] = r.result.polled_ns - before;
        }
        ck_assert_uint_le(most_in_100ms(at, polled, WAITS), percents[k] * MS);
        if (_i > 0 && percents[k] == 10) {
            ck_assert_uint_gt(most_in_100ms(at, polled, WAITS), 5 * MS); /* and uses it */
        }
        replay_destroy(&r);
    }
}
END_TEST

/* --- block, fixed, grow-shrink, weighted --- */

START_TEST(block_never_polls_and_fixed_always_does)
{
    struct replay block, fixed;

    start(&block, "block", 50 * US);
    start(&fixed, "fixed", 50 * US);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(wait_for(&block, i * US), 0);
        ck_assert_uint_eq(wait_for(&fixed, i * US), 50 * US);
    }
    replay_destroy(&block);
    replay_destroy(&fixed);
}
END_TEST

START_TEST(grow_shrink_grows_from_4_us_while_waits_fit)
{
    struct replay r;

    start(&r, "grow-shrink", 50 * US);
    ck_assert_uint_eq(wait_for(&r, 10 * US), 0);
    ck_assert_uint_eq(wait_for(&r, 10 * US), 4 * US);
    ck_assert_uint_eq(wait_for(&r, 10 * US), 8 * US);
    ck_assert_uint_eq(wait_for(&r, 10 * US), 16 * US); /* inside the window: no change */
    ck_assert_uint_eq(wait_for(&r, 17 * US), 16 * US);
    ck_assert_uint_eq(wait_for(&r, 33 * US - 30 * US), 32 * US);
    ck_assert_uint_eq(wait_for(&r, 40 * US), 32 * US); /* with the wake-up, over the cap */
    ck_assert_uint_eq(ask(&r), 0);
    replay_destroy(&r);
}
END_TEST

START_TEST(grow_shrink_obeys_its_factors_and_the_cap)
{
    struct poll_params params = params_of("grow-shrink", 100 * US);
    struct replay r;

    params.grow = 5;
    params.shrink = 3;
    ck_assert_int_eq(replay_init(&r, &params, &one_source), 0);
    wait_for(&r, 60 * US);
    ck_assert_uint_eq(wait_for(&r, 60 * US), 4 * US);
    ck_assert_uint_eq(wait_for(&r, 60 * US), 20 * US);
    ck_assert_uint_eq(wait_for(&r, 200 * US), 100 * US);
    ck_assert_uint_eq(ask(&r), 100 * US / 3);
    replay_destroy(&r);
}
END_TEST

START_TEST(weighted_jumps_to_the_first_interval_and_follows_the_mean)
{
    struct replay r;

    start(&r, "weighted", 100 * US);
    ck_assert_uint_eq(wait_for(&r, 10 * US), 0);      /* 40 us with the wake-up */
    ck_assert_uint_eq(wait_for(&r, 8 * US), 40 * US); /* mean 40 - 5 + 1 */
    ck_assert_uint_eq(wait_for(&r, 8 * US), 40 * US); /* not below half: no change */
    for (unsigned i = 0; i < 40; i++) {
        wait_for(&r, 8 * US);
    }
    ck_assert_uint_eq(ask(&r), 10 * US); /* halved while that is over the mean of 8 us */
    replay_destroy(&r);
}
END_TEST

START_TEST(weighted_shrinks_only_for_a_mean_below_its_half)
{
    struct replay r;

    start(&r, "weighted", 100 * US);
    wait_for(&r, 10 * US);                          /* 40 us with the wake-up */
    wait_for(&r, 48 * US);                          /* 78 us: mean 44750 ns, window 80 us */
    ck_assert_uint_eq(wait_for(&r, 6750), 80 * US); /* mean 40 us */
    ck_assert_uint_eq(ask(&r), 80 * US);
    replay_destroy(&r);
}
END_TEST

START_TEST(weighted_counts_a_mean_over_the_cap_as_none)
{
    struct replay r;

    start(&r, "weighted", 100 * US);
    wait_for(&r, 10 * US);
    ck_assert_uint_eq(wait_for(&r, 1000 * US), 40 * US); /* mean over 100 us: 0 */
    ck_assert_uint_eq(ask(&r), 20 * US);
    replay_destroy(&r);
}
END_TEST

/* It comes back when its event is served, which is before the policy learns. */
START_TEST(weighted_does_not_count_the_wait_that_brings_a_source_back)
{
    struct poll_params params = params_of("weighted", 100 * US);
    const struct poll_wait away = {.end_ns = 90 * US, .outcome = POLL_BLOCKED};
    struct poll_source *back;
    struct replay r;

    ck_assert_int_eq(replay_init(&r, &params, &kick_and_disk), 0);
    back = &r.sources[1];
    wait_for(&r, 10 * US);
    ck_assert_uint_eq(ask(&r), 40 * US);
    poll_source_leave(back);
    poll_policy_event(&r.policy, back);
    poll_source_join(back, &r.policy);
    poll_policy_wait_done(&r.policy, &away);
    ck_assert_uint_eq(ask(&r), 40 * US);
    replay_destroy(&r);
}
END_TEST

/* --- cost --- */

START_TEST(histogram_buckets_are_a_fifth_wide_and_leave_no_gap)
{
    for (unsigned i = 0; i + 1 < HIST_BUCKETS; i++) {
        ck_assert_uint_eq(hist_bucket(hist_edge(i) - 1), i);
        ck_assert_uint_eq(hist_bucket(hist_edge(i)), i + 1);
        ck_assert(i < 1 || hist_edge(i) * 4 <= hist_edge(i - 1) * 5);
    }
    ck_assert_uint_eq(hist_bucket(0), 0);
    ck_assert_uint_eq(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}
END_TEST

START_TEST(histograms_that_share_a_clock_forget_in_step)
{
    struct histogram h = {0};

    hist_add(&h, 0, 5, 1);
    hist_add(&h, 1, 7, 2);
    ck_assert_uint_eq(h.n[5], HIST_ONE / 2);
    ck_assert_uint_eq(h.n[7], 2 * HIST_ONE);
    hist_forget(&h, 40);
    ck_assert_uint_eq(h.n[5] + h.n[7], 0);
}
END_TEST

START_TEST(cost_without_data_uses_the_ski_rental_window)
{
    struct replay r;
    uint64_t block = POLL_WAKE_NS_DEFAULT * POLL_LATENCY_WEIGHT_DEFAULT;

    start(&r, "cost", MS);
    ck_assert_uint_ge(ask(&r), block * 3 / 4);
    ck_assert_uint_le(ask(&r), block * 5 / 4);
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_polls_for_what_pays_and_blocks_for_what_does_not)
{
    static const struct {
        unsigned us;
        bool polls;
    } pauses[] = {{1, true},   {10, true},   {25, true},    {50, true},
                  {100, true}, {300, false}, {1000, false}, {10000, false}};
    struct replay_result before;
    struct replay r;

    start(&r, "cost", 200 * US);
    for (unsigned i = 0; i < 300; i++) {
        wait_for(&r, pauses[_i].us * US);
    }
    before = r.result;
    for (unsigned i = 0; i < 20000; i++) {
        wait_for(&r, pauses[_i].us * US);
    }
    if (pauses[_i].polls) {
        uint64_t latency = r.result.latency_ns - before.latency_ns;

        ck_assert_uint_le(latency / 20000, pauses[_i].us * US / 50); /* 2 % of the wait */
    } else {
        uint64_t polled = r.result.polled_ns - before.polled_ns;

        ck_assert_uint_le(polled / 20000, 5 * US * 15 / 100); /* 15 % of a wake-up's CPU */
    }
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_blocks_for_what_is_over_the_cap)
{
    struct replay r;

    start(&r, "cost", 32 * US);
    for (unsigned i = 0; i < 300; i++) {
        wait_for(&r, 50 * US);
    }
    ck_assert_uint_eq(ask(&r), 0);
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_obeys_the_latency_weight)
{
    struct poll_params params = params_of("cost", 500 * US);
    static const uint32_t weights[] = {1, 2, 4, 8};

    for (unsigned i = 0; i < 4; i++) {
        struct replay r;

        params.latency_weight = weights[i];
        ck_assert_int_eq(replay_init(&r, &params, &one_source), 0);
        for (unsigned j = 0; j < 300; j++) {
            wait_for(&r, 80 * US);
        }
        ck_assert_int_eq(ask(&r) >= 80 * US, weights[i] * 30 > 80);
        replay_destroy(&r);
    }
}
END_TEST

START_TEST(cost_stops_polling_some_tens_of_events_after_it_stopped_paying)
{
    struct replay r;

    start(&r, "cost", 200 * US);
    for (unsigned i = 0; i < 1000; i++) {
        wait_for(&r, 20 * US);
    }
    ck_assert_uint_ge(r.window_ns, 20 * US);
    for (unsigned i = 0; i < 30; i++) {
        wait_for(&r, 500 * US);
    }
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_lt(wait_for(&r, 500 * US), 20 * US / 8);
    }
    replay_destroy(&r);
}
END_TEST

/* Quick waits are not all looked at, but all are counted. */
START_TEST(cost_stops_polling_after_quick_waits_too)
{
    struct replay r;

    start(&r, "cost", 200 * US);
    for (unsigned i = 0; i < 5000; i++) {
        wait_for(&r, i % 10 ? 200 : 20 * US);
    }
    ck_assert_uint_ge(r.window_ns, 20 * US);
    for (unsigned i = 0; i < 5000; i++) {
        wait_for(&r, i % 10 ? 200 : 500 * US);
    }
    for (unsigned i = 0; i < 50; i++) {
        uint64_t window = wait_for(&r, i % 10 ? 200 : 500 * US);

        ck_assert(window >= 200 && window <= US);
    }
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_starts_polling_some_tens_of_events_after_it_began_to_pay)
{
    static const unsigned waits[] = {200, 20 * US};
    struct replay r;
    unsigned hits = 0;

    start(&r, "cost", 200 * US);
    for (unsigned i = 0; i < 1000; i++) {
        wait_for(&r, 500 * US);
    }
    ck_assert_uint_lt(r.window_ns, US);
    for (unsigned i = 0; i < 30; i++) {
        wait_for(&r, waits[_i]);
    }
    for (unsigned i = 0; i < 20; i++) {
        hits += wait_for(&r, waits[_i]) >= waits[_i];
    }
    ck_assert_uint_ge(hits, 19); /* one may be a probe */
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_does_not_oscillate_on_a_bimodal_pattern)
{
    struct replay r;
    uint64_t last = 0;
    unsigned turns = 0;

    srandom(3);
    start(&r, "cost", 200 * US);
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t window = wait_for(&r, random() % 100 < 50 ? 8 * US : 600 * US);

        if (i >= 200) {
            turns += window != last && last;
        }
        last = window;
    }
    ck_assert_uint_le(turns, 8);
    replay_destroy(&r);
}
END_TEST

/* Waits at the point where polling and blocking cost the same, or a fifth beside it, while W swings
 * by a fifth to either side. To poll always is good there, and so is never to poll. */
START_TEST(cost_settles_on_one_side_of_the_boundary)
{
    enum { ROUNDS = 400, ROUND = 100, SWING = 80 /* rounds there and back */ };
    static const unsigned percents[] = {80, 90, 100, 110, 120};
    const uint64_t block = 30 * US * POLL_LATENCY_WEIGHT_DEFAULT;
    unsigned turns = 0, minority = 0;
    bool polls = false;
    struct replay r;

    srandom(5);
    start(&r, "cost", MS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned phase = i % SWING < SWING / 2 ? i % SWING : SWING - i % SWING, hits = 0;

        r.wake_ns = 24 * US + 12 * US * phase / (SWING / 2);
        for (unsigned j = 0; j < ROUND; j++) {
            uint64_t before = r.result.hits;

            wait_for(&r, block * percents[_i] / 100 * (uint64_t)(980 + random() % 41) / 1000);
            hits += r.result.hits > before;
        }
        if (i >= SWING / 2) { /* W must be measured first */
            turns += polls != (hits > ROUND / 2);
            minority += hits > ROUND / 2 ? ROUND - hits : hits;
        }
        polls = hits > ROUND / 2;
    }
    ck_assert_uint_le(turns, 1);
    ck_assert_uint_le(minority, (ROUNDS - SWING / 2) * ROUND / 100);
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_does_not_spin_for_completions_when_nothing_is_in_flight)
{
    struct poll_params params = params_of("cost", 200 * US);
    struct replay r;

    ck_assert_int_eq(replay_init(&r, &params, &kick_and_disk), 0);
    for (unsigned i = 0; i < 2000; i++) {
        replay_wait(&r, &(struct wait_record){.wait_ns = 500 * US, .ready = 1});
        if (i > 300) {
            ck_assert_uint_lt(r.window_ns, US);
        }
        replay_wait(&r, &(struct wait_record){.wait_ns = 15 * US, .ready = 2, .in_flight = 2});
        ck_assert(i < 300 || r.window_ns >= 15 * US || r.window_ns == 0);
    }
    ck_assert_uint_ge(r.result.hits, 1900);
    replay_destroy(&r);
}
END_TEST

START_TEST(cost_never_spins_when_nothing_can_fire)
{
    struct poll_params params = params_of("cost", 200 * US);
    struct poll_policy p;
    struct poll_source disk;
    unsigned in_flight = 0;

    ck_assert_int_eq(poll_policy_init(&p, &params), 0);
    ck_assert_int_eq(poll_source_init(&disk, &p, &in_flight), 0);
    poll_source_join(&disk, &p);
    ck_assert_uint_eq(poll_policy_window(&p, 0), 0);
    in_flight = 1;
    ck_assert_uint_gt(poll_policy_window(&p, 0), 0);
    poll_source_destroy(&disk);
    poll_policy_destroy(&p);
}
END_TEST

/* Until W is measured, with looks of that price. */
START_TEST(cost_takes_the_price_of_a_look_off_its_guess)
{
    static const struct {
        unsigned look_ns;
        uint64_t window;
    } rows[] = {{0, 1 << 17}, {10 * US, 1 << 16}, {30 * US, 0}};
    struct poll_params params = params_of("cost", 1000 * US);
    struct poll_policy p;
    struct poll_source disk;
    unsigned in_flight = 1;

    params.wake_ns = 20 * US;
    ck_assert_int_eq(poll_policy_init(&p, &params), 0);
    ck_assert_int_eq(poll_source_init(&disk, &p, &in_flight), 0);
    disk.look_ns = rows[_i].look_ns;
    poll_source_join(&disk, &p);
    ck_assert_uint_eq(poll_policy_window(&p, 0), rows[_i].window);
    poll_source_destroy(&disk);
    poll_policy_destroy(&p);
}
END_TEST

START_TEST(cost_knows_which_of_two_disks_is_in_flight)
{
    struct waits disks = kick_and_disk;
    struct poll_params params = params_of("cost", 200 * US);
    struct replay r;
    unsigned long fast = 0;

    disks.nr_sources = 3;
    disks.sources[2].counted = true;
    ck_assert_int_eq(replay_init(&r, &params, &disks), 0);
    for (unsigned i = 0; i < 1000; i++) {
        replay_wait(&r, &(struct wait_record){.wait_ns = 900 * US, .ready = 4, .in_flight = 4});
        ck_assert(i < 300 || r.window_ns < US);
        replay_wait(&r, &(struct wait_record){.wait_ns = 15 * US, .ready = 2, .in_flight = 2});
        fast += r.window_ns >= 15 * US;
        replay_wait(&r, &(struct wait_record){.wait_ns = 15 * US, .ready = 2, .in_flight = 6});
        fast += r.window_ns >= 15 * US;
    }
    ck_assert_uint_ge(fast, 1900);
    replay_destroy(&r);
}
END_TEST

/* --- the cost of blocking --- */

START_TEST(the_cost_of_blocking_is_measured_while_polling)
{
    static const unsigned wakes[] = {3, 8, 30, 100};
    const uint64_t wake = wakes[_i] * US;
    struct poll_params params = params_of("cost", 200 * US);
    struct cost_wake k;
    uint64_t now = 0;

    srandom(4);
    cost_wake_init(&k, 30 * US);
    for (unsigned i = 0; i < 8000; i++) {
        uint64_t ns = (uint64_t)(19 * US + random() % (2 * US)), window = 100 * US;
        enum wake_probe probe = cost_wake_probe(&k, now, window, &params, &window);
        struct poll_wait w = {.start_ns = now, .end_ns = now + ns, .polled_ns = ns};

        if (probe == WAKE_PROBE_BLOCK) {
            w.outcome = POLL_BLOCKED;
            w.polled_ns = 0;
            w.end_ns += wake;
        }
        cost_wake_learn(&k, &w, probe);
        now = w.end_ns;
    }
    ck_assert(k.measured);
    ck_assert_uint_ge(k.wake_ns, wake * 3 / 4);
    ck_assert_uint_le(k.wake_ns, wake * 5 / 4);
}
END_TEST

START_TEST(the_cost_of_blocking_is_measured_while_blocking_too)
{
    /* Thought to cost 3 us, a wake-up at 50 us is better than to poll; at 30 us it is not. */
    struct poll_params params = params_of("cost", 200 * US);
    struct replay r;

    params.wake_ns = 3 * US;
    ck_assert_int_eq(replay_init(&r, &params, &one_source), 0);
    ck_assert_uint_eq(poll_policy_wake_ns(&r.policy), 0);
    for (unsigned i = 0; i < 20000; i++) {
        wait_for(&r, 50 * US);
    }
    ck_assert_uint_ge(r.result.hits, 18000);
    ck_assert_uint_ge(poll_policy_wake_ns(&r.policy), 30 * US * 3 / 4);
    ck_assert_uint_le(poll_policy_wake_ns(&r.policy), 30 * US * 5 / 4);
    replay_destroy(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("policy");
    TCase *all = tcase_create("all"), *old = tcase_create("old"), *cost = tcase_create("cost");

    tcase_add_test(all, policies_are_found_by_name);
    tcase_add_loop_test(all, a_cap_of_zero_means_never_poll, 0, 5);
    tcase_add_loop_test(all, no_window_is_over_the_cap, 0, 5);
    tcase_add_test(all, nothing_is_asked_without_a_source);
    tcase_add_loop_test(all, a_wait_off_cpu_teaches_nothing, 0, 5);
    tcase_add_loop_test(all, polling_stays_within_its_budget_in_any_100_ms, 0, 5);
    suite_add_tcase(s, all);

    tcase_add_test(old, block_never_polls_and_fixed_always_does);
    tcase_add_test(old, grow_shrink_grows_from_4_us_while_waits_fit);
    tcase_add_test(old, grow_shrink_obeys_its_factors_and_the_cap);
    tcase_add_test(old, weighted_jumps_to_the_first_interval_and_follows_the_mean);
    tcase_add_test(old, weighted_shrinks_only_for_a_mean_below_its_half);
    tcase_add_test(old, weighted_counts_a_mean_over_the_cap_as_none);
    tcase_add_test(old, weighted_does_not_count_the_wait_that_brings_a_source_back);
    suite_add_tcase(s, old);

    tcase_add_test(cost, histogram_buckets_are_a_fifth_wide_and_leave_no_gap);
    tcase_add_test(cost, histograms_that_share_a_clock_forget_in_step);
    tcase_add_test(cost, cost_without_data_uses_the_ski_rental_window);
    tcase_add_loop_test(cost, cost_polls_for_what_pays_and_blocks_for_what_does_not, 0, 8);
    tcase_add_test(cost, cost_blocks_for_what_is_over_the_cap);
    tcase_add_test(cost, cost_obeys_the_latency_weight);
    tcase_add_test(cost, cost_stops_polling_some_tens_of_events_after_it_stopped_paying);
    tcase_add_test(cost, cost_stops_polling_after_quick_waits_too);
    tcase_add_loop_test(cost, cost_starts_polling_some_tens_of_events_after_it_began_to_pay, 0, 2);
    tcase_add_test(cost, cost_does_not_oscillate_on_a_bimodal_pattern);
    tcase_add_loop_test(cost, cost_settles_on_one_side_of_the_boundary, 0, 5);
    tcase_add_test(cost, cost_does_not_spin_for_completions_when_nothing_is_in_flight);
    tcase_add_test(cost, cost_never_spins_when_nothing_can_fire);
    tcase_add_loop_test(cost, cost_takes_the_price_of_a_look_off_its_guess, 0, 3);
    tcase_add_test(cost, cost_knows_which_of_two_disks_is_in_flight);
    tcase_add_loop_test(cost, the_cost_of_blocking_is_measured_while_polling, 0, 4);
    tcase_add_test(cost, the_cost_of_blocking_is_measured_while_blocking_too);
    suite_add_tcase(s, cost);

    return suite_run(s);
}

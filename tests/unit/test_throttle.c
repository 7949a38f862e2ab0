// SPDX-License-Identifier: MIT
/* Arithmetic of limits, with a clock that the test moves. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "blk/throttle.h"
#include "tests/unit/suite.h"

#define SECOND 1000000000ull
#define SLICE  (SECOND / 10)
#define SLICES 100

/* A queue that always has requests. */
struct flood {
    struct throttle t;
    uint64_t now;
    uint64_t late_ns; /* each timer is late by up to so much */
    uint64_t bytes;   /* of a request */
    bool mixed;       /* every other request is a write */
    uint64_t taken[SLICES][2];
    uint64_t random;
};

static uint64_t random_below(struct flood *f, uint64_t n)
{
    f->random = f->random * 6364136223846793005ull + 1442695040888963407ull;
    return n ? (f->random >> 33) % n : 0;
}

static void begin(struct flood *f, const struct throttle_limits *limits, uint64_t bytes)
{
    struct error err = {""};

    ck_assert_msg(throttle_check(limits, &err) == 0, "%s", err.msg);
    *f = (struct flood){.now = 12345, .bytes = bytes, .random = 1};
    throttle_set(&f->t, limits, f->now);
}

/* Requests are taken as soon as they may be, for @slices of 100 ms. */
static void run(struct flood *f, unsigned slices)
{
    uint64_t begun = f->now, wait, n = 0;

    memset(f->taken, 0, sizeof(f->taken));
    while (f->now - begun < slices * SLICE) {
        throttle_advance(&f->t, f->now, true);
        wait = throttle_wait_ns(&f->t);
        if (wait) {
            f->now += wait + random_below(f, f->late_ns);
        } else {
            enum throttle_dir dir = f->mixed && n++ % 2 ? THROTTLE_WRITE : THROTTLE_READ;

            throttle_charge(&f->t, dir, 1, f->bytes);
            f->taken[(f->now - begun) / SLICE][dir]++;
        }
    }
}

static uint64_t sum(const struct flood *f, unsigned from, unsigned to)
{
    uint64_t n = 0;

    for (unsigned i = from; i < to; i++) {
        n += f->taken[i][0] + f->taken[i][1];
    }
    return n;
}

/* @rate: requests a second */
static void check_rate(struct flood *f, uint64_t rate)
{
    run(f, SLICES);
    ck_assert_uint_ge(sum(f, 0, SLICES) * 100, rate * 10 * 97);
    ck_assert_uint_le(sum(f, 0, SLICES) * 100, rate * 10 * 103);
    for (unsigned i = 0; i < SLICES; i++) {
        /* but for a part of a request */
        ck_assert_uint_ge((sum(f, i, i + 1) + 1) * 100, rate / 10 * 90);
        ck_assert_uint_le((sum(f, i, i + 1) - 1) * 100, rate / 10 * 110);
    }
}

static const struct {
    enum throttle_kind kind;
    uint64_t limit, bytes, requests; /* a second */
} rates[] = {
    {THROTTLE_IOPS, 100, 4096, 100},       {THROTTLE_IOPS, 1000, 4096, 1000},
    {THROTTLE_IOPS, 20000, 4096, 20000},   {THROTTLE_IOPS, 3000000, 512, 3000000},
    {THROTTLE_IOPS_RD, 1000, 4096, 1000},  {THROTTLE_BPS, 50000000, 4096, 12207},
    {THROTTLE_BPS, 50000000, 262144, 190}, {THROTTLE_BPS_RD, 1000000000, 65536, 15258},
};

START_TEST(a_limit_holds_over_10_s_and_in_each_100_ms)
{
    static const uint64_t late[] = {0, 1000000, 8000000};
    struct throttle_limits limits = {0};
    struct flood f;

    limits.rate[rates[_i].kind].avg = rates[_i].limit;
    for (unsigned i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
        begin(&f, &limits, rates[_i].bytes);
        f.late_ns = late[i];
        check_rate(&f, rates[_i].requests);
    }
}
END_TEST

START_TEST(one_request_of_a_second_is_possible)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = 1};
    struct flood f;

    begin(&f, &limits, 4096);
    run(&f, 95);
    ck_assert_uint_eq(sum(&f, 0, 95), 10);
}
END_TEST

/* What the limit allows and nobody uses is lost, but for 5 ms. */
START_TEST(an_idle_time_is_not_made_up_for)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = 1000};
    struct flood f;

    begin(&f, &limits, 4096);
    run(&f, 1);
    f.now += 100 * SECOND;
    throttle_advance(&f.t, f.now, false);
    run(&f, 1);
    ck_assert_uint_le(sum(&f, 0, 1), 110);
}
END_TEST

START_TEST(a_thread_that_was_stopped_gets_no_more_than_100_ms)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = 1000};
    struct flood f;

    begin(&f, &limits, 4096);
    run(&f, 1);
    f.now += 100 * SECOND;
    run(&f, 1);
    ck_assert_uint_ge(sum(&f, 0, 1), 180);
    ck_assert_uint_le(sum(&f, 0, 1), 210);
}
END_TEST

START_TEST(a_burst_lasts_as_long_as_it_says)
{
    struct throttle_limits limits = {
        .rate[THROTTLE_IOPS] = {.avg = 1000, .max = 5000, .max_length = 3}};
    struct flood f;

    begin(&f, &limits, 4096);
    for (unsigned round = 0; round < 2; round++) {
        run(&f, 100);
        for (unsigned i = 0; i < 30; i++) {
            ck_assert_uint_ge(sum(&f, i, i + 1), 450);
            ck_assert_uint_le(sum(&f, i, i + 1), 550);
        }
        for (unsigned i = 31; i < 100; i++) {
            ck_assert_uint_ge(sum(&f, i, i + 1), 90);
            ck_assert_uint_le(sum(&f, i, i + 1), 110);
        }
        f.now += 60 * SECOND; /* and is there again after the disk was idle */
        throttle_advance(&f.t, f.now, false);
    }
}
END_TEST

START_TEST(a_burst_of_the_same_rate_is_none)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS] = {.avg = 1000, .max = 1000}};
    struct flood f;

    begin(&f, &limits, 4096);
    check_rate(&f, 1000);
}
END_TEST

START_TEST(large_requests_count_as_several)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = 1000, .iops_size = 8192};
    struct flood f;

    begin(&f, &limits, 4096);
    check_rate(&f, 1000);
    begin(&f, &limits, 32768);
    check_rate(&f, 250);
}
END_TEST

START_TEST(the_strictest_limit_counts)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = 1000,
                                     .rate[THROTTLE_BPS].avg = 1 << 20};
    struct flood f;

    begin(&f, &limits, 512);
    check_rate(&f, 1000);
    begin(&f, &limits, 4096);
    check_rate(&f, 256);
}
END_TEST

START_TEST(writes_have_a_limit_of_their_own)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS_WR].avg = 500};
    struct flood f;
    uint64_t writes = 0;

    begin(&f, &limits, 4096);
    f.mixed = true;
    run(&f, SLICES);
    for (unsigned i = 0; i < SLICES; i++) {
        writes += f.taken[i][THROTTLE_WRITE];
    }
    ck_assert_uint_ge(writes, 4850);
    ck_assert_uint_le(writes, 5150);

    begin(&f, &limits, 4096); /* reads only: nothing waits */
    for (unsigned i = 0; i < 100000; i++) {
        throttle_advance(&f.t, f.now, false);
        ck_assert_uint_eq(throttle_wait_ns(&f.t), 0);
        throttle_charge(&f.t, THROTTLE_READ, 1, 4096);
    }
}
END_TEST

/* A wait under the old limit becomes the same wait under the new one, and no burst begins. */
START_TEST(limits_change_in_mid_flow)
{
    struct throttle_limits slow = {.rate[THROTTLE_IOPS].avg = 1000},
                           fast = {.rate[THROTTLE_IOPS].avg = 20000}, none = {0};
    struct flood f;

    begin(&f, &slow, 4096);
    check_rate(&f, 1000);
    throttle_set(&f.t, &fast, f.now);
    check_rate(&f, 20000);
    throttle_set(&f.t, &slow, f.now);
    check_rate(&f, 1000);
    throttle_charge(&f.t, THROTTLE_READ, 1, 4096);
    throttle_set(&f.t, &none, f.now);
    ck_assert_uint_eq(throttle_wait_ns(&f.t), 0);
    throttle_set(&f.t, &slow, f.now);
    check_rate(&f, 1000);
}
END_TEST

/* A thread reads the clock, and another one has advanced the levels meanwhile. */
START_TEST(time_that_goes_back_changes_nothing)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = 1000};
    struct flood f;
    uint64_t wait;

    begin(&f, &limits, 4096);
    run(&f, 10);
    throttle_charge(&f.t, THROTTLE_READ, 100, 0);
    throttle_advance(&f.t, f.now, true);
    wait = throttle_wait_ns(&f.t);
    throttle_advance(&f.t, f.now - 5000, true);
    ck_assert_uint_eq(throttle_wait_ns(&f.t), wait);
}
END_TEST

static const struct {
    struct throttle_limits limits;
    const char *message; /* a part; NULL: fine */
} checks[] = {
    {{.rate[THROTTLE_IOPS] = {1, 0, 0}}, NULL},
    {{.rate[THROTTLE_IOPS] = {1, 2, 3}}, NULL},
    {{.rate[THROTTLE_IOPS_RD] = {1, 0, 0}, .rate[THROTTLE_IOPS_WR] = {1, 0, 0}}, NULL},
    {{.rate[THROTTLE_IOPS] = {1, 0, 0}, .rate[THROTTLE_BPS_WR] = {1, 0, 0}}, NULL},
    {{.rate[THROTTLE_IOPS] = {2, 1, 0}}, "iops-max (1) is below iops (2)"},
    {{.rate[THROTTLE_BPS_RD] = {0, 5, 0}}, "bps-rd-max needs bps-rd"},
    {{.rate[THROTTLE_BPS_WR] = {1, 0, 2}}, "bps-wr-max-length needs bps-wr-max"},
    {{.rate[THROTTLE_IOPS] = {1, 2, 99999}}, "iops-max-length"},
    {{.rate[THROTTLE_BPS] = {UINT64_MAX, 0, 0}}, "bps: at most"},
    {{.rate[THROTTLE_IOPS] = {1, 0, 0}, .rate[THROTTLE_IOPS_RD] = {1, 0, 0}},
     "iops and iops-rd exclude each other"},
    {{.rate[THROTTLE_BPS] = {1, 0, 0}, .rate[THROTTLE_BPS_WR] = {1, 0, 0}},
     "bps and bps-wr exclude each other"},
    {{.rate[THROTTLE_BPS] = {1, 0, 0}, .iops_size = 4096}, "iops-size needs iops"},
};

START_TEST(limits_that_contradict_each_other_are_refused)
{
    struct error err = {""};
    int ret = throttle_check(&checks[_i].limits, &err);

    if (checks[_i].message) {
        ck_assert_int_eq(ret, -EINVAL);
        ck_assert_msg(strstr(err.msg, checks[_i].message), "%s", err.msg);
    } else {
        ck_assert_msg(ret == 0, "%s", err.msg);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("throttle");
    TCase *tc = tcase_create("throttle");

    tcase_add_loop_test(tc, a_limit_holds_over_10_s_and_in_each_100_ms, 0,
                        sizeof(rates) / sizeof(rates[0]));
    tcase_add_test(tc, one_request_of_a_second_is_possible);
    tcase_add_test(tc, an_idle_time_is_not_made_up_for);
    tcase_add_test(tc, a_thread_that_was_stopped_gets_no_more_than_100_ms);
    tcase_add_test(tc, a_burst_lasts_as_long_as_it_says);
    tcase_add_test(tc, a_burst_of_the_same_rate_is_none);
    tcase_add_test(tc, large_requests_count_as_several);
    tcase_add_test(tc, the_strictest_limit_counts);
    tcase_add_test(tc, writes_have_a_limit_of_their_own);
    tcase_add_test(tc, limits_change_in_mid_flow);
    tcase_add_test(tc, time_that_goes_back_changes_nothing);
    tcase_add_loop_test(tc, limits_that_contradict_each_other_are_refused, 0,
                        sizeof(checks) / sizeof(checks[0]));
    suite_add_tcase(s, tc);
    return suite_run(s);
}

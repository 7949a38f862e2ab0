// SPDX-License-Identifier: MIT
/* Files of waits: the format, the replay, and bounds for the regret of each policy. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aio/waits/replay.h"
#include "loop-fixture.h"
#include "tests/unit/suite.h"

#define US 1000

#define HEAD "pollux-waits 1\nwake-ns 30000\nwake-cpu-ns 5000\nbusy-ns 2000\n"

static int read_text(const char *text, struct waits *t, struct error *err)
{
    FILE *in = fmemopen((void *)text, strlen(text), "r");
    int r;

    ck_assert_ptr_nonnull(in);
    r = waits_read(in, "test", t, err);
    fclose(in);
    return r;
}

/* --- the format --- */

START_TEST(a_file_of_waits_is_read_as_written)
{
    static const struct wait_record records[] = {
        {.busy_ns = 2000, .wait_ns = 123, .ready = 1},
        {.busy_ns = 7,
         .wait_ns = 90000,
         .polled_ns = 4000,
         .ready = 3,
         .in_flight = 2,
         .blocked = true},
        {.busy_ns = 2000, .wait_ns = 5, .ready = 0, .off_cpu = true},
    };
    struct waits t, header = {.wake_ns = 30000,
                              .wake_cpu_ns = 5000,
                              .busy_ns = 2000,
                              .nr_sources = 2,
                              .sources = {{.name = "kick"}, {.name = "disk", .counted = true}}};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    struct error err;

    ck_assert_int_eq(waits_write_header(out, &header), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(waits_write(out, &header, &records[i]), 0);
    }
    fclose(out);
    ck_assert_int_eq(read_text(text, &t, &err), 0);
    ck_assert_uint_eq(t.wake_ns, 30000);
    ck_assert_uint_eq(t.wake_cpu_ns, 5000);
    ck_assert_uint_eq(t.nr_sources, 2);
    ck_assert_str_eq(t.sources[1].name, "disk");
    ck_assert(t.sources[1].counted && !t.sources[0].counted);
    ck_assert_uint_eq(t.nr_waits, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct wait_record *a = &records[i], *b = &t.waits[i];

        ck_assert(a->busy_ns == b->busy_ns && a->wait_ns == b->wait_ns &&
                  a->polled_ns == b->polled_ns && a->ready == b->ready &&
                  a->in_flight == b->in_flight && a->blocked == b->blocked &&
                  a->off_cpu == b->off_cpu);
    }
    waits_free(&t);
    free(text);
}
END_TEST

START_TEST(a_file_that_is_not_of_waits_is_refused_with_the_line)
{
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"\n", "test:1:"},
        {"pollux-waits 2\n", "test:1:"},
        {HEAD "5\n", "test:5:"}, /* no source */
        {HEAD "wake-ns -1\n", "test:5:"},
        {HEAD "source kick nonsense\n", "test:5:"},
        {HEAD "color red\nsource kick\n", "test:5:"},
        {HEAD "source kick\n5\nx\n", "test:7:"},
        {HEAD "source kick\n-5\n", "test:6:"},
        {HEAD "source kick\n5 f2\n", "test:6:"}, /* there is no source 1 */
        {HEAD "source kick\n5 p6\n", "test:6:"}, /* polled longer than it waited */
        {HEAD "source kick\n5 xx\n", "test:6:"},
        {HEAD "source kick\n99999999999999999999\n", "test:6:"},
    };
    struct waits t;
    struct error err;

    ck_assert_int_eq(read_text(cases[_i].text, &t, &err), -EINVAL);
    ck_assert_msg(strstr(err.msg, cases[_i].where) == err.msg, "%s", err.msg);
    ck_assert_ptr_null(t.waits);
}
END_TEST

/* --- the replay --- */

START_TEST(a_read_error_is_not_the_end_of_a_file)
{
    struct waits t;
    struct error err = {""};
    FILE *in = fopen("/", "r"); /* read() says EISDIR */

    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(waits_read(in, "waits", &t, &err), -EIO);
    ck_assert_str_eq(err.msg, "waits: cannot read");
    fclose(in);
}
END_TEST

START_TEST(replay_counts_what_the_model_says)
{
    static const struct {
        const char *policy;
        uint64_t hits, misses, blocks, polled, latency, cpu, cost;
    } cases[] = {
        /* Waits of 10, 40 and 500 us; W 30 us, w 5, cap 50 us. */
        {"block", 0, 0, 3, 0, 90 * US, 15 * US, 450 * US},
        {"fixed", 2, 1, 1, 100 * US, 30 * US, 105 * US, 250 * US},
    };
    struct replay_result out;
    struct poll_params params;
    struct waits t;
    struct error err;

    ck_assert_int_eq(read_text(HEAD "source kick\n10000\n40000\n500000\n", &t, &err), 0);
    poll_params_default(&params);
    params.policy = policy_named(cases[_i].policy);
    params.max_ns = 50 * US;
    params.latency_weight = 5;
    ck_assert_int_eq(replay_run(&params, &t, &out), 0);
    ck_assert_uint_eq(out.waits, 3);
    ck_assert_uint_eq(out.hits, cases[_i].hits);
    ck_assert_uint_eq(out.misses, cases[_i].misses);
    ck_assert_uint_eq(out.blocks, cases[_i].blocks);
    ck_assert_uint_eq(out.polled_ns, cases[_i].polled);
    ck_assert_uint_eq(out.latency_ns, cases[_i].latency);
    ck_assert_uint_eq(out.cpu_ns, cases[_i].cpu);
    ck_assert_uint_eq(out.cost, cases[_i].cost);
    ck_assert_uint_eq(out.best_cost, 200 * US);
    ck_assert_double_eq(replay_regret(&out), (double)cases[_i].cost / (200 * US));
    waits_free(&t);
}
END_TEST

START_TEST(a_recorded_wake_up_is_taken_off_a_wait)
{
    struct replay_result out;
    struct poll_params params;
    struct waits t;
    struct error err;

    /* Blocked for: came after 70; not before polling ended at 20; preempted: not counted. */
    ck_assert_int_eq(read_text(HEAD "source kick\n100000 p0\n40000 p20000\n9000 x\n", &t, &err), 0);
    poll_params_default(&params);
    params.policy = policy_named("fixed");
    params.max_ns = 200 * US;
    ck_assert_int_eq(replay_run(&params, &t, &out), 0);
    ck_assert_uint_eq(out.hits, 2);
    ck_assert_uint_eq(out.polled_ns, 90 * US);
    waits_free(&t);
}
END_TEST

/* --- regret --- */

/* In the order of poll_policy_at(). What was measured, and a twentieth. */
static const struct {
    const char *name;
    double most[5];
} bounds[] = {
    /*                       block, fixed, grow-shrink, weighted, cost */
    {"against-block", {220.44, 1.05, 1.20, 1.20, 1.05}},
    {"against-cost", {2.08, 2.03, 1.11, 1.18, 1.11}},
    {"against-fixed", {1.09, 2.12, 1.09, 1.09, 1.09}},
    {"against-grow-shrink", {3.74, 1.50, 4.33, 1.80, 1.42}},
    {"against-weighted", {5.52, 1.05, 1.07, 1.62, 1.05}},
    {"bimodal-rare", {6.47, 1.80, 2.93, 1.72, 1.13}},
    {"bimodal", {2.05, 2.02, 1.94, 1.57, 1.11}},
    {"bursty", {20.82, 1.69, 2.43, 1.42, 1.15}},
    {"depth1-disk", {8.83, 1.05, 1.09, 1.92, 1.09}},
    {"depth1-memory", {16.35, 1.05, 1.09, 1.06, 1.11}},
    {"depth1-slow-disk", {2.08, 2.04, 1.08, 1.47, 1.09}},
    {"diurnal", {2.20, 1.80, 1.08, 1.11, 1.16}},
    {"exponential-210us", {1.68, 1.66, 1.68, 1.66, 1.67}},
    {"exponential-30us", {7.12, 1.06, 1.15, 2.30, 1.06}},
    {"exponential-600us", {1.23, 1.91, 1.24, 1.49, 1.24}},
    {"fast-wake", {1.05, 1.50, 1.50, 1.50, 1.09}},
    {"on-off", {2.88, 1.97, 1.08, 1.13, 1.16}},
    {"pareto", {12.82, 1.29, 2.27, 2.33, 1.31}},
    {"racing", {4.77, 1.25, 1.67, 1.57, 1.28}},
    {"recorded-20us-busy-host", {2.77, 1.31, 1.77, 1.68, 1.40}},
    {"recorded-90us-busy-host", {1.68, 1.51, 1.78, 1.21, 1.36}},
    {"shift-faster", {1.92, 1.97, 1.06, 1.06, 1.07}},
    {"shift-slower", {1.92, 1.97, 1.06, 1.06, 1.07}},
    {"slow-wake", {12.25, 1.05, 1.09, 1.06, 1.11}},
    {"steady-1000us", {1.05, 2.05, 1.05, 1.05, 1.06}},
    {"steady-200us", {1.11, 1.58, 1.11, 1.11, 1.11}},
    {"steady-20us", {11.04, 1.05, 1.08, 1.06, 1.08}},
    {"steady-45us", {4.90, 1.05, 1.07, 1.06, 1.07}},
    {"steady-5us", {44.17, 1.05, 1.11, 1.08, 1.11}},
    {"steady-80us", {2.76, 1.05, 1.06, 1.06, 1.06}},
};
#define NR_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

static double regret(const char *name, const struct poll_policy_ops *ops)
{
    struct poll_params params;
    struct replay_result out;
    struct waits t;
    struct error err;
    char path[256];
    FILE *in;

    snprintf(path, sizeof(path), "build/waits/%s.waits", name);
    in = fopen(path, "r");
    ck_assert_msg(in != NULL,
                  "cannot open %s (made by `make waits`; run from the root of the tree)", path);
    ck_assert_msg(waits_read(in, path, &t, &err) == 0, "%s", err.msg);
    fclose(in);
    poll_params_default(&params);
    params.policy = ops;
    params.max_ns = 200 * US;
    ck_assert_int_eq(replay_run(&params, &t, &out), 0);
    waits_free(&t);
    return replay_regret(&out);
}

START_TEST(no_policy_regrets_more_than_its_bound)
{
    const struct poll_policy_ops *ops;

    for (unsigned i = 0; (ops = poll_policy_at(i)); i++) {
        double r = regret(bounds[_i].name, ops);

        ck_assert_msg(r >= 1, "%s on %s: %.3f is below the best", ops->name, bounds[_i].name, r);
        ck_assert_msg(r <= bounds[_i].most[i], "%s on %s: %.3f", ops->name, bounds[_i].name, r);
    }
}
END_TEST

START_TEST(cost_regrets_at_most_a_quarter_in_the_mean_and_twice_at_worst)
{
    double sum = 0;

    for (unsigned i = 0; i < NR_BOUNDS; i++) {
        double r = regret(bounds[i].name, &poll_policy_cost);

        ck_assert_msg(r <= 2, "%s: %.3f", bounds[i].name, r);
        sum += r;
    }
    ck_assert_double_le(sum / NR_BOUNDS, 1.25);
}
END_TEST

START_TEST(every_file_of_waits_has_a_bound)
{
    DIR *dir = opendir("build/waits");
    struct dirent *e;
    unsigned seen = 0;

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir))) {
        char *dot = strstr(e->d_name, ".waits");
        unsigned i = 0;

        if (!dot) {
            continue;
        }
        *dot = '\0';
        while (i < NR_BOUNDS && strcmp(bounds[i].name, e->d_name)) {
            i++;
        }
        ck_assert_msg(i < NR_BOUNDS, "%s has no bound", e->d_name);
        seen++;
    }
    closedir(dir);
    ck_assert_uint_eq(seen, NR_BOUNDS);
}
END_TEST

static void wait_beyond_the_window(struct replay *r)
{
    uint64_t window = poll_policy_window(&r->policy, r->now + 2 * US);

    replay_wait(r,
                &(struct wait_record){.busy_ns = 2 * US, .wait_ns = window + 5 * US, .ready = 1});
}

/* As on a host where the loop spins on the CPU that the other side needs. */
START_TEST(cost_gives_up_when_events_wait_for_it_to_block)
{
    struct waits t = {.wake_ns = 30 * US, .nr_sources = 1};
    struct poll_params params;
    struct replay r;
    unsigned i = 0;

    poll_params_default(&params);
    params.policy = &poll_policy_cost;
    params.max_ns = 200 * US;
    ck_assert_int_eq(replay_init(&r, &params, &t), 0);
    for (; i < 10000; i++) {
        wait_beyond_the_window(&r);
    }
    /* Not more than a tenth above never polling at all. */
    ck_assert_uint_le(r.result.cost,
                      r.result.waits * 30 * US * POLL_LATENCY_WEIGHT_DEFAULT * 11 / 10);

    /* And it tries again. */
    for (i = 0; i < 1200; i++) {
        replay_wait(&r, &(struct wait_record){.busy_ns = 2 * US, .wait_ns = 20 * US, .ready = 1});
    }
    ck_assert_uint_ge(r.window_ns, 20 * US);
    replay_destroy(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replay");
    TCase *format = tcase_create("format"), *replay = tcase_create("replay");
    TCase *regrets = tcase_create("regret");

    tcase_add_test(format, a_file_of_waits_is_read_as_written);
    tcase_add_loop_test(format, a_file_that_is_not_of_waits_is_refused_with_the_line, 0, 12);
    suite_add_tcase(s, format);
    tcase_add_test(replay, a_read_error_is_not_the_end_of_a_file);
    tcase_add_loop_test(replay, replay_counts_what_the_model_says, 0, 2);
    tcase_add_test(replay, a_recorded_wake_up_is_taken_off_a_wait);
    suite_add_tcase(s, replay);
    tcase_add_loop_test(regrets, no_policy_regrets_more_than_its_bound, 0, NR_BOUNDS);
    tcase_add_test(regrets, cost_regrets_at_most_a_quarter_in_the_mean_and_twice_at_worst);
    tcase_add_test(regrets, every_file_of_waits_has_a_bound);
    tcase_add_test(regrets, cost_gives_up_when_events_wait_for_it_to_block);
    suite_add_tcase(s, regrets);

    return suite_run(s);
}

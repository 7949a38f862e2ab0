// SPDX-License-Identifier: MIT
/* pollux bench on real machines: what it reports is what docs/bench-json.md says. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench-json.h"
#include "bench/bench-options.h"
#include "bench/plan.h"
#include "bench/qemu-version.h"
#include "tests/vm/guest.h"

#define DOCUMENT "docs/bench-json.md"
#define KEYS_MAX 64

/* The keys that a section of the document lists. */
struct keys {
    unsigned n;
    struct {
        char name[64];
        bool maybe;
    } key[KEYS_MAX];
};

static void read_section(const char *section, struct keys *keys)
{
    FILE *f = fopen(DOCUMENT, "r");
    char line[512];
    bool inside = false;

    ck_assert_msg(f, "run it where " DOCUMENT " is");
    keys->n = 0;
    while (fgets(line, sizeof(line), f)) {
        char maybe[16] = "";

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            inside = !strncmp(line, "## ", 3) && !strcmp(line + 3, section);
        } else if (inside &&
                   sscanf(line, "| `%63[^`]` | %15[a-z]", keys->key[keys->n].name, maybe) >= 1) {
            keys->key[keys->n++].maybe = !strcmp(maybe, "maybe");
            ck_assert_uint_lt(keys->n, KEYS_MAX);
        }
    }
    fclose(f);
    ck_assert_uint_gt(keys->n, 0);
}

/* @object has what the section lists, and nothing else. */
static void expect_section(json_t *object, const char *section)
{
    struct keys keys;
    const char *name;
    json_t *value;

    ck_assert_msg(json_is_object(object), "no object for %s", section);
    read_section(section, &keys);
    for (unsigned i = 0; i < keys.n; i++) {
        ck_assert_msg(keys.key[i].maybe || json_object_get(object, keys.key[i].name),
                      "%s: '%s' is documented and missing", section, keys.key[i].name);
    }
    json_object_foreach(object, name, value)
    {
        bool found = false;

        for (unsigned i = 0; i < keys.n; i++) {
            found |= !strcmp(keys.key[i].name, name);
        }
        ck_assert_msg(found, "%s: '%s' is not documented", section, name);
    }
}

static struct bench_config config;
static struct bench_plan *plan;
static struct error err;

/* Runs all that is asked for and returns the JSON. */
static json_t *run(int argc, char **argv)
{
    char *storage = NULL;
    json_t *root;

    plan = calloc(1, sizeof(*plan));
    bench_config_init(&config);
    ck_assert_msg(options_parse(bench_options, &config, argc, argv, &storage, &err) == 0, "%s",
                  err.msg);
    ck_assert_msg(bench_plan_init(plan, &config, &err) == 0, "%s", err.msg);
    for (unsigned g = 0; g < plan->nr_groups; g++) {
        for (unsigned v = 0; v < plan->nr_variants; v++) {
            for (unsigned i = 0; bench_cell_exists(plan, g, v) && i < plan->nr_runs; i++) {
                int ret =
                    plan->variants[v].runner->run(&config, &plan->groups[g], &plan->variants[v], i,
                                                  -1, NULL, bench_result_at(plan, g, v, i), &err);

                ck_assert_msg(ret == 0, "%s", err.msg);
            }
        }
        plan->done[g] = plan->nr_runs;
    }
    root = bench_json(plan);
    bench_plan_destroy(plan);
    free(plan);
    free(storage);
    return root;
}

#define RUN(...)                                                                                   \
    run((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

static double figure(const json_t *run, const char *name)
{
    json_t *value = json_object_get(run, name);

    ck_assert_msg(json_is_number(value), "no figure '%s'", name);
    return json_number_value(value);
}

START_TEST(json_is_as_documented)
{
    json_t *root = RUN("--engine", "null", "--depth", "2", "--policy", "block,cost", "--runs", "2",
                       "--time", "50ms", "--rw", "write", "--fsync", "16");
    json_t *cells = json_object_get(root, "cells"), *cell, *runs, *one;
    size_t i, k;

    expect_section(root, "Object");
    expect_section(json_object_get(root, "host"), "Host");
    expect_section(json_object_get(root, "workload"), "Workload");
    ck_assert_uint_eq(json_array_size(cells), 2);
    json_array_foreach(cells, i, cell)
    {
        expect_section(cell, "Cell");
        runs = json_object_get(cell, "runs");
        ck_assert_uint_eq(json_array_size(runs), 2);
        json_array_foreach(runs, k, one)
        {
            expect_section(one, "Run");
        }
    }
    json_decref(root);
}
END_TEST

/* Figures that follow from each other do. */
START_TEST(figures_agree_with_each_other)
{
    static const char *const rising[] = {
        "lat_p1_ns",     "lat_p10_ns",    "lat_p25_ns", "lat_p50_ns",   "lat_p75_ns",
        "lat_p90_ns",    "lat_p95_ns",    "lat_p99_ns", "lat_p99.5_ns", "lat_p99.9_ns",
        "lat_p99.95_ns", "lat_p99.99_ns", "lat_max_ns", NULL,
    };
    json_t *root = RUN("--engine", "null", "--depth", "4", "--bs", "64k", "--policy", "block",
                       "--runs", "1", "--time", "500ms", "--disks", "2", "--queues", "2");
    json_t *cell = json_array_get(json_object_get(root, "cells"), 0);
    json_t *one = json_array_get(json_object_get(cell, "runs"), 0);

    for (unsigned i = 0; rising[i + 1]; i++) {
        ck_assert_double_le(figure(one, rising[i]), figure(one, rising[i + 1]));
    }
    ck_assert_double_gt(figure(one, "lat_p1_ns"), 0);
    ck_assert_double_eq_tol(figure(one, "mb_per_s"), figure(one, "iops") * 65536 / 1e6, 1e-3);
    ck_assert_double_eq_tol(figure(one, "iothread_cpu_ns_per_request") * figure(one, "iops") / 1e9,
                            figure(one, "iothread_cpu_s_per_s"),
                            0.1 * figure(one, "iothread_cpu_s_per_s"));
    ck_assert_double_gt(figure(one, "vcpu_cpu_ns_per_request"), 0);
    ck_assert_double_gt(figure(one, "kicks_per_request"), 0); /* it blocks */
    ck_assert_double_eq(figure(one, "poll_hits_per_request"), 0);
    ck_assert_double_eq(figure(one, "interrupts_per_request"), 0); /* the guest polls */
    /* Little's law, of four queues. */
    ck_assert_double_le(figure(one, "iops") * figure(one, "lat_mean_ns") / 1e9, 16.01);
    json_decref(root);
}
END_TEST

/* On a host with one CPU trials would choose blocking. */
START_TEST(polling_shows_as_hits_and_saves_the_kicks)
{
    json_t *root = RUN("--engine", "null", "--depth", "1", "--policy", "fixed", "--poll-max-ns",
                       "1s", "--poll-contention", "off", "--runs", "1", "--time", "50ms");
    json_t *cell = json_array_get(json_object_get(root, "cells"), 0);
    json_t *one = json_array_get(json_object_get(cell, "runs"), 0);

    ck_assert_double_gt(figure(one, "poll_hits_per_request"), 0);
    /* The stages make up the whole. */
    ck_assert_double_gt(figure(one, "stage_submitted_to_completed_ns"), 0);
    ck_assert_double_eq_tol(figure(one, "stage_guest_ns") +
                                figure(one, "stage_seen_to_submitted_ns") +
                                figure(one, "stage_submitted_to_completed_ns") +
                                figure(one, "stage_completed_to_used_ns"),
                            figure(one, "lat_mean_ns"), figure(one, "lat_mean_ns"));
    ck_assert_double_lt(figure(one, "kicks_per_request"), 0.5);
    json_decref(root);
}
END_TEST

/* The cell that @runner ran. */
static json_t *cell_of(json_t *root, const char *runner)
{
    json_t *cell;
    size_t i;

    json_array_foreach(json_object_get(root, "cells"), i, cell)
    {
        if (!strcmp(json_string_value(json_object_get(cell, "runner")), runner)) {
            return cell;
        }
    }
    ck_abort_msg("no cell of %s", runner);
    return NULL;
}

/* The first run of a cell that made no use of an unknown: it has all that is documented. */
static json_t *first_run(json_t *cell)
{
    json_t *one = json_array_get(json_object_get(cell, "runs"), 0);

    expect_section(cell, "Cell");
    expect_section(one, "Run");
    return one;
}

/* A ratio is of the two figures of the turn. */
static void expect_ratio(json_t *ours, json_t *against, json_t *theirs, const char *name)
{
    double a = figure(first_run(ours), name), b = figure(first_run(theirs), name);
    json_t *ratio = json_object_get(against, name);

    ck_assert_double_eq_tol(figure(ratio, "median"), a / b, 1e-6 * a / b);
    ck_assert_double_eq(figure(ratio, "low"), figure(ratio, "median"));
    ck_assert_double_eq(figure(ratio, "high"), figure(ratio, "median"));
}

static bool have_qemu(void)
{
    const struct bench_config with = {.against = "qemu"};
    struct bench_qemu qemu;

    if (bench_qemu_probe(&with, &qemu, &err) < 0) {
        printf("skip: %s\n", err.msg);
        return false;
    }
    return true;
}

START_TEST(qemu_runs_the_same_guest_and_is_compared)
{
    json_t *root, *ours, *theirs, *against;

    if (!have_qemu()) {
        return;
    }
    root = RUN("--against", "qemu", "--engine", "null", "--depth", "2", "--bs", "512", "--policy",
               "block", "--runs", "1", "--time", "50ms");
    expect_section(root, "Object");
    ck_assert(json_object_get(root, "qemu") != NULL);
    ours = cell_of(root, "pollux");
    theirs = cell_of(root, "qemu");
    ck_assert_double_gt(figure(first_run(theirs), "iops"), 0);
    ck_assert_double_gt(figure(first_run(theirs), "kicks_per_request"), 0); /* it blocks */
    ck_assert_double_gt(figure(first_run(theirs), "iothread_cpu_ns_per_request"), 0);
    ck_assert_double_gt(figure(first_run(theirs), "vcpu_cpu_ns_per_request"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(ours, "against")), 1);
    against = json_array_get(json_object_get(ours, "against"), 0);
    expect_section(against, "Against");
    expect_ratio(ours, against, theirs, "iops");
    expect_ratio(ours, against, theirs, "lat_mean_ns");
    expect_ratio(ours, against, theirs, "iothread_cpu_ns_per_request");
    json_decref(root);
}
END_TEST

START_TEST(qemu_is_given_each_cap_once_and_polls_with_it)
{
    json_t *root, *cell;
    unsigned theirs = 0;
    size_t i;

    if (!have_qemu()) {
        return;
    }
    root = RUN("--against", "qemu", "--engine", "null", "--depth", "1", "--policy",
               "fixed,grow-shrink", "--poll-max-ns", "1s", "--runs", "1", "--time", "50ms");
    json_array_foreach(json_object_get(root, "cells"), i, cell)
    {
        theirs += !strcmp(json_string_value(json_object_get(cell, "runner")), "qemu");
    }
    ck_assert_uint_eq(theirs, 1);
    cell = cell_of(root, "qemu");
    ck_assert_int_eq(json_integer_value(json_object_get(cell, "poll_max_ns")), 1000000000);
    ck_assert_double_gt(figure(first_run(cell), "iothread_cpu_s_per_s"), 0);
    json_decref(root);
}
END_TEST

START_TEST(the_greatest_depth_has_its_place_in_the_rings)
{
    json_t *root = RUN("--engine", "null", "--depth", "128", "--policy", "cost", "--ring",
                       "split,packed", "--runs", "1", "--time", "50ms");

    ck_assert_uint_eq(json_array_size(json_object_get(root, "cells")), 2);
    for (unsigned i = 0; i < 2; i++) {
        json_t *cell = json_array_get(json_object_get(root, "cells"), i);

        ck_assert_double_gt(figure(first_run(cell), "iops"), 0);
    }
    json_decref(root);
}
END_TEST

/* The guest checks that each request was completed once and with success. */
START_TEST(the_spin_device_serves_every_engine_it_claims)
{
    static const char *const engines[] = {"null", "linux-aio", "io_uring", "mmap"};
    json_t *root = RUN("--host", "--engine", (char *)engines[_i], "--size", "1M", "--file",
                       "/dev/shm", "--depth", "4", "--policy", "cost", "--rw", "mixed:50", "--runs",
                       "1", "--time", "50ms");

    expect_section(root, "Object");
    expect_section(json_object_get(root, "host_alone"), "Host alone");
    ck_assert_double_gt(figure(first_run(cell_of(root, "spin")), "iops"), 0);
    ck_assert_double_eq(figure(first_run(cell_of(root, "spin")), "kicks_per_request"), 0);
    json_decref(root);
}
END_TEST

START_TEST(a_program_on_the_host_reads_the_same_file)
{
    json_t *root = RUN("--host", "--engine", "io_uring", "--size", "1M", "--file", "/dev/shm",
                       "--depth", "1", "--policy", "cost", "--runs", "1", "--time", "50ms");
    json_t *one = first_run(cell_of(root, "pread"));

    ck_assert_double_eq_tol(figure(one, "mb_per_s"), figure(one, "iops") * 4096 / 1e6, 1e-3);
    ck_assert_double_le(figure(one, "iops") * figure(one, "lat_mean_ns") / 1e9, 1.1);
    if (json_is_null(json_object_get(json_object_get(root, "host_alone"), "fio"))) {
        printf("skip: fio is not installed\n");
    } else {
        ck_assert_double_gt(figure(first_run(cell_of(root, "fio")), "iops"), 0);
        ck_assert_double_gt(figure(first_run(cell_of(root, "fio")), "lat_p50_ns"), 0);
    }
    json_decref(root);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bench");
    TCase *t = tcase_create("bench");

    tcase_add_test(t, json_is_as_documented);
    tcase_add_test(t, figures_agree_with_each_other);
    tcase_add_test(t, polling_shows_as_hits_and_saves_the_kicks);
    tcase_add_test(t, qemu_runs_the_same_guest_and_is_compared);
    tcase_add_test(t, qemu_is_given_each_cap_once_and_polls_with_it);
    tcase_add_test(t, the_greatest_depth_has_its_place_in_the_rings);
    tcase_add_loop_test(t, the_spin_device_serves_every_engine_it_claims, 0, 4);
    tcase_add_test(t, a_program_on_the_host_reads_the_same_file);
    suite_add_tcase(s, t);
    return guest_main(s);
}

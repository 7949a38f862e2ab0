// SPDX-License-Identifier: MIT
/* pollux bench on real machines: what it reports is what docs/bench-json.md says. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
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
            for (unsigned i = 0; i < plan->nr_runs; i++) {
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
                       "--runs", "1", "--time", "50ms", "--disks", "2", "--queues", "2");
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

START_TEST(polling_shows_as_hits_and_saves_the_kicks)
{
    json_t *root = RUN("--engine", "null", "--depth", "1", "--policy", "fixed", "--poll-max-ns",
                       "1s", "--runs", "1", "--time", "50ms");
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

int main(void)
{
    Suite *s = suite_create("bench");
    TCase *t = tcase_create("bench");

    tcase_add_test(t, json_is_as_documented);
    tcase_add_test(t, figures_agree_with_each_other);
    tcase_add_test(t, polling_shows_as_hits_and_saves_the_kicks);
    suite_add_tcase(s, t);
    return guest_main(s);
}

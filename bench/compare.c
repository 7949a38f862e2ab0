// SPDX-License-Identifier: MIT
/*
 * pollux bench --compare: differences between two results in JSON.
 *
 * A ratio is that of the medians of the runs. Its interval is a bootstrap: the runs of both sides
 * are resampled many times, with replacement, and 95 % of the resulting ratios lie in the interval.
 * The generator has a fixed seed, so the output is the same each time.
 */
#include "bench/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench-json.h"
#include "bench/bench-options.h"
#include "bench/workload.h"
#include "cli/median.h"

#define DRAWS      2000
#define TAIL       (DRAWS / 40) /* 2.5 % */
#define RUNS_MIN   3            /* to tell a difference from noise */
#define NAME_WIDTH 18

struct side {
    const char *path;
    json_t *root, *cells;
};

/* --- cells in JSON --- */

/* A cell is a workload and a variant; NULL ends a list of keys. */
static const char *const cell_workload_keys[] = {"disk", "engine", "bs", "depth", "pause", NULL};
static const char *const cell_variant_keys[] = {"runner",        "policy", "poll_max_ns",
                                                "idle_handlers", "ring",   NULL};

/* Do two cells agree in all of @keys? */
static bool cell_same(const json_t *a, const json_t *b, const char *const *keys)
{
    for (; *keys; keys++) {
        if (!json_equal(json_object_get(a, *keys), json_object_get(b, *keys))) {
            return false;
        }
    }
    return true;
}

/* "" or 0 where there is none. */
static const char *cell_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static json_int_t cell_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* A figure of each run in which it is more than 0. Return: how many. */
static unsigned cell_runs(const json_t *cell, const char *figure, double *v)
{
    const json_t *runs = json_object_get(cell, "runs");
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(runs) && n < BENCH_RUNS_MAX; i++) {
        v[n] = json_number_value(json_object_get(json_array_get(runs, i), figure));
        n += v[n] > 0;
    }
    return n;
}

/* --- numbers --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double drawn_median(const double *v, unsigned n, uint64_t *state)
{
    double draw[BENCH_RUNS_MAX];

    for (unsigned i = 0; i < n; i++) {
        draw[i] = v[(next_random(state) >> 32) * n >> 32];
    }
    return median(draw, n);
}

void bench_ratio(const double *a, unsigned na, const double *b, unsigned nb,
                 struct bench_ratio *out)
{
    double copy[BENCH_RUNS_MAX], ratios[DRAWS], below;
    uint64_t state = 88172645463325252u;

    memcpy(copy, a, na * sizeof(*a));
    below = median(copy, na);
    memcpy(copy, b, nb * sizeof(*b));
    out->ratio = median(copy, nb) / below;
    for (unsigned i = 0; i < DRAWS; i++) {
        below = drawn_median(a, na, &state);
        ratios[i] = drawn_median(b, nb, &state) / below;
    }
    median(ratios, DRAWS); /* sorts */
    out->low = ratios[TAIL];
    out->high = ratios[DRAWS - 1 - TAIL];
    out->differs = na >= RUNS_MIN && nb >= RUNS_MIN && (out->low > 1 || out->high < 1);
}

/* --- two files --- */

static int load(struct side *s, const char *path, struct error *err)
{
    json_error_t why;
    json_int_t format;

    s->path = path;
    s->root = json_load_file(path, 0, &why);
    if (!s->root) {
        return why.line > 0 ? error_set(err, -EINVAL, "%s:%d: %s", path, why.line, why.text)
                            : error_set(err, -EINVAL, "%s", why.text); /* names the file */
    }
    format = json_integer_value(json_object_get(s->root, "format"));
    s->cells = json_object_get(s->root, "cells");
    if (!json_is_array(s->cells)) {
        return error_set(err, -EINVAL, "%s is not what pollux bench --json writes", path);
    }
    if (format != BENCH_JSON_FORMAT) {
        return error_set(err, -EINVAL, "%s has format %" PRId64 ", not %d: measure it again", path,
                         (int64_t)format, BENCH_JSON_FORMAT);
    }
    return 0;
}

static json_t *find_cell(const struct side *s, const json_t *like)
{
    size_t i;
    json_t *cell;

    json_array_foreach(s->cells, i, cell)
    {
        if (cell_same(cell, like, cell_workload_keys) && cell_same(cell, like, cell_variant_keys)) {
            return cell;
        }
    }
    return NULL;
}

/* --- for people --- */

static void print_side(char letter, const struct side *s, FILE *out)
{
    const json_t *host = json_object_get(s->root, "host");

    fprintf(out, "%c: %s, %s, pollux %s, %s, Linux %s, KVM %s\n", letter, s->path,
            cell_text(s->root, "date"), cell_text(s->root, "pollux"), cell_text(host, "processor"),
            cell_text(host, "kernel"), cell_text(host, "kvm"));
}

/* Differences outside of the cells. */
static void print_workload(const struct side *a, const struct side *b, FILE *out)
{
    json_t *load_a = json_object_get(a->root, "workload"), *value;
    const json_t *load_b = json_object_get(b->root, "workload");
    const char *key;

    json_object_foreach(load_a, key, value)
    {
        const json_t *other = json_object_get(load_b, key);

        if (other && !json_equal(value, other)) {
            char *from = json_dumps(value, JSON_ENCODE_ANY);
            char *to = json_dumps(other, JSON_ENCODE_ANY);

            fprintf(out, "The workloads differ: %s is %s in A and %s in B.\n", key,
                    from ? from : "?", to ? to : "?");
            free(from);
            free(to);
        }
    }
}

static void print_variant(const json_t *cell, FILE *out)
{
    const json_int_t max_ns = cell_number(cell, "poll_max_ns");
    char name[128], cap[32] = "";

    bench_format_variant(cell_text(cell, "runner"), cell_text(cell, "policy"),
                         (unsigned)cell_number(cell, "idle_handlers"),
                         !strcmp(cell_text(cell, "ring"), "packed"), "", name, sizeof(name));
    if (max_ns) {
        snprintf(cap, sizeof(cap), "%" PRId64, (int64_t)max_ns);
    }
    fprintf(out, "  %-*s %7s", NAME_WIDTH, name, cap);
}

static const char *const compared[] = {"iops", "lat_p99_ns", "iothread_cpu_ns_per_request", NULL};

/* Return: does one of the figures differ beyond noise? */
static bool print_cell(const json_t *a, const json_t *b, FILE *out)
{
    bool differs = false;

    print_variant(a, out);
    for (unsigned i = 0; compared[i]; i++) {
        double va[BENCH_RUNS_MAX], vb[BENCH_RUNS_MAX];
        unsigned na = cell_runs(a, compared[i], va), nb = cell_runs(b, compared[i], vb);
        struct bench_ratio r;
        char text[64] = "-";

        if (na > 0 && nb > 0) {
            bench_ratio(va, na, vb, nb, &r);
            snprintf(text, sizeof(text), "%.2f (%.2f-%.2f)%s", r.ratio, r.low, r.high,
                     r.differs ? " *" : "");
            differs |= r.differs;
        }
        if (i == 0) {
            fprintf(out, " %9.0f %9.0f", na ? median(va, na) : NAN, nb ? median(vb, nb) : NAN);
        }
        fprintf(out, "  %-19s", text);
    }
    fputc('\n', out);
    return differs;
}

static void print_cells(const struct side *a, const struct side *b, FILE *out)
{
    unsigned common = 0, differ = 0;
    const json_t *last = NULL;
    char name[256];
    json_t *cell;
    size_t i;

    fprintf(out, "\n  %-*s %7s %9s %9s  %-19s  %-19s  %s\n", NAME_WIDTH, "policy", "max-ns",
            "IOPS of A", "of B", "IOPS, B to A", "p99 latency", "CPU per request");
    json_array_foreach(a->cells, i, cell)
    {
        const json_t *other = find_cell(b, cell);

        if (!other) {
            continue;
        }
        if (!last || !cell_same(last, cell, cell_workload_keys)) {
            bench_format_group(cell_text(cell, "disk"), cell_text(cell, "engine"),
                               (uint64_t)cell_number(cell, "bs"),
                               (unsigned)cell_number(cell, "depth"), cell_text(cell, "pause"), name,
                               sizeof(name));
            fprintf(out, "%s\n", name);
        }
        last = cell;
        common++;
        differ += print_cell(cell, other, out);
    }
    fprintf(
        out,
        "\nRatios of the medians of the runs, B to A (where they lie with 95 %%, by bootstrap). "
        "* differs beyond noise: 1 is\nnot in it, and there are %d runs or more on both "
        "sides.\n%u of %u cells differ beyond noise",
        RUNS_MIN, differ, common);
    if (json_array_size(a->cells) > common) {
        fprintf(out, "; %zu only in A", json_array_size(a->cells) - common);
    }
    if (json_array_size(b->cells) > common) {
        fprintf(out, "; %zu only in B", json_array_size(b->cells) - common);
    }
    fprintf(out, ".\n");
}

int bench_compare(const char *path_a, const char *path_b, FILE *out, struct error *err)
{
    struct side a = {.root = NULL}, b = {.root = NULL};
    int ret = load(&a, path_a, err);

    if (ret == 0) {
        ret = load(&b, path_b, err);
    }
    if (ret == 0) {
        print_side('A', &a, out);
        print_side('B', &b, out);
        print_workload(&a, &b, out);
        print_cells(&a, &b, out);
    }
    json_decref(a.root);
    json_decref(b.root);
    return ret;
}

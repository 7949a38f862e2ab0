// SPDX-License-Identifier: MIT
/* What becomes of the results: tables, JSON, a comparison. */
#ifndef POLLUX_BENCH_OUTPUT_H
#define POLLUX_BENCH_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/bench.h"

/* --- table.c --- */

/* @wide: every figure */
void bench_print_table(const struct bench_plan *p, bool wide, FILE *out);

/* --- against.c --- */

/* A table of ratios between Pollux and all others that the plan has. */
void bench_print_against(const struct bench_plan *p, FILE *out);

/* What --host found out beforehand, to be released. */
struct json_t *bench_host_json(const struct bench_host *host);

/* The table of one cell, as a list to be released; NULL if there is nothing to compare it with. */
struct json_t *bench_against_json(const struct bench_plan *p, unsigned group, unsigned variant);

/* --- json.c --- */

#define BENCH_JSON_FORMAT 2 /* increased when a key changes its meaning or goes away */

/* All runs and medians as one JSON object, to be released; NULL if there is no memory. */
struct json_t *bench_json(const struct bench_plan *p);

/* --- compare.c --- */

struct bench_ratio {
    double ratio, low, high; /* of medians; it lies between the others with 95 % */
    bool differs;            /* from 1, beyond noise */
};

/**
 * bench_ratio - what the median of @b is to that of @a
 * @a, @b: 1 to BENCH_RUNS_MAX values each, more than 0
 */
void bench_ratio(const double *a, unsigned na, const double *b, unsigned nb,
                 struct bench_ratio *out);

/**
 * bench_compare - two files that --json wrote, cell by cell
 * Return: 0, or -EINVAL and @err: a file cannot be read, or is something else.
 */
int bench_compare(const char *path_a, const char *path_b, FILE *out, struct error *err);

#endif

// SPDX-License-Identifier: MIT
/* pollux bench --compare: differences between two results. */
#ifndef POLLUX_BENCH_COMPARE_H
#define POLLUX_BENCH_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

struct bench_ratio {
    double ratio, low, high; /* of medians; it lies between the others with 95 % */
    bool differs;            /* from 1, beyond noise */
};

/**
 * bench_ratio - the median of @b divided by that of @a
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

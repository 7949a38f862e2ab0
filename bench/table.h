// SPDX-License-Identifier: MIT
/* Results as a table for people. */
#ifndef POLLUX_BENCH_TABLE_H
#define POLLUX_BENCH_TABLE_H

#include <stdio.h>

#include "bench/plan.h"

/* @wide: every figure */
void bench_print_table(const struct bench_plan *p, bool wide, FILE *out);

#endif

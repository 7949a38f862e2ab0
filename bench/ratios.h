// SPDX-License-Identifier: MIT
/* Ratios of Pollux to QEMU and to the host alone, taken within each turn. */
#ifndef POLLUX_BENCH_RATIOS_H
#define POLLUX_BENCH_RATIOS_H

#include <jansson.h>
#include <stdio.h>

#include "bench/plan.h"

/* A table of ratios between Pollux and all others that the plan has. */
void bench_print_ratios(const struct bench_plan *p, FILE *out);

/* Results of the checks of --host as JSON, to be released. */
json_t *bench_host_json(const struct bench_host *host);

/* The table of one cell, as a list to be released; NULL without a reference. */
json_t *bench_ratios_json(const struct bench_plan *p, unsigned group, unsigned variant);

#endif

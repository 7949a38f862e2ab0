// SPDX-License-Identifier: MIT
/* Results as JSON; docs/bench-json.md describes it. */
#ifndef POLLUX_BENCH_BENCH_JSON_H
#define POLLUX_BENCH_BENCH_JSON_H

#include <jansson.h>

#include "bench/plan.h"

#define BENCH_JSON_FORMAT 2 /* increased when a key changes its meaning or goes away */

/* All runs and medians as one JSON object, to be released; NULL if there is no memory. */
json_t *bench_json(const struct bench_plan *p);

#endif

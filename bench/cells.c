// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/cells.h"
#include "bench/names.h"

const char *const cell_workload_keys[] = {"disk", "engine", "bs", "depth", "pause", NULL};
const char *const cell_variant_keys[] = {"runner",        "policy", "poll_max_ns",
                                         "idle_handlers", "ring",   NULL};

bool cell_same(const json_t *a, const json_t *b, const char *const *keys)
{
    for (; *keys; keys++) {
        if (!json_equal(json_object_get(a, *keys), json_object_get(b, *keys))) {
            return false;
        }
    }
    return true;
}

const char *cell_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

json_int_t cell_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

double cell_figure(const json_t *cell, const char *figure)
{
    const json_t *value = json_object_get(json_object_get(cell, "median"), figure);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

unsigned cell_runs(const json_t *cell, const char *figure, double *v)
{
    const json_t *runs = json_object_get(cell, "runs");
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(runs) && n < BENCH_RUNS_MAX; i++) {
        v[n] = json_number_value(json_object_get(json_array_get(runs, i), figure));
        n += v[n] > 0;
    }
    return n;
}

void cell_name_variant(const json_t *cell, bool cap, char *buf, size_t size)
{
    const json_int_t max_ns = cell_number(cell, "poll_max_ns");
    char time[32] = "";

    if (cap && max_ns) {
        bench_format_time((uint64_t)max_ns, time, sizeof(time));
    }
    bench_format_variant(cell_text(cell, "runner"), cell_text(cell, "policy"),
                         (unsigned)cell_number(cell, "idle_handlers"),
                         !strcmp(cell_text(cell, "ring"), "packed"), time, buf, size);
}

void cell_name_workload(const json_t *cell, bool depth, char *buf, size_t size)
{
    bench_format_group(
        cell_text(cell, "disk"), cell_text(cell, "engine"), (uint64_t)cell_number(cell, "bs"),
        depth ? (unsigned)cell_number(cell, "depth") : 0, cell_text(cell, "pause"), buf, size);
}

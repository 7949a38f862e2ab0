// SPDX-License-Identifier: MIT
/* What the bench found, as JSON; docs/bench-json.md describes it. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "cli/bench.h"
#include "cli/version.h"

static json_t *result_json(const struct bench_result *r)
{
    json_t *o = json_object();
    const struct bench_figure *f;

    for (unsigned i = 0; (f = bench_figure_at(i)); i++) {
        double value = *bench_figure(r, f);

        if (!isnan(value)) {
            json_object_set_new(o, f->name, json_real(value));
        }
    }
    return o;
}

static json_t *cell_json(const struct bench_plan *p, unsigned g, unsigned v)
{
    const struct bench_group *group = &p->groups[g];
    const struct bench_variant *variant = &p->variants[v];
    json_t *runs = json_array(), *against, *o;
    struct bench_summary s;

    bench_summarise(p, g, v, &s);
    for (unsigned i = 0; i < p->done[g]; i++) {
        json_array_append_new(runs, result_json(bench_result_at(p, g, v, i)));
    }
    o = json_pack(
        "{s:s, s:s, s:s, s:I, s:i, s:s, s:s?, s:I, s:i, s:s, s:o, s:o}", "runner",
        variant->runner->name, "disk", group->target->name, "engine", group->target->engine->name,
        "bs", (json_int_t)group->bs, "depth", (int)group->depth, "pause", group->pause, "policy",
        variant->policy ? variant->policy->name : NULL, "poll_max_ns", (json_int_t)variant->max_ns,
        "idle_handlers", (int)variant->idle, "ring", variant->packed ? "packed" : "split", "median",
        result_json(&s.median), "runs", runs);
    if (o && s.ratio > 0) {
        json_object_set_new(o, "iops_to_block",
                            json_pack("{s:f, s:f, s:f}", "median", s.ratio, "min", s.ratio_min,
                                      "max", s.ratio_max));
    }
    against = bench_against_json(p, g, v);
    if (o && against) {
        json_object_set_new(o, "against", against);
    }
    return o;
}

static json_t *plan_json(const struct bench_plan *p)
{
    const struct bench_config *c = p->config;
    json_t *cells = json_array();
    char date[32];
    struct utsname u;
    time_t now = time(NULL);
    struct tm tm;

    uname(&u);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    for (unsigned g = 0; g < p->nr_groups; g++) {
        for (unsigned v = 0; p->done[g] > 0 && v < p->nr_variants; v++) {
            if (bench_cell_exists(p, g, v)) {
                json_array_append_new(cells, cell_json(p, g, v));
            }
        }
    }
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:i, s:o}", "format",
                     1, "pollux", POLLUX_VERSION, "date", date, "kernel", u.release, "rw", c->rw,
                     "order", c->order ? "seq" : "random", "wait", c->wait ? "irq" : "poll",
                     "fsync", (json_int_t)c->fsync, "disks", (json_int_t)c->disks, "queues",
                     (json_int_t)c->queues, "run_seconds", (double)c->time_ns / 1e9, "runs_planned",
                     (int)p->nr_runs, "cells", cells);
}

int bench_print_json(const struct bench_plan *p, FILE *out)
{
    json_t *root = plan_json(p);
    int ret = root ? json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : -1;

    json_decref(root);
    fputc('\n', out);
    return ret < 0 ? -ENOMEM : 0;
}

// SPDX-License-Identifier: MIT
/* Results as JSON; docs/bench-json.md describes it. */
#include "bench/bench-json.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/plan.h"
#include "bench/qemu-version.h"
#include "bench/ratios.h"
#include "bench/summary.h"
#include "bench/workload.h"
#include "cli/host-info.h"
#include "cli/json-out.h"
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

static json_t *runs_json(const struct bench_plan *p, unsigned g, unsigned v)
{
    json_t *runs = json_array();

    for (unsigned i = 0; i < p->done[g]; i++) {
        const struct bench_result *r = bench_result_at(p, g, v, i);
        json_t *run = result_json(r);

        json_object_set_new(run, "noisy", json_boolean(r->noisy));
        json_object_set_new(run, "repeats", json_integer(r->repeats));
        json_array_append_new(runs, run);
    }
    return runs;
}

static json_t *cell_json(const struct bench_plan *p, unsigned g, unsigned v)
{
    const struct bench_group *group = &p->groups[g];
    const struct bench_variant *variant = &p->variants[v];
    json_t *against, *o;
    struct bench_summary s;

    bench_summarise(p, g, v, &s);
    o = json_pack(
        "{s:s, s:s, s:s, s:I, s:i, s:s, s:s?, s:I, s:i, s:s, s:b, s:o, s:o}", "runner",
        variant->runner->name, "disk", group->disk->name, "engine", group->disk->engine->name, "bs",
        (json_int_t)group->bs, "depth", (int)group->depth, "pause", group->pause, "policy",
        variant->policy ? variant->policy->name : NULL, "poll_max_ns", (json_int_t)variant->max_ns,
        "idle_handlers", (int)variant->idle, "ring", variant->packed ? "packed" : "split", "noisy",
        s.median.noisy, "median", result_json(&s.median), "runs", runs_json(p, g, v));
    if (o && s.ratio > 0) {
        json_object_set_new(o, "iops_to_block",
                            json_pack("{s:f, s:f, s:f}", "median", s.ratio, "min", s.ratio_min,
                                      "max", s.ratio_max));
    }
    against = bench_ratios_json(p, g, v);
    if (o && against) {
        json_object_set_new(o, "against", against);
    }
    return o;
}

static json_t *cells_json(const struct bench_plan *p)
{
    json_t *cells = json_array();

    for (unsigned g = 0; g < p->nr_groups; g++) {
        for (unsigned v = 0; p->done[g] > 0 && v < p->nr_variants; v++) {
            if (bench_cell_exists(p, g, v)) {
                json_array_append_new(cells, cell_json(p, g, v));
            }
        }
    }
    return cells;
}

static json_t *host_json(void)
{
    struct host_info h;
    json_t *o;

    host_info_get(&h);
    o = json_pack("{s:o, s:s, s:o, s:i, s:s}", "system", json_text(h.system), "kernel", h.kernel,
                  "processor", json_text(h.processor), "processors", (int)h.processors, "kvm",
                  h.kvm_kind);
    if (o && strcmp(h.kvm_kind, "none")) {
        json_object_set_new(
            o, "kvm_ns_per_instruction",
            json_pack("{s:f, s:f}", "cpl0", h.timing.kernel_ns, "cpl3", h.timing.user_ns));
    }
    return o;
}

static json_t *workload_json(const struct bench_config *c)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:f}", "guest",
                     c->guest ? "linux" : "built-in", "rw", c->rw, "order",
                     c->order ? "seq" : "random", "wait", c->wait || c->guest ? "irq" : "poll",
                     "cache", bench_cache_name(c->cache), "fsync", (json_int_t)c->fsync, "disks",
                     (json_int_t)c->disks, "queues", (json_int_t)c->queues, "merge", c->merge,
                     "poll_contention", c->contention, "run_seconds", (double)c->time_ns / 1e9);
}

static bool is_complete(const struct bench_plan *p)
{
    for (unsigned g = 0; g < p->nr_groups; g++) {
        if (p->done[g] < p->nr_runs) {
            return false;
        }
    }
    return true;
}

json_t *bench_json(const struct bench_plan *p)
{
    char date[32];
    time_t now = time(NULL);
    json_t *root;
    struct tm tm;

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    root = json_pack("{s:i, s:s, s:s, s:o, s:o, s:i, s:b, s:o}", "format", BENCH_JSON_FORMAT,
                     "pollux", POLLUX_VERSION, "date", date, "host", host_json(), "workload",
                     workload_json(p->config), "runs_planned", (int)p->nr_runs, "complete",
                     is_complete(p), "cells", cells_json(p));
    if (root && p->qemu.version[0]) {
        json_object_set_new(root, "qemu",
                            json_pack("{s:o, s:s}", "program",
                                      json_text(bench_qemu_program(p->config)), "version",
                                      p->qemu.version));
    }
    if (root && p->config->host) {
        json_object_set_new(root, "host_alone", bench_host_json(&p->host));
    }
    return root;
}

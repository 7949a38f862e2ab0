// SPDX-License-Identifier: MIT
/* What the bench found: a table for people, JSON for programs. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "cli/bench.h"
#include "cli/median.h"
#include "cli/version.h"

/* Every figure of a result, once: for medians and for JSON. */
static const struct {
    const char *name;
    size_t offset;
} figures[] = {
    {"iops", offsetof(struct bench_result, iops)},
    {"lat_mean_ns", offsetof(struct bench_result, lat_mean_ns)},
    {"lat_p50_ns", offsetof(struct bench_result, lat_p50_ns)},
    {"lat_p99_ns", offsetof(struct bench_result, lat_p99_ns)},
    {"iothread_cpu_s_per_s", offsetof(struct bench_result, cpu)},
    {"iothread_cpu_ns_per_request", offsetof(struct bench_result, cpu_ns)},
    {"kicks_per_request", offsetof(struct bench_result, kicks)},
    {"interrupts_per_request", offsetof(struct bench_result, interrupts)},
    {"vcpu_exits_per_request", offsetof(struct bench_result, vcpu_exits)},
};

#define NR_FIGURES (sizeof(figures) / sizeof(figures[0]))

static double *figure(const struct bench_result *r, unsigned i)
{
    return (double *)((uintptr_t)r + figures[i].offset);
}

void bench_summarise(const struct bench_plan *p, unsigned group, unsigned variant,
                     struct bench_summary *out)
{
    unsigned n = p->done[group];
    double v[BENCH_RUNS_MAX];

    *out = (struct bench_summary){.ratio = 0};
    for (unsigned f = 0; n > 0 && f < NR_FIGURES; f++) {
        for (unsigned i = 0; i < n; i++) {
            v[i] = *figure(bench_result_at(p, group, variant, i), f);
        }
        *figure(&out->median, f) = median(v, n);
    }
    if (n == 0 || p->variants[0].policy != &poll_policy_block) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        v[i] = bench_result_at(p, group, variant, i)->iops / bench_result_at(p, group, 0, i)->iops;
    }
    out->ratio = median(v, n);
    out->ratio_min = v[0]; /* sorted now */
    out->ratio_max = v[n - 1];
}

/* --- the table --- */

void bench_variant_name(const struct bench_variant *v, bool cap, char *buf, size_t size)
{
    bool ours = v->runner == &bench_runner_pollux;
    char idle[16] = "", max_ns[24] = "";

    if (v->idle) {
        snprintf(idle, sizeof(idle), "+%u", v->idle);
    }
    if (cap && v->max_ns) {
        snprintf(max_ns, sizeof(max_ns), " %" PRIu64, v->max_ns);
    }
    snprintf(buf, size, "%s%s%s%s%s%s", ours ? "" : v->runner->name, ours || !v->policy ? "" : " ",
             v->policy ? v->policy->name : "", idle, v->packed ? "/packed" : "", max_ns);
}

static void print_row(const struct bench_plan *p, unsigned g, unsigned v, FILE *out)
{
    const struct bench_group *group = &p->groups[g];
    const struct bench_variant *variant = &p->variants[v];
    char max_ns[32] = "", ratio[48] = "", name[48];
    struct bench_summary s;

    bench_variant_name(variant, false, name, sizeof(name));

    bench_summarise(p, g, v, &s);
    if (variant->max_ns) {
        snprintf(max_ns, sizeof(max_ns), "%" PRIu64, variant->max_ns);
    }
    if (s.ratio > 0 && v > 0) {
        snprintf(ratio, sizeof(ratio), "%.2f (%.2f-%.2f)", s.ratio, s.ratio_min, s.ratio_max);
    }
    fprintf(out, "%-6s %-9s %5u %6s  %-18s %7s %9.0f %8.2f %8.2f %8.2f %6.2f %8.2f %6.3f  %s\n",
            group->target->name, group->target->engine->name, group->depth, group->pause, name,
            max_ns, s.median.iops, s.median.lat_mean_ns / 1e3, s.median.lat_p50_ns / 1e3,
            s.median.lat_p99_ns / 1e3, s.median.cpu, s.median.cpu_ns / 1e3, s.median.kicks, ratio);
}

static bool has_others(const struct bench_plan *p)
{
    for (unsigned v = 0; v < p->nr_variants; v++) {
        if (p->variants[v].runner != &bench_runner_pollux) {
            return true;
        }
    }
    return false;
}

void bench_print_table(const struct bench_plan *p, FILE *out)
{
    fprintf(out, "%-6s %-9s %5s %6s  %-18s %7s %9s %8s %8s %8s %6s %8s %6s  %s\n", "disk", "engine",
            "depth", "pause", "policy", "max-ns", "IOPS", "mean us", "p50 us", "p99 us", "CPU/s",
            "CPU us", "kicks", "IOPS to block");
    for (unsigned g = 0; g < p->nr_groups; g++) {
        for (unsigned v = 0; p->done[g] > 0 && v < p->nr_variants; v++) {
            if (bench_cell_exists(p, g, v)) {
                print_row(p, g, v, out);
            }
        }
    }
    fprintf(out,
            "\nMedians of up to %u runs. us: latency; CPU/s: seconds of CPU that the I/O thread "
            "takes in "
            "a second;\nCPU us: its CPU time per request; kicks: notifications per request; last: "
            "ratio of IOPS to\nblocking mode, taken within each turn: median (min-max).\n",
            p->nr_runs);
    if (has_others(p)) {
        bench_print_against(p, out);
    }
}

/* --- JSON --- */

static json_t *result_json(const struct bench_result *r)
{
    json_t *o = json_object();

    for (unsigned i = 0; i < NR_FIGURES; i++) {
        json_object_set_new(o, figures[i].name, json_real(*figure(r, i)));
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
    return json_pack("{s:i, s:s, s:s, s:s, s:s?, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:i, s:o}",
                     "format", 1, "pollux", POLLUX_VERSION, "date", date, "kernel", u.release,
                     "qemu", p->qemu.version[0] ? p->qemu.version : NULL, "rw", c->rw, "order",
                     c->order ? "seq" : "random", "wait", c->wait ? "irq" : "poll", "fsync",
                     (json_int_t)c->fsync, "disks", (json_int_t)c->disks, "queues",
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

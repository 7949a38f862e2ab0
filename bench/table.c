// SPDX-License-Identifier: MIT
/* Results as a table for people. */
#include "bench/table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "bench/figures.h"
#include "bench/plan.h"
#include "bench/ratios.h"
#include "bench/summary.h"
#include "bench/workload.h"

#define NAME_WIDTH 18

struct column {
    const char *title, *figure;
    int width, decimals;
    double unit; /* unit of the title, in that of the figure */
};

/* At most 120 characters together with the name, the cap and the ratio. */
static const struct column columns[] = {
    {"IOPS", "iops", 8, 0, 1},
    {"MB/s", "mb_per_s", 7, 1, 1},
    {"mean us", "lat_mean_ns", 7, 2, 1e3},
    {"p50 us", "lat_p50_ns", 7, 2, 1e3},
    {"p99 us", "lat_p99_ns", 7, 2, 1e3},
    {"p99.9", "lat_p99.9_ns", 7, 1, 1e3},
    {"CPU/s", "iothread_cpu_s_per_s", 5, 2, 1},
    {"CPU us", "iothread_cpu_ns_per_request", 7, 2, 1e3},
    {"kicks", "kicks_per_request", 6, 3, 1},
    {NULL, NULL, 0, 0, 0},
};

static const struct column more_columns[] = {
    {"p99.99", "lat_p99.99_ns", 8, 1, 1e3},
    {"max us", "lat_max_ns", 8, 1, 1e3},
    {"flush us", "flush_lat_mean_ns", 8, 1, 1e3},
    {"vCPU/s", "vcpu_cpu_s_per_s", 6, 2, 1},
    {"vCPU us", "vcpu_cpu_ns_per_request", 7, 2, 1e3},
    {"exits", "vcpu_exits_per_request", 6, 3, 1},
    {"irqs", "interrupts_per_request", 6, 3, 1},
    {"hits", "poll_hits_per_request", 6, 3, 1},
    {"misses", "poll_misses_per_request", 6, 3, 1},
    {"guest us", "stage_guest_ns", 8, 2, 1e3},
    {"submit", "stage_seen_to_submitted_ns", 6, 2, 1e3},
    {"device", "stage_submitted_to_completed_ns", 8, 2, 1e3},
    {"finish", "stage_completed_to_used_ns", 6, 2, 1e3},
    {"steal/s", "steal_s_per_s", 7, 3, 1},
    {"wait/s", "runqueue_s_per_s", 6, 3, 1},
    {"preempt/s", "involuntary_switches_per_s", 9, 0, 1},
    {NULL, NULL, 0, 0, 0},
};

static void print_titles(const struct column *c, FILE *out)
{
    for (; c->title; c++) {
        fprintf(out, " %*s", c->width, c->title);
    }
}

/* A latency of a second must not push the columns out of line. */
static int decimals_that_fit(const struct column *c, double value)
{
    int decimals = c->decimals;

    while (decimals > 0 && snprintf(NULL, 0, "%.*f", decimals, value) > c->width) {
        decimals--;
    }
    return decimals;
}

static void print_figures(const struct column *c, const struct bench_result *r, FILE *out)
{
    for (; c->title; c++) {
        double value = *bench_figure(r, bench_figure_find(c->figure));

        if (isnan(value)) {
            fprintf(out, " %*s", c->width, "-");
        } else {
            fprintf(out, " %*.*f", c->width, decimals_that_fit(c, value / c->unit),
                    value / c->unit);
        }
    }
}

static void print_row(const struct bench_plan *p, unsigned g, unsigned v, bool wide, FILE *out)
{
    const struct bench_variant *variant = &p->variants[v];
    char max_ns[32] = "", ratio[48] = "", name[48];
    struct bench_summary s;

    bench_summarise(p, g, v, &s);
    bench_variant_name(variant, false, name, sizeof(name));
    if (variant->max_ns) {
        snprintf(max_ns, sizeof(max_ns), "%" PRIu64, variant->max_ns);
    }
    if (s.ratio > 0 && v > 0) {
        snprintf(ratio, sizeof(ratio), "%.2f (%.2f-%.2f)", s.ratio, s.ratio_min, s.ratio_max);
    }
    fprintf(out, "%s %-*s %7s", s.median.noisy ? "~" : " ", NAME_WIDTH, name, max_ns);
    print_figures(columns, &s.median, out);
    fprintf(out, "  %*s", wide ? -18 : 0, ratio);
    if (wide) {
        print_figures(more_columns, &s.median, out);
    }
    fputc('\n', out);
}

static void print_head(bool wide, FILE *out)
{
    fprintf(out, "  %-*s %7s", NAME_WIDTH, "policy", "max-ns");
    print_titles(columns, out);
    fprintf(out, "  %*s", wide ? -18 : 0, "IOPS to block");
    if (wide) {
        print_titles(more_columns, out);
    }
    fputc('\n', out);
}

static bool any_noisy(const struct bench_plan *p)
{
    struct bench_summary s;

    for (unsigned g = 0; g < p->nr_groups; g++) {
        for (unsigned v = 0; p->done[g] > 0 && v < p->nr_variants; v++) {
            if (bench_cell_exists(p, g, v)) {
                bench_summarise(p, g, v, &s);
                if (s.median.noisy) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void print_legend(const struct bench_plan *p, bool wide, FILE *out)
{
    fprintf(
        out,
        "\nMedians of up to %u runs. mean, p50, p99, p99.9: latency in us; CPU/s: seconds of CPU "
        "that the I/O thread\ntakes in a second; CPU us: its CPU time per request; kicks: "
        "notifications per request; last: ratio of IOPS to\nblocking mode, taken within each "
        "turn: median (min-max).\n",
        p->nr_runs);
    if (wide) {
        fprintf(out,
                "p99.99, max, flush: latency; vCPU: CPU time of the guest's processor; exits: to "
                "user space; irqs: interrupts; hits,\nmisses: of polling; all per request. guest, "
                "submit, device, finish: where the time of a request went, us: on the way\nto the "
                "device and back, until it was submitted, until it was done, until the guest could "
                "see it. steal, wait, preempt:\nwhat the host did beside.\n");
    }
    if (any_noisy(p)) {
        fprintf(out, "~ the host was busy with something else in most runs, though they were "
                     "repeated: do not rely on these.\n");
    }
}

void bench_print_table(const struct bench_plan *p, bool wide, FILE *out)
{
    char name[256];

    print_head(wide, out);
    for (unsigned g = 0; g < p->nr_groups; g++) {
        if (p->done[g] == 0) {
            continue;
        }
        bench_group_name(&p->groups[g], name, sizeof(name));
        fprintf(out, "%s\n", name);
        for (unsigned v = 0; v < p->nr_variants; v++) {
            if (bench_cell_exists(p, g, v)) {
                print_row(p, g, v, wide, out);
            }
        }
    }
    print_legend(p, wide, out);
    if (p->config->against || p->config->host) {
        bench_print_ratios(p, out);
    }
}

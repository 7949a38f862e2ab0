// SPDX-License-Identifier: MIT
/* Running the plan: turns, repeats of runs that the host disturbed, progress. */
#include "bench/turns.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/figures.h"
#include "bench/plan.h"
#include "bench/run-pollux.h"
#include "bench/workload.h"

#define REPEATS_MAX 2 /* of a noisy run; of a group at most half as many as it has runs */

struct progress {
    FILE *out; /* NULL: none */
    bool tty;
    unsigned done, total; /* runs that count */
    unsigned repeats, repeats_left;
    time_t start;
};

static time_t seconds_now(void)
{
    return (time_t)(clock_ns(CLOCK_MONOTONIC) / 1000000000);
}

/* Estimated from the time so far; before the first run, the time of all runs without set-up. */
static long seconds_left(const struct progress *pr, const struct bench_plan *p)
{
    if (pr->done == 0) {
        return (long)((double)p->config->time_ns / 1e9 * pr->total);
    }
    return (long)((seconds_now() - pr->start) * (pr->total - pr->done) / pr->done);
}

/* On a terminal one line that moves, else a line for each group. */
static void show_progress(struct progress *pr, const struct bench_plan *p, unsigned g, unsigned run)
{
    char name[160];

    if (!pr->out || (!pr->tty && run > 0)) {
        return;
    }
    bench_group_name(&p->groups[g], name, sizeof(name));
    fprintf(pr->out, "%s%u of %u: %s; %s %ld s left", pr->tty ? "\r\033[K" : "", pr->done,
            pr->total, name, pr->done ? "about" : "at least", seconds_left(pr, p));
    if (pr->repeats > 0) {
        fprintf(pr->out, "; %u repeated, the host was busy", pr->repeats);
    }
    fprintf(pr->out, "%s", pr->tty ? "" : "\n");
    fflush(pr->out);
}

static void end_progress(const struct progress *pr)
{
    if (pr->tty) {
        fprintf(pr->out, "\r\033[K");
    }
}

static void name_group(struct trace *trace, const struct bench_group *group,
                       const struct bench_variant *v)
{
    char name[256], max[32];
    size_t len;

    bench_group_name(group, name, sizeof(name));
    len = strlen(name);
    snprintf(name + len, sizeof(name) - len, ", %s %s", v->policy->name,
             bench_format_time(v->max_ns, max, sizeof(max)));
    trace_group(trace, name);
}

static int prefix_group(struct error *err, int num, const struct bench_group *group)
{
    char name[160];

    bench_group_name(group, name, sizeof(name));
    return error_prefix(err, num, "%s: ", name);
}

/*
 * One run. A run that the host disturbed is repeated until the budget for repeats is used up; the
 * run with the least noise is the result.
 */
static int run_cell(struct progress *pr, struct bench_plan *p, unsigned g, unsigned v, unsigned run,
                    int stop_fd, struct trace *trace, struct error *err)
{
    struct bench_result *best = bench_result_at(p, g, v, run);
    const struct bench_variant *variant = &p->variants[v];

    for (unsigned tries = 0;; tries++) {
        struct bench_result r;
        int ret;

        bench_result_unknown(&r);
        ret = variant->runner->run(p->config, &p->groups[g], variant, run, stop_fd,
                                   tries ? NULL : trace, &r, err);

        if (ret < 0) {
            return prefix_group(err, ret, &p->groups[g]);
        }
        if (tries == 0 || r.noise < best->noise) {
            *best = r;
        }
        best->repeats = tries;
        if (!best->noisy || tries == REPEATS_MAX || pr->repeats_left == 0) {
            return 0;
        }
        pr->repeats_left--;
        pr->repeats++;
    }
}

/* Every variant once; in reverse order in every second turn, so that a host that becomes slower or
 * faster favours none. */
static int run_turn(struct progress *pr, struct bench_plan *p, unsigned g, unsigned run,
                    int stop_fd, struct trace *trace, struct error *err)
{
    for (unsigned i = 0; i < p->nr_variants; i++) {
        unsigned v = run % 2 ? p->nr_variants - 1 - i : i;
        int ret;

        if (pr->tty || i == 0) {
            show_progress(pr, p, g, run);
        }
        if (!bench_cell_exists(p, g, v)) {
            continue;
        }
        if (trace && p->variants[v].runner == &bench_runner_pollux) {
            name_group(trace, &p->groups[g], &p->variants[v]);
        }
        ret = run_cell(pr, p, g, v, run, stop_fd, trace, err);
        if (ret < 0) {
            return ret;
        }
        pr->done++;
    }
    p->done[g]++;
    return 0;
}

static unsigned count_cells(const struct bench_plan *p, unsigned g)
{
    unsigned n = 0;

    for (unsigned v = 0; v < p->nr_variants; v++) {
        n += bench_cell_exists(p, g, v);
    }
    return n;
}

int bench_run_plan(struct bench_plan *p, FILE *progress, int stop_fd, struct trace *trace,
                   struct error *err)
{
    struct progress pr = {
        .out = progress,
        .tty = progress && isatty(fileno(progress)),
        .start = seconds_now(),
    };
    int ret = 0;

    for (unsigned g = 0; g < p->nr_groups; g++) {
        pr.total += count_cells(p, g) * p->nr_runs;
    }
    for (unsigned i = 0; ret == 0 && i < p->nr_groups * p->nr_runs; i++) {
        const unsigned g = p->turns_of_all ? i % p->nr_groups : i / p->nr_runs;
        const unsigned run = p->turns_of_all ? i / p->nr_groups : i % p->nr_runs;

        if (run == 0) {
            pr.repeats_left = count_cells(p, g) * p->nr_runs / 2;
        }
        ret = run_turn(&pr, p, g, run, stop_fd, run ? NULL : trace, err);
    }
    end_progress(&pr);
    return ret;
}

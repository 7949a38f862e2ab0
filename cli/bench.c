// SPDX-License-Identifier: MIT
/* pollux bench: run the plan, show progress, leave what is done when interrupted. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/trace-file.h"

#define TRACE_EVENTS_PER_CELL (1u << 16)
#define REPEATS_MAX           2 /* of a noisy run; all together at most half as many as there are runs */

struct progress {
    bool tty;
    unsigned done, total; /* runs that count */
    unsigned repeats, repeats_left;
    time_t start;
};

static time_t seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

/* On a terminal one line that moves, else a line for each group. */
static void show_progress(struct progress *pr, const struct bench_plan *p, unsigned g, unsigned run)
{
    time_t spent = seconds_now() - pr->start;
    char name[160];

    if (!pr->tty && run > 0) {
        return;
    }
    bench_name_group(&p->groups[g], name, sizeof(name));
    fprintf(stderr, "%s%u of %u: %s", pr->tty ? "\r\033[K" : "", pr->done, pr->total, name);
    if (pr->done > 0) {
        fprintf(stderr, "; about %ld s left", (long)(spent * (pr->total - pr->done) / pr->done));
    }
    if (pr->repeats > 0) {
        fprintf(stderr, "; %u repeated, the host was busy", pr->repeats);
    }
    fprintf(stderr, "%s", pr->tty ? "" : "\n");
    fflush(stderr);
}

static void end_progress(const struct progress *pr)
{
    if (pr->tty) {
        fprintf(stderr, "\r\033[K");
    }
}

static void name_group(struct trace *trace, const struct bench_group *group,
                       const struct bench_variant *v)
{
    char name[256], max[32];
    size_t len;

    bench_name_group(group, name, sizeof(name));
    len = strlen(name);
    snprintf(name + len, sizeof(name) - len, ", %s %s", v->policy->name,
             bench_format_time(v->max_ns, max, sizeof(max)));
    trace_group(trace, name);
}

/*
 * One run. While the host disturbs it, and there is still something left of what may be spent on
 * repeating, it is done again; the quietest one counts.
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
            return ret;
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

/* Every variant once; the other way round in every second turn, so that a host that becomes slower
 * or faster favours none. */
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

static unsigned count_cells(const struct bench_plan *p)
{
    unsigned n = 0;

    for (unsigned g = 0; g < p->nr_groups; g++) {
        for (unsigned v = 0; v < p->nr_variants; v++) {
            n += bench_cell_exists(p, g, v);
        }
    }
    return n;
}

static int run_plan(struct bench_plan *p, int stop_fd, struct trace *trace, struct error *err)
{
    struct progress pr = {
        .tty = isatty(STDERR_FILENO),
        .total = count_cells(p) * p->nr_runs,
        .start = seconds_now(),
    };
    int ret = 0;

    pr.repeats_left = pr.total / 2;
    for (unsigned g = 0; ret == 0 && g < p->nr_groups; g++) {
        for (unsigned run = 0; ret == 0 && run < p->nr_runs; run++) {
            ret = run_turn(&pr, p, g, run, stop_fd, run ? NULL : trace, err);
        }
    }
    end_progress(&pr);
    return ret;
}

static bool any_done(const struct bench_plan *p)
{
    for (unsigned g = 0; g < p->nr_groups; g++) {
        if (p->done[g] > 0) {
            return true;
        }
    }
    return false;
}

static int make_page(const struct command *cmd, const struct bench_plan *p)
{
    json_t *root = bench_json(p);
    struct error err;
    int ret = root ? bench_page_write(p->config->report, root, &err)
                   : error_set(&err, -ENOMEM, "out of memory");

    json_decref(root);
    return ret < 0 ? command_fail(cmd, err.msg) : EXIT_STATUS_OK;
}

static int report(const struct command *cmd, const struct bench_plan *p)
{
    int status = EXIT_STATUS_OK;

    if (p->config->report) {
        status = make_page(cmd, p);
    }
    if (p->config->json) {
        return bench_print_json(p, stdout) < 0 ? command_fail(cmd, "out of memory") : status;
    }
    bench_print_table(p, p->config->wide, stdout);
    return status;
}

static int run_and_report(const struct command *cmd, struct bench_plan *p)
{
    struct trace_file trace;
    struct error err;
    int fd, ret, status = EXIT_STATUS_OK;

    if (trace_file_open(&trace, p->config->trace, TRACE_EVENTS_PER_CELL, &err) < 0) {
        return command_fail(cmd, err.msg);
    }
    fd = interrupt_watch(&err);
    ret = fd < 0 ? fd : run_plan(p, fd, trace.trace, &err);
    if (ret == -EINTR) {
        status = interrupt_status(fd);
    } else if (ret < 0) {
        status = command_fail(cmd, err.msg);
    }
    if (any_done(p) && report(cmd, p) != EXIT_STATUS_OK) {
        status = EXIT_STATUS_FAILURE;
    }
    if (trace_file_close(&trace, &err) < 0) {
        status = command_fail(cmd, err.msg);
    }
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

/* Two arguments, unlike any other option: so it must stand alone. */
static int compare_main(const struct command *cmd, int argc, char **argv)
{
    struct error err;

    if (argc != 3 || strcmp(argv[0], "--compare")) {
        return command_fail(cmd, "--compare takes two files and nothing beside: "
                                 "pollux bench --compare A.json B.json");
    }
    return bench_compare(argv[1], argv[2], stdout, &err) < 0 ? command_fail(cmd, err.msg)
                                                             : EXIT_STATUS_OK;
}

static bool asks_to_compare(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "--compare", strlen("--compare"))) {
            return true;
        }
    }
    return false;
}

static int bench_main(const struct command *cmd, int argc, char **argv)
{
    struct bench_plan *plan;
    struct bench_config config;
    char *storage = NULL;
    struct error err;
    int status;

    if (asks_to_compare(argc, argv)) {
        return compare_main(cmd, argc, argv);
    }
    plan = calloc(1, sizeof(*plan));
    if (!plan) {
        return command_fail(cmd, "out of memory");
    }
    bench_config_init(&config);
    status = command_parse(cmd, argc, argv, &config, &storage);
    if (status < 0) {
        bool ready = !config.report || bench_page_prepare(config.report, &err) == 0;

        status = !ready || bench_plan_init(plan, &config, &err) < 0 ? command_fail(cmd, err.msg)
                                                                    : run_and_report(cmd, plan);
        bench_plan_destroy(plan);
    }
    free(storage);
    free(plan);
    return status;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "measure polling against blocking mode with the built-in guest",
    .usage = "[options]",
    .options = bench_options,
    .notes =
        "Each cell is a fresh virtual machine with one virtual CPU, one disk and one I/O thread. "
        "The\nvariants of a group take turns. Ctrl-C ends it and prints what is done. Without "
        "options:\nno I/O, a file in memory and a file in this directory, at depth 1 and 32; "
        "about a minute.\n"
        "\n"
        "example:\n"
        "  pollux bench --engine linux-aio --depth 1 --pause 0,50us \\\n"
        "      --policy block,grow-shrink,fixed --poll-max-ns 32768,200000\n",
    .main = bench_main,
};

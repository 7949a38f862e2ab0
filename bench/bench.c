// SPDX-License-Identifier: MIT
/* pollux bench: run the plan and report the results, after an interruption the complete ones. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output-file.h"
#include "bench/bench-json.h"
#include "bench/bench-options.h"
#include "bench/compare.h"
#include "bench/plan.h"
#include "bench/report.h"
#include "bench/table.h"
#include "bench/turns.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/json-out.h"
#include "cli/trace-file.h"

#define TRACE_EVENTS_PER_CELL (1u << 16)

static bool any_done(const struct bench_plan *p)
{
    for (unsigned g = 0; g < p->nr_groups; g++) {
        if (p->done[g] > 0) {
            return true;
        }
    }
    return false;
}

/* The page comes last, because Python is slow and the other results are complete. */
static int report(const struct command *cmd, const struct bench_plan *p)
{
    const struct bench_config *c = p->config;
    json_t *root = c->json || c->report ? bench_json(p) : NULL;
    int status = EXIT_STATUS_OK;
    struct error err = {""};

    if (c->json) {
        status = json_print(root, stdout) < 0 ? command_fail(cmd, "out of memory") : status;
    } else {
        bench_print_table(p, c->wide, stdout);
    }
    if (c->report) {
        int ret = root ? 0 : error_set(&err, -ENOMEM, "out of memory");

        fflush(stdout);
        ret = ret < 0 ? ret : bench_report_write(c->report, root, &err);
        status = ret < 0 ? command_fail(cmd, err.msg) : status;
    }
    json_decref(root);
    return status;
}

static int check_report(const struct bench_config *c, struct error *err)
{
    int ret = bench_report_check(c->report, c->disk, err);

    return ret < 0 ? ret : bench_report_check(c->report, c->trace, err);
}

static int run_and_report(const struct command *cmd, struct bench_plan *p)
{
    struct trace_file trace;
    struct error err = {""};
    int fd, ret, status = EXIT_STATUS_OK;

    if (output_file_same(p->config->trace, p->config->disk)) {
        return command_fail(cmd, "--trace: the file is the disk, which would be overwritten");
    }
    if (trace_file_open(&trace, p->config->trace, TRACE_EVENTS_PER_CELL, &err) < 0) {
        return command_fail(cmd, err.msg);
    }
    fd = interrupt_watch(&err);
    ret = fd;
    if (ret >= 0 && p->config->report) {
        ret = check_report(p->config, &err);
    }
    ret = ret < 0 ? ret : bench_run_plan(p, stderr, fd, trace.trace, &err);
    if (ret == -EINTR) {
        status = interrupt_status(fd);
        if (!any_done(p)) {
            command_fail(cmd, "interrupted before the first turn was complete: nothing to report");
        }
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
    struct error err = {""};

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
    struct error err = {""};
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
        bool ready = !config.report || bench_report_prepare(config.report, &err) == 0;

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
    .notes = "Each cell is a fresh virtual machine with one virtual CPU and one I/O thread. "
             "The\nvariants of a group take turns. Ctrl-C ends it and prints what is done. Without "
             "options:\nno I/O, a file in memory and a file in this directory, at depth 1 and 32; "
             "about a minute.\n"
             "\n"
             "example:\n"
             "  pollux bench --engine linux-aio --depth 1 --pause 0,50us \\\n"
             "      --policy block,grow-shrink,fixed --poll-max-ns 32768,200000\n",
    .main = bench_main,
};

// SPDX-License-Identifier: MIT
/* pollux top: figures of I/O threads and disks of a process with a control socket. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/top-columns.h"
#include "cli/top-screen.h"
#include "cli/top-view.h"

struct top_config {
    uint64_t interval_ns;
    bool once, json;
};

static const struct option top_options[] = {
    {.name = "interval",
     .help = "time between two refreshes; default 1s",
     .more = "Rates and percentiles are those of this time. A number without a unit is seconds; "
             "100ms is the least.",
     .plain = true,
     .keys = (const struct option_key[]){{.name = "interval",
                                          .kind = OPTION_TIME,
                                          .metavar = "TIME",
                                          .min = 100000000,
                                          .max = 3600000000000,
                                          .unit = 1000000000,
                                          OPTION_AT(struct top_config, interval_ns)},
                                         {.name = NULL}}},
    {.name = "once",
     .help = "measure for one interval, print the figures, and end",
     .offset = offsetof(struct top_config, once)},
    {.name = "json",
     .help = "print JSON: an object on a line after each interval",
     .more = "docs/control.md lists its members.",
     .offset = offsetof(struct top_config, json)},
    {.name = NULL},
};

/* --- output without a terminal --- */

static void print_table(const struct top_rows *rows)
{
    unsigned width = TOP_WIDTH_MAX;
    char line[TOP_WIDTH_MAX + 1];
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_col < width) {
        width = size.ws_col;
    }
    top_table_header(TOP_FIGURES, width, line);
    printf("%s\n", line);
    for (unsigned i = 0; i < top_table_lines(rows); i++) {
        top_table_line(rows, i, width, line);
        printf("%s\n", line);
    }
}

static json_t *row_json(const struct top_row *row, bool thread)
{
    json_t *object = json_pack("{s:s}", thread ? "id" : "name", row->name);

    if (thread) {
        json_object_set_new(object, "policy", json_string(row->policy));
        json_object_set_new(object, "answers", json_boolean(row->answers));
    }
    for (unsigned i = 0; i < TOP_FIGURES; i++) {
        double value = row->figure[top_columns[i].figure];

        if (!isnan(value)) {
            json_object_set_new(object, top_columns[i].key, json_real(value));
        }
    }
    return object;
}

static int print_json(const struct top_rows *rows, struct error *err)
{
    json_t *threads = json_array(), *disks = json_array(), *root;
    int ret;

    for (unsigned i = 0; i < rows->nr_threads + rows->nr_disks; i++) {
        bool thread = i < rows->nr_threads;

        json_array_append_new(thread ? threads : disks, row_json(&rows->row[i], thread));
    }
    root = json_pack("{s:o,s:o}", "iothreads", threads, "disks", disks);
    ret = root ? json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;
    json_decref(root);
    putchar('\n');
    return ret < 0 && !ferror(stdout) ? error_set(err, -ENOMEM, "out of memory") : 0;
}

/* Return: 0 after @ns, or as soon as the server hangs up; -EINTR: a signal came. */
static int wait_interval(const struct qmp_connection *c, uint64_t ns)
{
    struct pollfd fds[] = {{.fd = c->cancel_fd, .events = POLLIN}, {.fd = c->fd}};
    uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns, now;

    while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
        if (poll(fds, 2, (int)((end - now) / 1000000) + 1) > 0) {
            return fds[0].revents ? -EINTR : 0;
        }
    }
    return 0;
}

static int print_interval(const struct top_config *config, const struct top_sample *before,
                          const struct top_sample *after, struct error *err)
{
    struct top_rows rows;
    int ret = top_rates(before, after, &rows);

    if (ret < 0) {
        return error_set(err, ret, "out of memory");
    }
    if (config->json) {
        ret = print_json(&rows, err);
    } else {
        print_table(&rows);
    }
    top_rows_free(&rows);
    fflush(stdout);
    return ret;
}

/* One interval, or all until the server or a signal ends it, or the output fails. */
static int print(const struct top_config *config, struct qmp_connection *c, struct error *err)
{
    struct top_sample before, after;
    int ret = top_sample_read(&before, c, err);

    do {
        if (ret == 0) {
            ret = wait_interval(c, config->interval_ns);
        }
        if (ret < 0) {
            break;
        }
        ret = top_sample_read(&after, c, err);
        if (ret == 0) {
            ret = print_interval(config, &before, &after, err);
        }
        top_sample_free(&before);
        before = after;
    } while (ret == 0 && !config->once && !ferror(stdout));
    top_sample_free(&before);
    return ret;
}

/* --- the command --- */

/* Takes the argument that is neither an option nor the value of one out of @argv. */
static const char *take_path(int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");

        if (name == argv[i]) {
            memmove(&argv[i], &argv[i + 1], (size_t)(--*argc - i) * sizeof(*argv));
            return name;
        }
        for (const struct option *o = top_options; o->name; o++) {
            i += o->keys && !strcmp(o->name, name);
        }
    }
    return NULL;
}

static int watch(const struct command *cmd, const struct top_config *config, const char *path)
{
    struct qmp_connection c = {.fd = -1};
    struct error err = {""};
    int fd = interrupt_watch(&err), ret = fd, status = EXIT_STATUS_OK;

    if (fd >= 0) {
        ret = qmp_connection_open(&c, path, fd, 0, &err);
    }
    if (ret == 0) {
        ret = config->once || config->json ? print(config, &c, &err)
                                           : top_view_run(&c, config->interval_ns, &err);
    }
    if (ret == -EINTR) {
        status = interrupt_status(fd);
    } else if (ret < 0) {
        status = command_fail(cmd, err.msg);
    }
    qmp_connection_close(&c);
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

static int top_main(const struct command *cmd, int argc, char **argv)
{
    const char *path = take_path(&argc, argv);
    struct top_config config = {.interval_ns = 1000000000};
    char *storage = NULL;
    struct error err = {""};
    int status = command_parse(cmd, argc, argv, &config, &storage);

    free(storage);
    if (status >= 0) {
        return status;
    }
    if (!path) {
        return command_fail(cmd, "which process? Name the control socket of one that was started "
                                 "with --qmp unix:PATH: pollux top PATH");
    }
    if (!config.once && !config.json && top_view_check(&err) < 0) {
        return command_fail(cmd, err.msg);
    }
    return watch(cmd, &config, path);
}

const struct command command_top = {
    .name = "top",
    .summary = "watch I/O threads and disks of a running process",
    .usage = "PATH [options]",
    .options = top_options,
    .notes =
        "PATH is the control socket of a process that was started with --qmp unix:PATH: of\n"
        "pollux run or pollux vhost-user.\n"
        "\n"
        "keys: q quits, p pauses, s and S change the order, r reverses it, h explains keys and\n"
        "columns.\n"
        "\n"
        "example:\n"
        "  pollux vhost-user --disk file=disk.img,socket=disk.sock --qmp unix:disk.qmp &\n"
        "  pollux top disk.qmp\n"
        "  pollux top disk.qmp --once --json --interval 10s\n",
    .main = top_main,
};

// SPDX-License-Identifier: MIT
/* pollux advise: open the disk to be read only, measure in turns, report. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/advise/advice-print.h"
#include "bench/advise/wake-cost.h"
#include "bench/run-engine.h"
#include "bench/turns.h"
#include "cli/choices.h"
#include "cli/command.h"
#include "cli/cpus.h"
#include "cli/interrupt.h"

/* Length of a run, about; the time limit gives the number of turns. */
#define RUN_NS     100000000
#define RUN_MIN_NS 20000000
#define TURNS_MAX  64
#define SIZE_MIN   (1 << 20)
/* Longer than any read takes. */
#define ALWAYS_NS 1000000000

struct advise_config {
    const char *disk;
    uint64_t time_ns;
    bool json;
};

static int open_disk(struct advise_data *d, struct image *image, struct error *err)
{
    struct image_config config = bench_image(d->file);
    int ret;

    config.readonly = config.direct = true;
    ret = image_open(image, &config, err);
    if (ret == -EINVAL && config.path) { /* no O_DIRECT, or what is wrong without it as well */
        snprintf(d->why_cached, sizeof(d->why_cached), "%s", err->msg);
        config.direct = false;
        ret = image_open(image, &config, err);
    } else if (ret == 0 && image->page_cache) {
        snprintf(d->why_cached, sizeof(d->why_cached), "in spite of O_DIRECT, %s",
                 image->page_cache);
    }
    if (ret == 0 && image->size < SIZE_MIN) {
        ret = error_set(err, -EINVAL,
                        "disk image %s is too small to be measured, %" PRIu64
                        " bytes: it takes 1 MiB",
                        d->file, image->size);
    }
    return ret;
}

static void describe_disk(struct advise_data *d, const struct image *image)
{
    struct cpus cpus;
    struct stat st;

    d->size = image->size;
    d->direct = !image_in_page_cache(image);
    d->writable = bench_server_engine(d->file) || access(d->file, W_OK) == 0;
    cpus_get(&cpus, "");
    d->cpus = cpus_whole(&cpus);
    d->written = 1;
    if (!image->block_device && image->fd >= 0 && fstat(image->fd, &st) == 0) {
        d->written = (double)st.st_blocks * 512 / (double)d->size;
    }
}

/* The engines that pollux run accepts for this disk. Return: cells of a turn. */
static unsigned list_engines(const struct advise_data *d, const struct image *image,
                             struct option_list *engines)
{
    const struct engine_ops *ops;
    unsigned nr_cells = 0;
    struct error err = {""};

    if (bench_server_engine(d->file)) { /* has one engine, which the plan knows */
        engines->n = 1;
        return ADVISE_DEPTHS * ADVISE_WAITS;
    }
    for (unsigned i = 0; (ops = engine_at(i)) && engines->n < ADVISE_ENGINES_MAX; i++) {
        if (!ops->needs_file || (ops == &engine_linux_aio && !d->direct) ||
            (ops == &engine_mmap && !image->in_memory)) {
            continue;
        }
        if (bench_engine_probe(ops, image, &err) < 0) {
            fprintf(stderr, "pollux advise: without engine %s: %s\n", ops->name, err.msg);
            continue;
        }
        engines->v[engines->n++] = i;
        nr_cells += ADVISE_DEPTHS * (ops == &engine_sync ? 1 : ADVISE_WAITS);
    }
    return nr_cells;
}

static void set_time(struct bench_config *c, unsigned nr_cells, uint64_t time_ns)
{
    uint64_t turns = time_ns / (RUN_NS * (uint64_t)nr_cells);

    if (turns < ADVISE_TURNS_MIN) {
        /* Short runs, but not too short for a result. */
        turns = time_ns < RUN_MIN_NS * nr_cells * ADVISE_TURNS_MIN ? 1 : ADVISE_TURNS_MIN;
    }
    c->runs = turns < TURNS_MAX ? turns : TURNS_MAX;
    c->time_ns = time_ns / (c->runs * nr_cells);
}

/* The plan of the bench, with reads by an engine alone in place of a guest. */
static int make_plan(struct advise_data *d, struct bench_config *c, struct error *err)
{
    int ret = bench_plan_init(d->plan, c, err);

    d->plan->turns_of_all = true;
    for (unsigned v = 0; v < d->plan->nr_variants; v++) {
        d->plan->variants[v].runner = &bench_runner_engine;
    }
    d->plan->variants[ADVISE_POLL].max_ns = ALWAYS_NS;
    for (unsigned e = 0; e < d->plan->nr_disks; e++) {
        d->plan->groups[e * ADVISE_DEPTHS + ADVISE_DEPTH_1].reads = d->reads[e];
    }
    return ret;
}

static int prepare(struct advise_data *d, struct bench_config *c, uint64_t time_ns,
                   struct error *err)
{
    struct image image = {.fd = -1};
    unsigned nr_cells;
    int ret = open_disk(d, &image, err);

    if (ret == 0) {
        describe_disk(d, &image);
        c->engines.n = 0;
        nr_cells = list_engines(d, &image, &c->engines);
        ret = nr_cells ? 0 : error_set(err, -ENOTSUP, "no engine works on %s", d->file);
    }
    image_close(&image);
    if (ret == 0) {
        set_time(c, nr_cells, time_ns);
        ret = make_plan(d, c, err);
    }
    return ret;
}

static int measure(struct advise_data *d, int stop_fd, struct error *err)
{
    FILE *progress = isatty(STDERR_FILENO) ? stderr : NULL;
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < ADVISE_WAKES; i++) {
        ret = advise_wake(&d->wake_ns[i], err);
    }
    if (ret == 0) {
        ret = bench_run_plan(d->plan, progress, stop_fd, NULL, err);
    }
    d->nr_turns = d->plan->done[d->plan->nr_groups - 1];
    return ret;
}

static int report(const struct command *cmd, const struct advise_data *d, bool json)
{
    if (json) {
        return advise_print_json(d, stdout) < 0 ? command_fail(cmd, "out of memory")
                                                : EXIT_STATUS_OK;
    }
    advise_print(d, stdout);
    return EXIT_STATUS_OK;
}

static int measure_and_report(const struct command *cmd, struct advise_data *d, bool json)
{
    struct error err = {""};
    int status = EXIT_STATUS_OK, fd = interrupt_watch(&err);
    int ret = fd < 0 ? fd : measure(d, fd, &err);

    if (ret == -EINTR) {
        status = interrupt_status(fd);
        if (d->nr_turns == 0) {
            command_fail(cmd, "interrupted before the first turn was complete: nothing to report");
        }
    } else if (ret < 0) {
        status = command_fail(cmd, err.msg);
    }
    if (d->nr_turns > 0 && report(cmd, d, json) != EXIT_STATUS_OK) {
        status = EXIT_STATUS_FAILURE;
    }
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

static int advise(const struct command *cmd, const struct advise_config *c)
{
    struct advise_data *d = calloc(1, sizeof(*d));
    struct bench_plan *plan = calloc(1, sizeof(*plan));
    struct bench_config bench;
    struct error err = {""};
    int status;

    bench_config_init(&bench);
    bench.disk = c->disk;
    bench.policies.v[0] = choice_index(choice_policy, "block");
    bench.policies.v[1] = choice_index(choice_policy, "cost");
    bench.policies.v[2] = choice_index(choice_policy, "fixed");
    if (!c->disk) {
        status = command_fail(cmd, "--disk FILE is missing: which one?");
    } else if (!d || !plan) {
        status = command_fail(cmd, "out of memory");
    } else {
        d->plan = plan;
        d->file = c->disk;
        status = prepare(d, &bench, c->time_ns, &err) < 0 ? command_fail(cmd, err.msg)
                                                          : measure_and_report(cmd, d, c->json);
        bench_plan_destroy(plan);
    }
    free(plan);
    free(d);
    return status;
}

static const struct option advise_options_table[] = {
    {.name = "disk",
     .help = "image or block device; it is only read",
     .more = "At least 1 MiB. nbd=URI and rbd=POOL/IMAGE name a disk on a server, as the keys of "
             "pollux "
             "run do.",
     .plain = true,
     .keys = (const struct option_key[]){{.name = "disk",
                                          .kind = OPTION_STRING,
                                          .metavar = "FILE",
                                          .offset = offsetof(struct advise_config, disk)},
                                         {.name = NULL}}},
    {.name = "time",
     .help = "how long to measure; default 30 s",
     .more = "In less than 2 s there is one turn, which no engine can win.",
     .plain = true,
     .keys = (const struct option_key[]){{.name = "time",
                                          .kind = OPTION_TIME,
                                          .metavar = "SECONDS",
                                          .min = 1000000000,
                                          .max = 3600000000000,
                                          .unit = 1000000000,
                                          .offset = offsetof(struct advise_config, time_ns)},
                                         {.name = NULL}}},
    {.name = "json",
     .help = "print JSON instead of the table",
     .offset = offsetof(struct advise_config, json)},
    {.name = NULL},
};

static int advise_main(const struct command *cmd, int argc, char **argv)
{
    struct advise_config config = {.time_ns = 30000000000};
    char *storage = NULL;
    int status = command_parse(cmd, argc, argv, &config, &storage);

    if (status < 0) {
        status = advise(cmd, &config);
    }
    free(storage);
    return status;
}

const struct command command_advise = {
    .name = "advise",
    .summary = "measure a disk, read-only, and recommend engine, poll policy and cap",
    .usage = "--disk FILE [options]",
    .options = advise_options_table,
    .notes = "No guest runs, and no KVM is needed. Each engine reads the disk in short runs that "
             "take\nturns, blocking and polling. Nothing is written. Ctrl-C ends it and reports "
             "the turns that\nare done.\n"
             "\n"
             "example:\n"
             "  pollux advise --disk disk.img --time 10\n",
    .main = advise_main,
};

// SPDX-License-Identifier: MIT
/* pollux advise: open the disk to be read only, measure in turns, report. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/advise/advise.h"
#include "cli/command.h"
#include "cli/cpus.h"
#include "cli/interrupt.h"

/* About how long a slice is: turns are as many as the time has room for. */
#define SLICE_NS     100000000
#define SLICE_MIN_NS 20000000
#define SIZE_MIN     (1 << 20)

struct advise_config {
    const char *disk;
    uint64_t time_ns;
    bool json;
};

/* What is measured, and how far it is. */
struct session {
    struct image image;
    struct advise_reader *reader;
    struct advise_data *data;
    unsigned nr_slices, nr_turns; /* of a turn; planned */
    uint64_t slice_ns;
    bool tty;
};

/* --- before the measurement --- */

static int open_disk(struct session *s, const char *path, struct error *err)
{
    struct image_config config = {.path = path, .readonly = true, .direct = true};
    char *why = s->data->why_cached;
    int ret = image_open(&s->image, &config, err);

    if (ret == -EINVAL) { /* no O_DIRECT, or what is wrong without it as well */
        snprintf(why, sizeof(s->data->why_cached), "%s", err->msg);
        config.direct = false;
        ret = image_open(&s->image, &config, err);
    } else if (ret == 0 && s->image.page_cache) {
        snprintf(why, sizeof(s->data->why_cached), "in spite of O_DIRECT, %s", s->image.page_cache);
    }
    if (ret == 0 && s->image.size < SIZE_MIN) {
        ret = error_set(err, -EINVAL,
                        "disk image %s is too small to be measured, %" PRIu64
                        " bytes: it takes 1 MiB",
                        path, s->image.size);
    }
    return ret;
}

static void describe_disk(const struct session *s, const char *path)
{
    struct advise_data *d = s->data;
    struct cpus cpus;
    struct stat st;

    d->file = path;
    d->size = s->image.size;
    d->direct = !image_in_page_cache(&s->image);
    d->writable = access(path, W_OK) == 0;
    cpus_get(&cpus, "");
    d->cpus = cpus_whole(&cpus);
    d->written = 1;
    if (!s->image.block_device && fstat(s->image.fd, &st) == 0) {
        d->written = (double)st.st_blocks * 512 / (double)d->size;
    }
}

/* Those that pollux run would let have this disk. */
static int list_engines(struct session *s, struct error *err)
{
    struct advise_data *d = s->data;
    const struct engine_ops *ops;

    for (unsigned i = 0; (ops = engine_at(i)); i++) {
        if (!ops->needs_file || (ops == &engine_linux_aio && !d->direct) ||
            (ops == &engine_mmap && !s->image.in_memory)) {
            continue;
        }
        if (advise_reader_probe(s->reader, ops, err) < 0) {
            fprintf(stderr, "pollux advise: without engine %s: %s\n", ops->name, err->msg);
            continue;
        }
        d->engines[d->nr_engines++].ops = ops;
        s->nr_slices += advise_waits(ops) * ADVISE_LOADS;
    }
    return d->nr_engines ? 0 : error_set(err, -ENOTSUP, "no engine works on %s", d->file);
}

static void plan_turns(struct session *s, uint64_t time_ns)
{
    uint64_t turns = time_ns / (SLICE_NS * (uint64_t)s->nr_slices);

    if (turns < ADVISE_TURNS_MIN) {
        /* Short slices, unless they would be too short to say anything. */
        turns = time_ns < SLICE_MIN_NS * s->nr_slices * ADVISE_TURNS_MIN ? 1 : ADVISE_TURNS_MIN;
    }
    turns = turns < ADVISE_TURNS_MAX ? turns : ADVISE_TURNS_MAX;
    s->nr_turns = (unsigned)turns;
    s->slice_ns = time_ns / (turns * s->nr_slices);
}

/* --- the measurement --- */

static void show_progress(const struct session *s, const struct advise_engine *e,
                          enum advise_wait wait, enum advise_load load, unsigned done)
{
    unsigned left = s->nr_turns * s->nr_slices - s->data->nr_turns * s->nr_slices - done;

    if (s->tty) {
        fprintf(stderr, "\r\033[Kturn %u of %u: %s, %s, %s; about %.0f s left",
                s->data->nr_turns + 1, s->nr_turns, e->ops->name, advise_wait_names[wait],
                advise_load_names[load], (double)left * (double)s->slice_ns / 1e9);
        fflush(stderr);
    }
}

static int measure_engine(struct session *s, struct advise_engine *e, enum advise_load load,
                          unsigned *done, int stop_fd, struct error *err)
{
    for (unsigned w = 0; w < advise_waits(e->ops); w++) {
        bool kept = w == ADVISE_POLL && load == ADVISE_RANDOM_1;
        int ret;

        show_progress(s, e, w, load, (*done)++);
        ret = advise_read(s->reader, e->ops, w, load, s->slice_ns, stop_fd,
                          &e->turn[w][load][s->data->nr_turns], kept ? e->reads : NULL, err);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int measure_turn(struct session *s, int stop_fd, struct error *err)
{
    struct advise_data *d = s->data;
    unsigned done = 0;
    int ret = advise_wake(&d->wake_ns[d->nr_turns], err);

    for (unsigned load = 0; ret == 0 && load < ADVISE_LOADS; load++) {
        for (unsigned i = 0; ret == 0 && i < d->nr_engines; i++) {
            ret = measure_engine(s, &d->engines[i], load, &done, stop_fd, err);
        }
    }
    if (ret == 0) {
        d->nr_turns++;
    }
    return ret;
}

static int measure(struct session *s, int stop_fd, struct error *err)
{
    int ret = 0;

    s->tty = isatty(STDERR_FILENO);
    while (ret == 0 && s->data->nr_turns < s->nr_turns) {
        ret = measure_turn(s, stop_fd, err);
    }
    if (s->tty) {
        fprintf(stderr, "\r\033[K");
    }
    return ret;
}

/* --- all of it --- */

static int prepare(struct session *s, const struct advise_config *c, struct error *err)
{
    int ret = open_disk(s, c->disk, err);

    if (ret < 0) {
        return ret;
    }
    s->reader = advise_reader_new(&s->image);
    if (!s->reader) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    describe_disk(s, c->disk);
    ret = list_engines(s, err);
    if (ret == 0) {
        plan_turns(s, c->time_ns);
    }
    return ret;
}

static int report(const struct command *cmd, const struct session *s, bool json)
{
    if (json) {
        return advise_print_json(s->data, stdout) < 0 ? command_fail(cmd, "out of memory")
                                                      : EXIT_STATUS_OK;
    }
    advise_print(s->data, stdout);
    return EXIT_STATUS_OK;
}

static int measure_and_report(const struct command *cmd, struct session *s, bool json)
{
    struct error err = {""};
    int status = EXIT_STATUS_OK, fd = interrupt_watch(&err);
    int ret = fd < 0 ? fd : measure(s, fd, &err);

    if (ret == -EINTR) {
        status = interrupt_status(fd);
        if (s->data->nr_turns == 0) {
            command_fail(cmd, "interrupted before the first turn was complete: nothing to report");
        }
    } else if (ret < 0) {
        status = command_fail(cmd, err.msg);
    }
    if (s->data->nr_turns > 0 && report(cmd, s, json) != EXIT_STATUS_OK) {
        status = EXIT_STATUS_FAILURE;
    }
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

static int advise(const struct command *cmd, const struct advise_config *c)
{
    struct session s = {.image = {.fd = -1}, .data = calloc(1, sizeof(*s.data))};
    struct error err = {""};
    int status;

    if (!c->disk) {
        status = command_fail(cmd, "--disk FILE is missing: which one?");
    } else if (!s.data) {
        status = command_fail(cmd, "out of memory");
    } else if (prepare(&s, c, &err) < 0) {
        status = command_fail(cmd, err.msg);
    } else {
        status = measure_and_report(cmd, &s, c->json);
    }
    advise_reader_free(s.reader);
    image_close(&s.image);
    free(s.data);
    return status;
}

static const struct option advise_options_table[] = {
    {.name = "disk",
     .help = "image or block device; it is only read",
     .more = "At least 1 MiB.",
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
    .notes = "No guest runs, and no KVM is needed. Each engine reads the disk in short slices that "
             "take\nturns, blocking and polling. Nothing is written. Ctrl-C ends it and reports "
             "the turns that\nare done.\n"
             "\n"
             "example:\n"
             "  pollux advise --disk disk.img --time 10\n",
    .main = advise_main,
};

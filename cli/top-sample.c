// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/plain-text.h"
#include "cli/top-sample.h"

/* Most entries of a list; beyond, the server is not one of Pollux. */
#define ENTRIES_MAX 256 /* disks, threads, threads of a disk */
#define BINS_MAX    4096

/* --- histograms --- */

static int by_time(const void *a, const void *b)
{
    const struct top_bin *one = a, *two = b;

    if (one->low != two->low) {
        return one->low < two->low ? -1 : 1;
    }
    return one->end < two->end ? -1 : one->end > two->end;
}

/* Sort @bins, and make one bin of those with the same bounds. */
static void tidy(struct top_bins *bins)
{
    unsigned nr = 0;

    if (bins->nr) {
        qsort(bins->bin, bins->nr, sizeof(*bins->bin), by_time);
    }
    for (unsigned i = 0; i < bins->nr; i++) {
        if (nr && by_time(&bins->bin[nr - 1], &bins->bin[i]) == 0) {
            bins->bin[nr - 1].n += bins->bin[i].n;
        } else {
            bins->bin[nr++] = bins->bin[i];
        }
    }
    bins->nr = nr;
}

int top_bins_add(struct top_bins *to, const struct top_bins *from)
{
    struct top_bin *bin;

    if (!from->nr) {
        return 0;
    }
    bin = realloc(to->bin, (to->nr + from->nr) * sizeof(*bin));
    if (!bin) {
        return -ENOMEM;
    }
    memcpy(bin + to->nr, from->bin, from->nr * sizeof(*bin));
    to->bin = bin;
    to->nr += from->nr;
    tidy(to);
    return 0;
}

int top_bins_since(const struct top_bins *before, const struct top_bins *after,
                   struct top_bins *out)
{
    unsigned from = 0;

    *out = (struct top_bins){.bin = malloc((after->nr + 1) * sizeof(*out->bin))};
    if (!out->bin) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < after->nr; i++) {
        struct top_bin bin = after->bin[i];
        const struct top_bin *old = from < before->nr ? &before->bin[from] : NULL;

        if (old && by_time(old, &bin) == 0) {
            if (old->n > bin.n) {
                break;
            }
            bin.n -= old->n;
            from++;
        }
        out->bin[out->nr++] = bin;
    }
    if (from == before->nr) {
        return 0;
    }
    free(out->bin); /* a bin of @before is not there any more, or has less */
    *out = (struct top_bins){0};
    return -ERANGE;
}

double top_bins_quantile(const struct top_bins *bins, double q)
{
    double total = 0, below = 0;

    for (unsigned i = 0; i < bins->nr; i++) {
        total += (double)bins->bin[i].n;
    }
    for (unsigned i = 0; i < bins->nr; i++) {
        const struct top_bin *b = &bins->bin[i];

        if (b->n && below + (double)b->n >= q * total) {
            double part = (q * total - below) / (double)b->n;

            return (double)b->low + part * (double)(b->end - b->low);
        }
        below += (double)b->n;
    }
    return NAN;
}

/* --- answers --- */

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void name_of(char *out, const json_t *object, const char *key)
{
    plain_text(out, TOP_NAME_MAX, json_string_value(json_object_get(object, key)));
}

/* Adds the bins of one histogram of @stats, if it is there. Return: 0, -EPROTO or -ENOMEM. */
static int add_histogram(struct top_bins *to, const json_t *histogram)
{
    const json_t *boundaries = json_object_get(histogram, "boundaries");
    const json_t *counts = json_object_get(histogram, "bins");
    size_t nr = json_array_size(boundaries);
    struct top_bins from = {0};
    uint64_t low = 0;
    int ret = 0;

    if (!histogram) {
        return 0;
    }
    if (json_array_size(counts) != nr + 1 || nr > BINS_MAX) {
        return -EPROTO;
    }
    from.bin = calloc(nr + 1, sizeof(*from.bin));
    if (!from.bin) {
        return -ENOMEM;
    }
    for (size_t i = 0; i <= nr && ret == 0; i++) {
        uint64_t end =
            i < nr ? (uint64_t)json_integer_value(json_array_get(boundaries, i)) : low + 1;
        uint64_t n = (uint64_t)json_integer_value(json_array_get(counts, i));

        if (end <= low) {
            ret = -EPROTO;
        } else if (n) {
            from.bin[from.nr++] = (struct top_bin){.low = low, .end = end, .n = n};
        }
        low = end;
    }
    if (ret == 0) {
        ret = top_bins_add(to, &from);
    }
    free(from.bin);
    return ret;
}

static int parse_latency(struct top_disk *d, const json_t *stats)
{
    static const char *const names[] = {"rd_latency_histogram", "wr_latency_histogram",
                                        "flush_latency_histogram",
                                        "x-pollux-ranges-latency-histogram"};
    int ret = 0;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && ret == 0; i++) {
        ret = add_histogram(&d->latency, json_object_get(stats, names[i]));
    }
    return ret;
}

static int parse_shares(struct top_disk *d, const json_t *list)
{
    size_t nr = json_array_size(list);

    if (nr > ENTRIES_MAX) {
        return -EPROTO;
    }
    d->share = calloc(nr + 1, sizeof(*d->share));
    if (!d->share) {
        return -ENOMEM;
    }
    d->nr_shares = (unsigned)nr;
    for (unsigned i = 0; i < nr; i++) {
        const json_t *entry = json_array_get(list, i);
        struct top_share *s = &d->share[i];

        name_of(s->id, entry, "id");
        s->operations = number(entry, "operations");
        s->bytes = number(entry, "bytes");
        s->kicks = number(entry, "kicks");
        s->interrupts = number(entry, "interrupts");
    }
    return 0;
}

static int parse_disk(struct top_disk *d, const json_t *entry)
{
    const json_t *stats = json_object_get(entry, "stats");
    int ret;

    name_of(d->name, entry, "device");
    d->time_ns = number(stats, "x-pollux-time-ns");
    d->reads = number(stats, "rd_operations");
    d->writes = number(stats, "wr_operations");
    d->others = number(stats, "flush_operations") + number(stats, "unmap_operations") +
                number(stats, "x-pollux-write-zeroes");
    d->read_bytes = number(stats, "rd_bytes");
    d->write_bytes = number(stats, "wr_bytes");
    d->kicks = number(stats, "x-pollux-kicks");
    d->interrupts = number(stats, "x-pollux-interrupts");
    d->errors = number(stats, "x-pollux-errors");
    d->in_flight = number(stats, "x-pollux-in-flight");
    ret = parse_latency(d, stats);
    return ret < 0 ? ret : parse_shares(d, json_object_get(stats, "x-pollux-iothreads"));
}

static void parse_thread(struct top_thread *t, const json_t *entry)
{
    name_of(t->id, entry, "id");
    t->answers = !json_object_get(entry, "error");
    t->has_run_delay = json_object_get(entry, "run-delay-ns");
    t->time_ns = number(entry, "time-ns");
    t->cpu_ns = number(entry, "cpu-ns");
    t->run_delay_ns = number(entry, "run-delay-ns");
    t->missed_ns = number(entry, "missed-ns");
    t->window_ns = number(entry, "window-ns");
    t->wake_ns = number(entry, "wake-ns");
    t->hits = number(entry, "hits");
    t->misses = number(entry, "misses");
    t->blocks = number(entry, "blocks");
    t->syscalls = number(entry, "system-calls");
}

static void parse_parameters(struct top_sample *s, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list) && i < s->nr_threads; i++) {
        const json_t *entry = json_array_get(list, i);
        char id[TOP_NAME_MAX];

        name_of(id, entry, "id");
        if (!strcmp(id, s->thread[i].id)) { /* both lists have the order of the options */
            name_of(s->thread[i].policy, entry, "poll-policy");
            s->thread[i].poll_max_ns = number(entry, "poll-max-ns");
        }
    }
}

int top_sample_parse(struct top_sample *s, const json_t *iothreads, const json_t *polling,
                     const json_t *blockstats, struct error *err)
{
    size_t nr_threads = json_array_size(polling), nr_disks = json_array_size(blockstats);
    int ret = 0;

    *s = (struct top_sample){0};
    if (!json_is_array(iothreads) || !json_is_array(polling) || !json_is_array(blockstats) ||
        nr_threads > ENTRIES_MAX || nr_disks > ENTRIES_MAX) {
        return error_set(err, -EPROTO, "the answers are not those of Pollux");
    }
    s->thread = calloc(nr_threads + 1, sizeof(*s->thread));
    s->disk = calloc(nr_disks + 1, sizeof(*s->disk));
    if (!s->thread || !s->disk) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    s->nr_threads = (unsigned)nr_threads;
    for (unsigned i = 0; i < nr_threads; i++) {
        parse_thread(&s->thread[i], json_array_get(polling, i));
    }
    parse_parameters(s, iothreads);
    for (unsigned i = 0; i < nr_disks && ret == 0; i++) {
        ret = parse_disk(&s->disk[s->nr_disks++], json_array_get(blockstats, i));
    }
    if (ret == -EPROTO) {
        return error_set(err, ret, "the answers are not those of Pollux");
    }
    return ret < 0 ? error_set(err, ret, "out of memory") : 0;
}

void top_sample_free(struct top_sample *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        free(s->disk[i].share);
        free(s->disk[i].latency.bin);
    }
    free(s->thread);
    free(s->disk);
    *s = (struct top_sample){0};
}

int top_sample_read(struct top_sample *s, struct qmp_connection *c, struct error *err)
{
    static const char *const commands[] = {"query-iothreads", "x-pollux-polling",
                                           "query-blockstats"};
    json_t *answers[3] = {NULL};
    int ret = 0;

    *s = (struct top_sample){0};
    for (unsigned i = 0; i < 3 && ret == 0; i++) {
        ret = qmp_connection_ask(c, commands[i], &answers[i], err);
    }
    if (ret == -ENOSYS) {
        error_set(err, ret, "%s is the socket of another program: it has no command %s", c->path,
                  answers[0] ? commands[1] : commands[0]);
    }
    if (ret == 0) {
        ret = top_sample_parse(s, answers[0], answers[1], answers[2], err);
        ret = ret < 0 ? error_prefix(err, ret, "%s: ", c->path) : 0;
    }
    for (unsigned i = 0; i < 3; i++) {
        json_decref(answers[i]);
    }
    return ret;
}

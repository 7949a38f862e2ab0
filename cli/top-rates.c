// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top-rates.h"

/* Per second; NAN if the counter or the time went back. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
    return after >= before && seconds > 0 ? (double)(after - before) / seconds : NAN;
}

static double seconds_between(uint64_t before_ns, uint64_t after_ns)
{
    return after_ns > before_ns ? (double)(after_ns - before_ns) / 1e9 : 0;
}

static void row_init(struct top_row *row, const char *name, unsigned index)
{
    *row = (struct top_row){.index = index, .answers = true};
    strcpy(row->name, name);
    for (unsigned i = 0; i < TOP_FIGURES; i++) {
        row->figure[i] = NAN;
    }
}

/* --- disks --- */

static const struct top_disk *find_disk(const struct top_sample *s, const char *name)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        if (!strcmp(s->disk[i].name, name)) {
            return &s->disk[i];
        }
    }
    return NULL;
}

static void percentiles(struct top_row *row, const struct top_bins *bins)
{
    row->figure[TOP_P50] = top_bins_quantile(bins, 0.5);
    row->figure[TOP_P99] = top_bins_quantile(bins, 0.99);
    row->figure[TOP_P999] = top_bins_quantile(bins, 0.999);
}

static uint64_t operations(const struct top_disk *d)
{
    return d->reads + d->writes + d->others;
}

/* @latency: of the requests in between. Return: 0 or -ENOMEM. */
static int disk_rates(struct top_row *row, const struct top_disk *a, const struct top_disk *b,
                      struct top_bins *latency)
{
    double s = seconds_between(a->time_ns, b->time_ns), *f = row->figure;

    f[TOP_IOPS] = rate(operations(a), operations(b), s);
    f[TOP_READS] = rate(a->reads, b->reads, s);
    f[TOP_WRITES] = rate(a->writes, b->writes, s);
    f[TOP_READ_MB] = rate(a->read_bytes, b->read_bytes, s) / 1e6;
    f[TOP_WRITE_MB] = rate(a->write_bytes, b->write_bytes, s) / 1e6;
    f[TOP_MB] = f[TOP_READ_MB] + f[TOP_WRITE_MB];
    f[TOP_KICKS] = rate(a->kicks, b->kicks, s);
    f[TOP_INTERRUPTS] = rate(a->interrupts, b->interrupts, s);
    f[TOP_ERRORS] = rate(a->errors, b->errors, s);
    if (top_bins_since(&a->latency, &b->latency, latency) == -ENOMEM) {
        return -ENOMEM;
    }
    percentiles(row, latency);
    return 0;
}

/* --- threads --- */

static const struct top_thread *find_thread(const struct top_sample *s, const char *id)
{
    for (unsigned i = 0; i < s->nr_threads; i++) {
        if (!strcmp(s->thread[i].id, id)) {
            return &s->thread[i];
        }
    }
    return NULL;
}

static void thread_rates(struct top_row *row, const struct top_thread *a,
                         const struct top_thread *b)
{
    double s = seconds_between(a->time_ns, b->time_ns), *f = row->figure;
    double missed = rate(a->missed_ns, b->missed_ns, s) / 1e7;

    f[TOP_CPU] = rate(a->cpu_ns, b->cpu_ns, s) / 1e7;
    /* Polls are timed by the clock, so a thread that waits for a CPU while it polls has more. */
    f[TOP_MISSED] = f[TOP_CPU] > missed ? missed / f[TOP_CPU] * 100 : missed > 0 ? 100 : missed;
    f[TOP_HITS] = rate(a->hits, b->hits, s);
    f[TOP_MISSES] = rate(a->misses, b->misses, s);
    f[TOP_BLOCKS] = rate(a->blocks, b->blocks, s);
    f[TOP_SYSCALLS] = rate(a->syscalls, b->syscalls, s);
    if (a->has_run_delay && b->has_run_delay) {
        f[TOP_RUN_DELAY] = rate(a->run_delay_ns, b->run_delay_ns, s) / 1e7;
    }
}

static void thread_row(struct top_row *row, const struct top_sample *before,
                       const struct top_thread *t)
{
    const struct top_thread *old = find_thread(before, t->id);

    row->answers = t->answers;
    strcpy(row->policy, t->policy);
    row->figure[TOP_POLL_MAX] = (double)t->poll_max_ns;
    if (t->answers) {
        row->figure[TOP_WINDOW] = (double)t->window_ns;
        row->figure[TOP_WAKE] = (double)t->wake_ns;
    }
    if (t->answers && old && old->answers) {
        thread_rates(row, old, t);
    }
}

/* --- the disks of a thread --- */

static void add(double *sum, double more)
{
    *sum = isnan(*sum) ? more : *sum + more;
}

/* Return: false if another thread has served requests of the disk from @a to @b, too. */
static bool alone(const struct top_disk *a, const struct top_disk *b, const char *id)
{
    for (unsigned i = 0; i < b->nr_shares && i < a->nr_shares; i++) {
        if (strcmp(b->share[i].id, id) != 0 && b->share[i].operations != a->share[i].operations) {
            return false;
        }
    }
    return true;
}

/* Adds the share of a disk to the row of the thread. */
static void add_share(struct top_row *row, const struct top_disk *a, const struct top_disk *b,
                      unsigned i)
{
    double s = seconds_between(a->time_ns, b->time_ns), *f = row->figure;
    const struct top_share *from = &a->share[i], *to = &b->share[i];

    add(&f[TOP_IOPS], rate(from->operations, to->operations, s));
    add(&f[TOP_MB], rate(from->bytes, to->bytes, s) / 1e6);
    add(&f[TOP_KICKS], rate(from->kicks, to->kicks, s));
    add(&f[TOP_INTERRUPTS], rate(from->interrupts, to->interrupts, s));
}

/*
 * Requests of the thread on all its disks. The latency is known only if no other thread has
 * served requests of these disks: a disk has one histogram for all its queues.
 */
static int add_disks(struct top_row *row, const struct top_sample *before,
                     const struct top_sample *after, const struct top_bins *latency)
{
    struct top_bins sum = {0};
    bool mixed = false;
    int ret = 0;

    for (unsigned i = 0; i < after->nr_disks && ret == 0; i++) {
        const struct top_disk *b = &after->disk[i], *a = find_disk(before, b->name);
        bool mine = false;

        for (unsigned j = 0; a && j < b->nr_shares && j < a->nr_shares; j++) {
            if (!strcmp(b->share[j].id, row->name)) {
                add_share(row, a, b, j);
                mine = true;
            }
        }
        mixed |= mine && !alone(a, b, row->name);
        ret = mine ? top_bins_add(&sum, &latency[i]) : 0;
    }
    if (!mixed) {
        percentiles(row, &sum);
    }
    free(sum.bin);
    return ret;
}

/* --- all rows --- */

static int fill(const struct top_sample *before, const struct top_sample *after,
                struct top_rows *out, struct top_bins *latency)
{
    int ret = 0;

    for (unsigned i = 0; i < after->nr_disks && ret == 0; i++) {
        const struct top_disk *b = &after->disk[i], *a = find_disk(before, b->name);
        struct top_row *row = &out->row[after->nr_threads + i];

        row_init(row, b->name, i);
        row->figure[TOP_IN_FLIGHT] = (double)b->in_flight;
        ret = a ? disk_rates(row, a, b, &latency[i]) : 0;
    }
    for (unsigned i = 0; i < after->nr_threads && ret == 0; i++) {
        const struct top_thread *t = &after->thread[i];

        row_init(&out->row[i], t->id, i);
        thread_row(&out->row[i], before, t);
        ret = add_disks(&out->row[i], before, after, latency);
    }
    return ret;
}

int top_rates(const struct top_sample *before, const struct top_sample *after, struct top_rows *out)
{
    unsigned nr = after->nr_threads + after->nr_disks;
    struct top_bins *latency = calloc(after->nr_disks + 1, sizeof(*latency));
    int ret = -ENOMEM;

    *out = (struct top_rows){.row = calloc(nr + 1, sizeof(*out->row)),
                             .nr_threads = after->nr_threads,
                             .nr_disks = after->nr_disks};
    if (latency && out->row) {
        ret = fill(before, after, out, latency);
    }
    for (unsigned i = 0; latency && i < after->nr_disks; i++) {
        free(latency[i].bin);
    }
    free(latency);
    if (ret < 0) {
        top_rows_free(out);
    }
    return ret;
}

void top_rows_free(struct top_rows *rows)
{
    free(rows->row);
    *rows = (struct top_rows){0};
}

/* --- order --- */

struct order {
    enum top_figure figure;
    bool reverse;
};

static int compare(const void *one, const void *two, void *opaque)
{
    const struct top_row *a = one, *b = two;
    const struct order *o = opaque;
    int sign = o->reverse ? -1 : 1;

    if (o->figure < TOP_FIGURES) {
        double x = a->figure[o->figure], y = b->figure[o->figure];

        if (isnan(x) != isnan(y)) {
            return isnan(x) ? 1 : -1;
        }
        if (x > y || x < y) {
            return x > y ? -sign : sign;
        }
        return a->index < b->index ? -1 : a->index > b->index;
    }
    return a->index < b->index ? -sign : sign;
}

void top_rows_sort(struct top_rows *rows, enum top_figure figure, bool reverse)
{
    struct order o = {.figure = figure, .reverse = reverse};

    if (rows->row) {
        qsort_r(rows->row, rows->nr_threads, sizeof(*rows->row), compare, &o);
        qsort_r(rows->row + rows->nr_threads, rows->nr_disks, sizeof(*rows->row), compare, &o);
    }
}

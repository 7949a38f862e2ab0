// SPDX-License-Identifier: MIT
/* What was measured and what follows from it: a table for people, JSON for programs. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench/advise/advise.h"
#include "cli/json-out.h"
#include "cli/median.h"
#include "cli/version.h"

/* A file with fewer of its blocks there is a matter for a note. */
#define WRITTEN_ENOUGH 0.9
#define NOTES_MAX      3

const char *const advise_wait_names[ADVISE_WAITS] = {
    [ADVISE_BLOCK] = "block",
    [ADVISE_COST] = "cost",
    [ADVISE_POLL] = "always poll",
};

const char *const advise_load_names[ADVISE_LOADS] = {
    [ADVISE_RANDOM_1] = "random 4K, depth 1",
    [ADVISE_RANDOM_32] = "random 4K, depth 32",
    [ADVISE_SEQUENTIAL] = "sequential 128K, depth 8",
};

struct spread {
    double median, min, max;
};

static struct spread wake_spread(const struct advise_data *d)
{
    double v[ADVISE_TURNS_MAX];
    struct spread s;

    memcpy(v, d->wake_ns, d->nr_turns * sizeof(*v));
    s.median = median(v, d->nr_turns);
    s.min = v[0]; /* sorted now */
    s.max = v[d->nr_turns - 1];
    return s;
}

/* What makes the figures others than a guest will see. Return: how many. */
static unsigned list_notes(const struct advise_data *d, char out[NOTES_MAX][ADVISE_TEXT_MAX])
{
    unsigned n = 0;

    if (!d->direct) {
        snprintf(out[n++], ADVISE_TEXT_MAX,
                 "Reads go through the page cache, the first ones from the medium, later ones from "
                 "memory: %s.",
                 d->why_cached);
    }
    if (d->written < WRITTEN_ENOUGH) {
        snprintf(out[n++], ADVISE_TEXT_MAX,
                 "Only %.0f %% of the file has blocks: reads of the rest come from nowhere, and "
                 "the disk looks faster than it is.",
                 d->written * 100);
    }
    if (d->cpus < 2) {
        snprintf(out[n++], ADVISE_TEXT_MAX,
                 "There is one CPU: figures of polling say how long it lasts, not what it is for.");
    }
    return n;
}

/* --- the table --- */

static void print_row(const struct advise_data *d, const struct advise_engine *e,
                      enum advise_wait wait, enum advise_load load, FILE *out)
{
    struct advise_figures f = advise_median(d, e, wait, load);

    fprintf(out, "%-25s %-10s %-12s %9.0f %8.1f %8.1f %8.1f %8.1f\n", advise_load_names[load],
            e->ops->name, advise_waits(e->ops) > 1 ? advise_wait_names[wait] : "-", f.iops,
            f.mean_ns / 1e3, f.p50_ns / 1e3, f.p99_ns / 1e3, f.cpu_ns / 1e3);
}

static void print_table(const struct advise_data *d, FILE *out)
{
    fprintf(out, "%-25s %-10s %-12s %9s %8s %8s %8s %8s\n", "reads", "engine", "policy", "IOPS",
            "mean us", "p50 us", "p99 us", "CPU us");
    for (unsigned load = 0; load < ADVISE_LOADS; load++) {
        fprintf(out, "\n");
        for (unsigned e = 0; e < d->nr_engines; e++) {
            for (unsigned w = 0; w < advise_waits(d->engines[e].ops); w++) {
                print_row(d, &d->engines[e], w, load, out);
            }
        }
    }
}

void advise_print(const struct advise_data *d, FILE *out)
{
    char reasons[ADVISE_REASONS][ADVISE_TEXT_MAX], notes[NOTES_MAX][ADVISE_TEXT_MAX];
    unsigned nr_notes = list_notes(d, notes);
    struct spread wake = wake_spread(d);
    struct advice a;
    char *options;

    fprintf(out, "%s: %" PRIu64 " MiB, %s\n", d->file, d->size >> 20,
            d->direct ? "read with O_DIRECT" : "read through the page cache");
    for (unsigned i = 0; i < nr_notes; i++) {
        fprintf(out, "note: %s\n", notes[i]);
    }
    fprintf(out, "\n");
    print_table(d, out);
    fprintf(
        out,
        "\nMedians of %u turn%s. us: from submission to completion; CPU us: of all threads, per "
        "read.\nA wake-up costs %.1f us (%.1f-%.1f), measured apart from the disk.\n\n",
        d->nr_turns, d->nr_turns == 1 ? "" : "s", wake.median / 1e3, wake.min / 1e3,
        wake.max / 1e3);

    advise_decide(d, &a);
    options = advise_options(d, &a);
    fprintf(out, "recommended:\n  %s\n\n", options ? options : "(out of memory)");
    free(options);
    for (unsigned i = 0, n = advise_explain(d, &a, reasons); i < n; i++) {
        fprintf(out, "%s\n", reasons[i]);
    }
}

/* --- JSON --- */

static json_t *cell_json(const struct advise_data *d, const struct advise_engine *e,
                         enum advise_wait wait, enum advise_load load)
{
    struct advise_figures f = advise_median(d, e, wait, load);

    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "reads", advise_load_names[load],
                     "engine", e->ops->name, "policy", advise_wait_names[wait], "iops", f.iops,
                     "lat_mean_ns", f.mean_ns, "lat_p50_ns", f.p50_ns, "lat_p99_ns", f.p99_ns,
                     "cpu_ns_per_read", f.cpu_ns);
}

static json_t *cells_json(const struct advise_data *d)
{
    json_t *cells = json_array();

    for (unsigned load = 0; load < ADVISE_LOADS; load++) {
        for (unsigned e = 0; e < d->nr_engines; e++) {
            for (unsigned w = 0; w < advise_waits(d->engines[e].ops); w++) {
                json_array_append_new(cells, cell_json(d, &d->engines[e], w, load));
            }
        }
    }
    return cells;
}

static json_t *texts_json(char texts[][ADVISE_TEXT_MAX], unsigned n)
{
    json_t *a = json_array();

    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(a, json_string(texts[i]));
    }
    return a;
}

static json_t *advice_json(const struct advise_data *d)
{
    char reasons[ADVISE_REASONS][ADVISE_TEXT_MAX];
    struct advice a;
    char *options;
    json_t *o;

    advise_decide(d, &a);
    options = advise_options(d, &a);
    o = options
            ? json_pack("{s:s, s:s, s:I, s:s, s:I, s:f, s:o, s:o}", "engine", a.engine->ops->name,
                        "poll_policy", a.policy->name, "poll_max_ns", (json_int_t)a.max_ns, "cache",
                        d->direct ? "none" : "writeback", "window_ns", (json_int_t)a.window_ns,
                        "reads_within_window", a.within, "options", json_text(options), "why",
                        texts_json(reasons, advise_explain(d, &a, reasons)))
            : NULL;
    free(options);
    return o;
}

int advise_print_json(const struct advise_data *d, FILE *out)
{
    char date[32], notes[NOTES_MAX][ADVISE_TEXT_MAX];
    struct spread wake = wake_spread(d);
    time_t now = time(NULL);
    struct utsname u;
    json_t *root;
    struct tm tm;
    int ret;

    uname(&u);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    root = json_pack("{s:i, s:s, s:s, s:s, s:o, s:I, s:b, s:i, s:{s:f, s:f, s:f}, s:o, s:o, s:o}",
                     "format", 1, "pollux", POLLUX_VERSION, "date", date, "kernel", u.release,
                     "disk", json_text(d->file), "size", (json_int_t)d->size, "o_direct", d->direct,
                     "turns", (int)d->nr_turns, "wake_ns", "median", wake.median, "min", wake.min,
                     "max", wake.max, "notes", texts_json(notes, list_notes(d, notes)), "cells",
                     cells_json(d), "advice", advice_json(d));
    ret = json_print(root, out);
    json_decref(root);
    return ret;
}

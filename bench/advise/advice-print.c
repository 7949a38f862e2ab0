// SPDX-License-Identifier: MIT
/* The measurements, in the table and the JSON of the bench, and the recommendation. */
#include "bench/advise/advice-print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench/advise/advice-text.h"
#include "bench/bench-json.h"
#include "bench/table.h"
#include "cli/json-out.h"
#include "cli/median.h"

/* A file with a smaller share of allocated blocks gets a note. */
#define WRITTEN_ENOUGH 0.9
#define NOTES_MAX      3

struct spread {
    double median, min, max;
};

static struct spread wake_spread(const struct advise_data *d)
{
    double v[ADVISE_WAKES];
    struct spread s;

    memcpy(v, d->wake_ns, sizeof(v));
    s.median = median(v, ADVISE_WAKES);
    s.min = v[0]; /* sorted now */
    s.max = v[ADVISE_WAKES - 1];
    return s;
}

/* Reasons why a guest may see other figures. Return: their number. */
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
                 "Only %.0f %% of the file has blocks. The kernel returns zeroes for the rest "
                 "without a read of the disk, so the disk looks faster than it is.",
                 d->written * 100);
    }
    if (d->cpus < 2) {
        snprintf(out[n++], ADVISE_TEXT_MAX,
                 "There is one CPU: figures of polling say how long it lasts, not what it is for.");
    }
    return n;
}

void advise_print(const struct advise_data *d, FILE *out)
{
    char reasons[ADVISE_REASONS][ADVISE_TEXT_MAX], notes[NOTES_MAX][ADVISE_TEXT_MAX];
    unsigned nr_notes = list_notes(d, notes);
    struct spread wake = wake_spread(d);
    struct advice a;
    char *options;

    fprintf(out, "%s: %" PRIu64 " MiB, %s\n", d->file, d->size >> 20,
            bench_server_engine(d->file) ? "read from its server"
            : d->direct                  ? "read with O_DIRECT"
                                         : "read through the page cache");
    for (unsigned i = 0; i < nr_notes; i++) {
        fprintf(out, "note: %s\n", notes[i]);
    }
    fprintf(out, "\n");
    bench_print_table(d->plan, false, out);
    fprintf(out,
            "Random reads without a guest; CPU is that of all threads.\nA wake-up costs %.1f us "
            "(%.1f-%.1f), measured apart from the disk.\n\n",
            wake.median / 1e3, wake.min / 1e3, wake.max / 1e3);

    advise_decide(d, &a);
    options = advise_options(d, &a);
    fprintf(out, "recommended:\n  %s\n\n", options ? options : "(out of memory)");
    free(options);
    for (unsigned i = 0, n = advise_explain(d, &a, reasons); i < n; i++) {
        fprintf(out, "%s\n", reasons[i]);
    }
}

/* --- JSON --- */

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
    o = options ? json_pack("{s:s, s:s, s:I, s:s, s:I, s:f, s:o, s:o}", "engine",
                            advise_engine(d, a.engine)->name, "poll_policy", a.policy->name,
                            "poll_max_ns", (json_int_t)a.max_ns, "cache",
                            d->direct ? "none" : "writeback", "window_ns", (json_int_t)a.window_ns,
                            "reads_within_window", a.within, "options", json_text(options), "why",
                            texts_json(reasons, advise_explain(d, &a, reasons)))
                : NULL;
    free(options);
    return o;
}

int advise_print_json(const struct advise_data *d, FILE *out)
{
    char notes[NOTES_MAX][ADVISE_TEXT_MAX];
    struct spread wake = wake_spread(d);
    json_t *root = bench_json(d->plan), *more;
    int ret = -1;

    more = json_pack("{s:o, s:I, s:b, s:{s:f, s:f, s:f}, s:o, s:o}", "disk", json_text(d->file),
                     "size", (json_int_t)d->size, "o_direct", d->direct, "wake_ns", "median",
                     wake.median, "min", wake.min, "max", wake.max, "notes",
                     texts_json(notes, list_notes(d, notes)), "advice", advice_json(d));
    if (root && more) {
        ret = json_object_update(root, more);
        json_object_set_new(json_object_get(root, "workload"), "guest", json_string("none"));
    }
    ret = json_print(ret < 0 ? NULL : root, out);
    json_decref(root);
    json_decref(more);
    return ret;
}

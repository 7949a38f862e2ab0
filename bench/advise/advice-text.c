// SPDX-License-Identifier: MIT
/* A recommendation as sentences and as options. */
#include "bench/advise/advice-text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT POLL_LATENCY_WEIGHT_DEFAULT
/* With a smaller share of reads inside the window, the text says that polling helps some reads. */
#define MOST 0.5

static double us(double ns)
{
    return ns / 1e3;
}

static void explain_window(const struct advise_data *d, const struct advice *a, char *out)
{
    struct bench_result polled = advise_median(d, a->engine, ADVISE_POLL, ADVISE_DEPTH_1);
    int n = snprintf(out, ADVISE_TEXT_MAX,
                     "Polled for, a read takes %.1f us at the median and %.1f us at p99; a wake-up "
                     "costs %.1f us. ",
                     us(polled.lat_p50_ns), us(polled.lat_p99_ns), us(a->wake_ns));
    char *to = out + n;
    size_t room = ADVISE_TEXT_MAX - (size_t)n;

    if (a->within >= MOST) {
        snprintf(to, room,
                 "At weight %d a wake-up is worth %.0f us of polling, so polling pays: cost will "
                 "poll for up to %.0f us, and %.0f %% of the reads complete within that time.",
                 WEIGHT, us((double)a->limit_ns), us((double)a->window_ns), a->within * 100);
    } else if (a->window_ns > 0 && a->within > 0.005) {
        snprintf(to, room,
                 "At weight %d a wake-up is worth %.0f us of polling, which pays only for the "
                 "quick reads: cost will poll for up to %.0f us, and %.0f %% of the reads "
                 "complete within that time.",
                 WEIGHT, us((double)a->limit_ns), us((double)a->window_ns), a->within * 100);
    } else {
        snprintf(to, room,
                 "Polling for reads will not pay at weight %d, which polls for %.0f us at most to "
                 "save a wake-up: cost will block for them, and poll only for a guest's next "
                 "request if it comes soon.",
                 WEIGHT, us((double)a->limit_ns));
    }
}

static void explain_block(const struct advise_data *d, const struct advice *a, char *out)
{
    switch (a->why_block) {
    case ADVICE_ONE_CPU:
        snprintf(out, ADVISE_TEXT_MAX,
                 "There is one CPU for this process: what an I/O thread spends on polling it takes "
                 "from the "
                 "guest that it waits for.");
        break;
    case ADVICE_CHEAP_WAKE:
        snprintf(out, ADVISE_TEXT_MAX,
                 "A wake-up costs %.1f us here, so there is nothing that polling could save.",
                 us(a->wake_ns));
        break;
    default:
        snprintf(out, ADVISE_TEXT_MAX,
                 "Polling made reads at depth 1 slower, %.1f us in place of %.1f us in the mean, "
                 "though a wake-up costs %.1f us: something else needs the CPU that it polls on.",
                 us(advise_median(d, a->engine, ADVISE_COST, ADVISE_DEPTH_1).lat_mean_ns),
                 us(advise_median(d, a->engine, ADVISE_BLOCK, ADVISE_DEPTH_1).lat_mean_ns),
                 us(a->wake_ns));
    }
}

static void explain_price(const struct advise_data *d, const struct advice *a, char *out)
{
    struct bench_result block = advise_median(d, a->engine, ADVISE_BLOCK, ADVISE_DEPTH_1);
    struct bench_result cost = advise_median(d, a->engine, a->wait, ADVISE_DEPTH_1);

    snprintf(out, ADVISE_TEXT_MAX,
             "At depth 1, %s with cost makes %.0f IOPS at %.1f us of CPU a read, and %.0f IOPS at "
             "%.1f us with block.",
             advise_engine(d, a->engine)->name, cost.iops, us(cost.cpu_ns), block.iops,
             us(block.cpu_ns));
}

static void explain_cap(const struct advise_data *d, const struct advice *a, char *out)
{
    double p99 = advise_median(d, a->engine, ADVISE_POLL, ADVISE_DEPTH_1).lat_p99_ns;
    const char *why;

    if (a->limit_ns <= a->max_ns) {
        why = "is what a wake-up is worth in polling";
    } else if (p99 > (double)POLL_MAX_NS_QEMU) {
        why = "covers 99 % of the reads";
    } else {
        why = "is more than 99 % of the reads take; a guest that pauses between requests needs it";
    }
    snprintf(out, ADVISE_TEXT_MAX, "The cap, %.0f us, %s.", us((double)a->max_ns), why);
}

static void explain_engine(const struct advise_data *d, const struct advice *a, char *out)
{
    if (bench_server_engine(d->file)) {
        snprintf(out, ADVISE_TEXT_MAX, "Engine %s is the one for such disks.",
                 advise_engine(d, a->engine)->name);
    } else if (a->engine != a->usual) {
        snprintf(out, ADVISE_TEXT_MAX,
                 "Engine %s makes %.2f times the IOPS of %s (mean of depth 1 and 32).",
                 advise_engine(d, a->engine)->name, a->engine_ratio,
                 advise_engine(d, a->usual)->name);
    } else {
        snprintf(out, ADVISE_TEXT_MAX,
                 "Engine %s is the usual one%s, and none is faster beyond what the turns differ "
                 "by.",
                 advise_engine(d, a->usual)->name, d->direct ? "" : " without O_DIRECT");
    }
}

unsigned advise_explain(const struct advise_data *d, const struct advice *a,
                        char out[ADVISE_REASONS][ADVISE_TEXT_MAX])
{
    unsigned n = 0;

    if (a->why_block) {
        explain_block(d, a, out[n++]);
    } else {
        explain_window(d, a, out[n++]);
        explain_price(d, a, out[n++]);
        explain_cap(d, a, out[n++]);
    }
    explain_engine(d, a, out[n++]);
    return n;
}

/* As the value of an option: commas are doubled. Return: the end of the text. */
static char *put_value(char *to, const char *from)
{
    for (; *from; from++) {
        if (*from == ',') {
            *to++ = ',';
        }
        *to++ = *from;
    }
    *to = '\0';
    return to;
}

/* As one word for a shell. */
static char *put_word(char *to, const char *from)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./,=:@%+-";

    if (from[strspn(from, plain)] == '\0') {
        return stpcpy(to, from);
    }
    *to++ = '\'';
    for (; *from; from++) {
        to = *from == '\'' ? stpcpy(to, "'\\''") : (*to = *from, to + 1);
    }
    return stpcpy(to, "'");
}

char *advise_options(const struct advise_data *d, const struct advice *a)
{
    /* A comma becomes two, a quote four characters. */
    size_t room = 512 + 8 * strlen(d->file);
    char *disk = malloc(room), *out = malloc(room), *to = disk;

    if (!disk || !out) {
        free(disk);
        free(out);
        return NULL;
    }
    if (bench_server_engine(d->file)) { /* its key names the engine */
        put_value(to, d->file);
    } else {
        to = put_value(stpcpy(to, "file="), d->file);
        sprintf(to, ",engine=%s,cache=%s%s", advise_engine(d, a->engine)->name,
                d->direct ? "none" : "writeback", d->writable ? "" : ",readonly=on");
    }
    to = out + sprintf(out, "--iothread id=io0,poll-policy=%s", a->policy->name);
    if (a->max_ns) {
        to += sprintf(to, ",poll-max-ns=%" PRIu64, a->max_ns);
    }
    put_word(stpcpy(to, " --disk "), disk);
    free(disk);
    return out;
}

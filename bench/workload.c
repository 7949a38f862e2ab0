// SPDX-License-Identifier: MIT
/* Groups and variants as text: parsed from options, sent to the guest, and printed. */
#include "bench/workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *bench_format_time(uint64_t ns, char *buf, size_t size)
{
    if (ns == 0) {
        return "0";
    }
    if (ns % 1000000 == 0) {
        snprintf(buf, size, "%" PRIu64 "ms", ns / 1000000);
    } else if (ns % 1000 == 0) {
        snprintf(buf, size, "%" PRIu64 "us", ns / 1000);
    } else {
        snprintf(buf, size, "%" PRIu64 "ns", ns);
    }
    return buf;
}

static const char *format_size(uint64_t bytes, char *buf, size_t size)
{
    if (bytes && bytes % (1 << 20) == 0) {
        snprintf(buf, size, "%" PRIu64 "M", bytes >> 20);
    } else if (bytes && bytes % 1024 == 0) {
        snprintf(buf, size, "%" PRIu64 "K", bytes >> 10);
    } else {
        snprintf(buf, size, "%" PRIu64, bytes);
    }
    return buf;
}

void bench_format_group(const char *disk, const char *engine, uint64_t bs, unsigned depth,
                        const char *pause, char *buf, size_t size)
{
    const bool pausing = strcmp(pause, "0") != 0;
    char bytes[32];

    snprintf(buf, size, "%s, %s, %s, depth %u%s%s", disk, engine,
             format_size(bs, bytes, sizeof(bytes)), depth, pausing ? ", pause " : "",
             pausing ? pause : "");
}

void bench_group_name(const struct bench_group *group, char *buf, size_t size)
{
    bench_format_group(group->disk->name, group->disk->engine->name, group->bs, group->depth,
                       group->pause, buf, size);
}

void bench_format_variant(const char *runner, const char *policy, unsigned idle, bool packed,
                          const char *cap, char *buf, size_t size)
{
    const bool pollux = !strcmp(runner, "pollux");
    char number[16] = "";

    if (idle) {
        snprintf(number, sizeof(number), "+%u", idle);
    }
    snprintf(buf, size, "%s%s%s%s%s%s%s", pollux ? "" : runner, pollux || !*policy ? "" : " ",
             policy, number, packed ? "/packed" : "", *cap ? " " : "", cap);
}

void bench_variant_name(const struct bench_variant *v, bool cap, char *buf, size_t size)
{
    char max_ns[24] = "";

    if (cap && v->max_ns) {
        snprintf(max_ns, sizeof(max_ns), "%" PRIu64, v->max_ns);
    }
    bench_format_variant(v->runner->name, v->policy ? v->policy->name : "", v->idle, v->packed,
                         max_ns, buf, size);
}

#define PAUSE_LIMIT_NS 1000000000

static const struct option_key time_key = {.kind = OPTION_TIME, .max = PAUSE_LIMIT_NS};
static const struct option_key percent_key = {.kind = OPTION_NUMBER, .max = 100};

/* What follows the name of a distribution. */
static const struct distribution {
    const char *name;
    unsigned nr_values;
    const struct option_key *keys[3];
    const char *form;
} distributions[] = {
    {"exp", 1, {&time_key}, "exp:MEAN"},
    {"bimodal", 3, {&time_key, &time_key, &percent_key}, "bimodal:SHORT:LONG:PERCENT"},
    {"on-off", 2, {&time_key, &time_key}, "on-off:ON:OFF"},
};

static int parse_distribution(const struct distribution *d, char *values, char *out, size_t size,
                              struct error *err)
{
    size_t used = (size_t)snprintf(out, size, "%s", d->name);
    unsigned n = 0;
    char *rest = values;

    for (char *text; n < d->nr_values && (text = strsep(&rest, ":")); n++) {
        char buf[32];
        uint64_t value;
        int ret = option_value(d->keys[n], "--pause", text, &value, err);

        if (ret < 0) {
            return ret;
        }
        if (d->keys[n] == &time_key) {
            used += (size_t)snprintf(out + used, size - used, ":%s",
                                     bench_format_time(value, buf, sizeof(buf)));
        } else {
            used += (size_t)snprintf(out + used, size - used, ":%" PRIu64, value);
        }
    }
    if (n < d->nr_values || rest) {
        return error_set(err, -EINVAL, "--pause: expected %s", d->form);
    }
    return 0;
}

int bench_pause_parse(const char *text, char out[BENCH_PAUSE_MAX], struct error *err)
{
    char copy[BENCH_PAUSE_MAX], *values, buf[32];
    uint64_t ns;
    int ret;

    if (strlen(text) >= sizeof(copy)) {
        return error_set(err, -EINVAL, "--pause: '%s' is too long", text);
    }
    strcpy(copy, text);
    values = strchr(copy, ':');
    if (!values) {
        ret = option_value(&time_key, "--pause", text, &ns, err);
        if (ret == 0) {
            snprintf(out, BENCH_PAUSE_MAX, "%s", bench_format_time(ns, buf, sizeof(buf)));
        }
        return ret;
    }
    *values++ = '\0';
    for (size_t i = 0; i < sizeof(distributions) / sizeof(distributions[0]); i++) {
        if (!strcmp(copy, distributions[i].name)) {
            return parse_distribution(&distributions[i], values, out, BENCH_PAUSE_MAX, err);
        }
    }
    return error_set(err, -EINVAL,
                     "--pause: '%s' is not known; it takes a time, exp:MEAN, "
                     "bimodal:SHORT:LONG:PERCENT or on-off:ON:OFF",
                     text);
}

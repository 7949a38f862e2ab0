// SPDX-License-Identifier: MIT
/*
 * Traces of waits, as `pollux replay` reads them: what is taken is whole and within bounds, reads
 * the same after it was written, and every policy can be run over it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aio/waits/replay.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 4096
#define HOUR_NS  3600000000000ull

#define HEAD "pollux-waits 1\nwake-ns 30000\nwake-cpu-ns 5000\nbusy-ns 2000\n"

static const char *const texts[] = {
    HEAD "source kick\n10000\n40000\n500000\n",
    HEAD "source kick\nsource disk counted\n123 f1\n90000 b7 p4000 f3 o2\n5 f0 x\n# end\n",
    HEAD "source a\n83643 f1\n1 b3600000000000\nsource b counted\n3600000000000 p9 f2 o2 x\n",
    HEAD,
};

static const char *const words[] = {"\n",
                                    "source ",
                                    "counted",
                                    " f",
                                    " o",
                                    " b",
                                    " p",
                                    " x",
                                    "wake-ns",
                                    "0",
                                    "1",
                                    "#",
                                    "busy-ns",
                                    "wake-cpu-ns",
                                    " fffff ",
                                    "32768",
                                    "9999",
                                    "200000",
                                    "\n10\n",
                                    "\n7 p8",
                                    "18446744073709551615",
                                    "f8",
                                    "o3",
                                    "p0",
                                    "\nsource s counted\n",
                                    "3600000000000"};

static size_t seed(unsigned i, uint8_t *out, size_t max)
{
    size_t len = i < sizeof(texts) / sizeof(texts[0]) ? strlen(texts[i]) : 0;

    memcpy(out, texts[i < sizeof(texts) / sizeof(texts[0]) ? i : 0], len);
    return len;
}

static size_t mutate(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    if (fuzz_random(random, 2)) {
        return fuzz_mutate_bytes(data, size, max);
    }
    return fuzz_mutate_words(data, size, max, words, sizeof(words) / sizeof(words[0]), random);
}

static int read_text(const char *text, size_t size, struct waits *t, struct error *err)
{
    FILE *in = fmemopen((void *)text, size, "r");
    int ret;

    FUZZ_CHECK(in, "fmemopen");
    ret = waits_read(in, "fuzz", t, err);
    fclose(in);
    return ret;
}

static void check_bounds(const struct waits *t)
{
    uint64_t all = t->nr_sources == 64 ? UINT64_MAX : (1ull << t->nr_sources) - 1;

    FUZZ_CHECK(t->nr_sources <= WAITS_SOURCES_MAX, "%u sources", t->nr_sources);
    FUZZ_CHECK(t->wake_ns <= HOUR_NS && t->wake_cpu_ns <= HOUR_NS && t->busy_ns <= HOUR_NS,
               "settings");
    for (size_t i = 0; i < t->nr_waits; i++) {
        const struct wait_record *w = &t->waits[i];

        FUZZ_CHECK(w->wait_ns <= HOUR_NS && w->busy_ns <= HOUR_NS, "wait %zu is too long", i);
        FUZZ_CHECK(w->polled_ns <= w->wait_ns, "wait %zu polled longer than it waited", i);
        FUZZ_CHECK(!((w->ready | w->in_flight) & ~all), "wait %zu names sources that are not there",
                   i);
    }
}

static void check_rewritten(const struct waits *t)
{
    struct waits again;
    struct error err;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    FUZZ_CHECK(waits_write_header(out, t) == 0, "header");
    for (size_t i = 0; i < t->nr_waits; i++) {
        FUZZ_CHECK(waits_write(out, t, &t->waits[i]) == 0, "wait %zu", i);
    }
    fclose(out);
    FUZZ_CHECK(read_text(text, size, &again, &err) == 0, "%s, in what was written:\n%s", err.msg,
               text);
    FUZZ_CHECK(again.nr_waits == t->nr_waits && again.nr_sources == t->nr_sources &&
                   again.wake_ns == t->wake_ns && again.wake_cpu_ns == t->wake_cpu_ns &&
                   again.busy_ns == t->busy_ns,
               "the header changed");
    for (unsigned i = 0; i < t->nr_sources; i++) {
        FUZZ_CHECK(!strcmp(t->sources[i].name, again.sources[i].name) &&
                       t->sources[i].counted == again.sources[i].counted,
                   "source %u changed", i);
    }
    for (size_t i = 0; i < t->nr_waits; i++) {
        const struct wait_record *a = &t->waits[i], *b = &again.waits[i];

        FUZZ_CHECK(a->busy_ns == b->busy_ns && a->wait_ns == b->wait_ns && a->ready == b->ready &&
                       a->in_flight == b->in_flight && a->blocked == b->blocked &&
                       a->off_cpu == b->off_cpu && (!a->blocked || a->polled_ns == b->polled_ns),
                   "wait %zu changed", i);
    }
    waits_free(&again);
    free(text);
}

static void check_replay(const struct waits *t)
{
    const struct poll_policy_ops *policy;
    size_t counted = 0;

    for (size_t i = 0; i < t->nr_waits; i++) {
        counted += !t->waits[i].off_cpu;
    }
    for (unsigned i = 0; (policy = poll_policy_at(i)); i++) {
        struct poll_params params;
        struct replay_result r;

        poll_params_default(&params);
        params.policy = policy;
        params.max_ns = 200000;
        FUZZ_CHECK(replay_run(&params, t, &r) == 0, "%s", policy->name);
        FUZZ_CHECK(r.waits == counted && r.hits + r.blocks == r.waits && r.misses <= r.blocks,
                   "%s: %zu waits, %zu hits, %zu blocks, %zu misses", policy->name, (size_t)r.waits,
                   (size_t)r.hits, (size_t)r.blocks, (size_t)r.misses);
        FUZZ_CHECK(r.polled_ns <= r.waits * params.max_ns, "%s: polled %zu ns in %zu waits",
                   policy->name, (size_t)r.polled_ns, (size_t)r.waits);
    }
}

static void run(const uint8_t *data, size_t size)
{
    struct error err = {""};
    struct waits t;

    if (size == 0 || size > TEXT_MAX) {
        return;
    }
    if (read_text((const char *)data, size, &t, &err) < 0) {
        FUZZ_CHECK(!strncmp(err.msg, "fuzz:", 5) && !t.waits, "\"%s\"", err.msg);
        return;
    }
    check_bounds(&t);
    check_rewritten(&t);
    check_replay(&t);
    waits_free(&t);
}

const struct fuzz_target fuzz_target = {.seed = seed, .mutate = mutate, .run = run};

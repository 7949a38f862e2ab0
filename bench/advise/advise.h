// SPDX-License-Identifier: MIT
/*
 * pollux advise: measure a disk without a guest, then say how to run it.
 *
 * Each engine that works on the disk reads it from an I/O thread of its own, blocking and polling,
 * in short slices that take turns, so that a slow moment of the host meets all of them. What a
 * wake-up costs is measured apart from the disk. From these figures, and from nothing else, a pure
 * function makes the recommendation.
 */
#ifndef POLLUX_BENCH_ADVISE_ADVISE_H
#define POLLUX_BENCH_ADVISE_ADVISE_H

#include <stdio.h>

#include "aio/policy/policy.h"
#include "base/histogram.h"
#include "engine/engine.h"

#define ADVISE_ENGINES_MAX 5
#define ADVISE_TURNS_MIN   3 /* for saying that one thing is faster than another */
#define ADVISE_TURNS_MAX   64

enum advise_load {
    ADVISE_RANDOM_1,
    ADVISE_RANDOM_32,
    ADVISE_SEQUENTIAL,
    ADVISE_LOADS,
};

/* How the I/O thread waits. */
enum advise_wait {
    ADVISE_BLOCK,
    ADVISE_COST,
    ADVISE_POLL, /* always, however long a read takes */
    ADVISE_WAITS,
};

/* Of one slice, or the medians of several. */
struct advise_figures {
    double iops;
    double mean_ns, p50_ns, p99_ns; /* from submission to completion */
    double cpu_ns;                  /* of all threads, per read */
};

struct advise_engine {
    const struct engine_ops *ops;
    struct advise_figures turn[ADVISE_WAITS][ADVISE_LOADS][ADVISE_TURNS_MAX];
    uint64_t reads[HIST_BUCKETS]; /* at depth 1, polled for, by time: see hist_bucket() */
};

struct advise_data {
    const char *file;
    uint64_t size;
    bool direct;                    /* around the page cache */
    char why_cached[ERROR_MSG_MAX]; /* if not @direct */
    bool writable;                  /* by this user */
    double written;                 /* share of the file that has blocks */
    unsigned cpus;
    unsigned nr_engines, nr_turns; /* complete ones */
    double wake_ns[ADVISE_TURNS_MAX];
    struct advise_engine engines[ADVISE_ENGINES_MAX]; /* in the order of engine_at() */
};

static inline unsigned advise_waits(const struct engine_ops *ops)
{
    return ops == &engine_sync ? 1 : ADVISE_WAITS; /* nothing that one could wait for */
}

/* --- read.c --- */

struct advise_reader;

/**
 * advise_reader_new - buffers for reading @image, which must outlive it
 * Return: NULL if there is no memory. advise_reader_free() frees; NULL is allowed.
 */
struct advise_reader *advise_reader_new(const struct image *image);
void advise_reader_free(struct advise_reader *r);

/**
 * advise_reader_probe - can @ops be opened on this image?
 * Return: 0, or -errno and @err.
 */
int advise_reader_probe(struct advise_reader *r, const struct engine_ops *ops, struct error *err);

/**
 * advise_read - one slice: an engine in a fresh I/O thread, always as many reads in flight
 * @time_ns: how long; at least two reads are waited for
 * @stop_fd: when it becomes readable the slice ends at once
 * @reads:   NULL, or the reads are added to it by time
 * Return: 0 and @out; -EINTR when stopped; else -errno and @err.
 */
int advise_read(struct advise_reader *r, const struct engine_ops *ops, enum advise_wait wait,
                enum advise_load load, uint64_t time_ns, int stop_fd, struct advise_figures *out,
                uint64_t reads[HIST_BUCKETS], struct error *err);

/* --- wake.c --- */

/**
 * advise_wake - what it costs an I/O thread, in latency, to be woken up instead of polling
 * Return: 0 and *@ns, below 0 if the measurement was disturbed; or -errno and @err.
 */
int advise_wake(double *ns, struct error *err);

/* --- rule.c --- */

/* Why not to poll at all. */
enum advice_block {
    ADVICE_POLL,
    ADVICE_ONE_CPU,
    ADVICE_CHEAP_WAKE,
    ADVICE_SLOWER, /* than blocking, as measured */
};

struct advice {
    const struct advise_engine *engine;
    double engine_ratio; /* its IOPS over those of the engine that pollux run would take */
    const struct advise_engine *usual;
    const struct poll_policy_ops *policy;
    enum advice_block why_block;
    uint64_t max_ns; /* 0 with policy block */
    enum advise_wait wait;
    double wake_ns;     /* median */
    uint64_t limit_ns;  /* what a wake-up is worth in spinning */
    uint64_t window_ns; /* for how long policy cost will spin for a read at depth 1 */
    double within;      /* share of the reads that come in this window */
};

/**
 * advise_median - of all turns
 */
struct advise_figures advise_median(const struct advise_data *d, const struct advise_engine *e,
                                    enum advise_wait wait, enum advise_load load);

/**
 * advise_decide - what the figures say; there must be a complete turn
 */
void advise_decide(const struct advise_data *d, struct advice *out);

#define ADVISE_REASONS  4
#define ADVISE_TEXT_MAX 700

/**
 * advise_explain - sentences, with the figures that led to them
 * Return: how many.
 */
unsigned advise_explain(const struct advise_data *d, const struct advice *a,
                        char out[ADVISE_REASONS][ADVISE_TEXT_MAX]);

/**
 * advise_options - the options for pollux run, as they are written in a shell
 * Return: NULL if there is no memory; free() it.
 */
char *advise_options(const struct advise_data *d, const struct advice *a);

/* --- report.c --- */

extern const char *const advise_wait_names[ADVISE_WAITS];
extern const char *const advise_load_names[ADVISE_LOADS];

void advise_print(const struct advise_data *d, FILE *out);

/**
 * advise_print_json - the same as one JSON object
 * Return: 0 or -ENOMEM.
 */
int advise_print_json(const struct advise_data *d, FILE *out);

#endif

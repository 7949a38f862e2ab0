// SPDX-License-Identifier: MIT
/*
 * Recorded waits of an event loop, the input of a poll policy.
 *
 * The format is text, one wait to a line; docs/waits.md describes it.
 */
#ifndef POLLUX_AIO_WAITS_FILE_H
#define POLLUX_AIO_WAITS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define WAITS_SOURCES_MAX 64
#define WAITS_NAME_MAX    31

struct wait_record {
    uint64_t busy_ns;   /* from the end of the wait before to the start of this one */
    uint64_t wait_ns;   /* how long it was, as the loop saw it */
    uint64_t polled_ns; /* of these, spent polling; means something only if blocked */
    uint64_t ready;     /* bit i: source i was ready at the end; 0: something else ended it */
    uint64_t in_flight; /* bit i: source i had requests in flight when the wait began */
    bool blocked;       /* the loop blocked: wait_ns includes a wake-up */
    bool off_cpu;       /* the thread was preempted meanwhile */
};

struct waits_source {
    char name[WAITS_NAME_MAX + 1];
    bool counted; /* it has events only while requests are in flight */
};

struct waits {
    uint64_t wake_ns;     /* what blocking adds to the latency of an event */
    uint64_t wake_cpu_ns; /* CPU time that blocking once takes */
    uint64_t busy_ns;     /* for waits without bN */
    unsigned nr_sources;
    struct waits_source sources[WAITS_SOURCES_MAX];
    size_t nr_waits;
    struct wait_record *waits;
};

/**
 * waits_read - read a whole file
 * @name: of the file, for messages
 * @out:  filled on success; waits_free() frees
 * Return: 0; -EINVAL: no file of waits, -ENOMEM or -EIO; @err has the line and the reason.
 */
int waits_read(FILE *in, const char *name, struct waits *out, struct error *err);
void waits_free(struct waits *t);

/**
 * waits_write_header - begin a file: settings, and the sources that are known
 * waits_write_wake_ns - write W, which replaces the header's figure; any time later
 * waits_write_source - name a source, before the first wait that refers to it
 * waits_write - one wait; of @t only busy_ns is used, which must be as in the header
 * Return: 0 or -EIO.
 */
int waits_write_header(FILE *out, const struct waits *t);
int waits_write_wake_ns(FILE *out, uint64_t ns);
int waits_write_source(FILE *out, const struct waits_source *s);
int waits_write(FILE *out, const struct waits *t, const struct wait_record *w);

#endif

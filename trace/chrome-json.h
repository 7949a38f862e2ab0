// SPDX-License-Identifier: MIT
/* Shared by the files that write a trace: the state of a track, and pieces of JSON. */
#ifndef POLLUX_TRACE_CHROME_JSON_H
#define POLLUX_TRACE_CHROME_JSON_H

#include <stddef.h>

#include "trace/track.h"

#define TRACE_DEPTH_MAX 16

struct trace_requests {
    struct trace_request *table; /* open addressing, by address */
    size_t room, nr;
    struct trace_request **used; /* used, not shown to the driver yet */
    size_t nr_used;
    bool no_memory;
};

/* One track while it is written. */
struct trace_writer {
    FILE *out;
    const struct trace_track *track;
    unsigned tid;
    uint64_t base_ns;
    bool first; /* nothing was written yet, so no comma */

    const struct trace_entry *entries; /* in order of time */
    uint64_t nr_entries, at;
    enum trace_event open[TRACE_DEPTH_MAX]; /* the begins of the slices that are open */
    unsigned depth;

    struct trace_requests requests;
    uint64_t *next_request; /* of the whole file */
};

/* --- chrome-json.c --- */

const char *trace_event_name(unsigned event);

/**
 * trace_put_head - begin a record; the caller adds members and ends it
 * @phase: as the format names it
 * @name:  NULL: none
 */
void trace_put_head(struct trace_writer *w, const char *phase, const char *name, uint64_t ns);

/**
 * trace_put_args - the arguments of an event, and the end of the record
 */
void trace_put_args(struct trace_writer *w, const struct trace_entry *e);
void trace_put_text(FILE *out, const char *s);

/* --- requests.c --- */

/**
 * trace_put_request - an event of a request's life
 * trace_close_requests - @last is the end of the track: no request stays open
 */
void trace_put_request(struct trace_writer *w, const struct trace_entry *e);
void trace_close_requests(struct trace_writer *w, const struct trace_entry *last);

#endif

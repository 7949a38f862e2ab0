// SPDX-License-Identifier: MIT
/* A track as trace.c records it and write.c reads it. Private to trace/. */
#ifndef POLLUX_TRACE_TRACK_H
#define POLLUX_TRACE_TRACK_H

#include <pthread.h>

#include "base/list.h"
#include "trace/trace.h"

struct trace_entry {
    uint64_t ns;
    uint64_t event; /* enum trace_event */
    uint64_t args[4];
};

struct trace_track {
    struct trace *trace;
    struct list node; /* trace->tracks */
    const char *group;
    unsigned pid; /* number of the group */
    bool shared;
    uint64_t mask;  /* size of the ring, less 1 */
    uint64_t count; /* events so far; the newest mask + 1 of them are there */
    struct trace_entry *ring;
    char name[32];
};

struct trace {
    uint64_t (*clock)(void);
    uint64_t size;
    pthread_mutex_t lock; /* of what follows */
    const char *group;    /* of new tracks */
    unsigned pid;
    struct list tracks; /* in the order in which they were made */
    struct list names;
};

#endif

// SPDX-License-Identifier: MIT
/*
 * Tracing: static probes for tools that attach to a running program, and recorded tracks that
 * become a trace file.
 *
 * For each event of trace/events.h there is a function trace_NAME(track, arguments...). It has
 * a static probe of provider "pollux" if <sys/sdt.h> is there at build time, which costs one nop;
 * and it records the event if @track is not NULL, which costs one predictable branch when it is.
 *
 * A track is a ring in memory of fixed size, written by one thread without locks. The newest events
 * stay, older ones are overwritten and counted. The file is written at the end, when the threads
 * have been joined, so writing needs no synchronisation.
 */
#ifndef POLLUX_TRACE_TRACE_H
#define POLLUX_TRACE_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "trace/events.h"

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif
#ifndef STAP_PROBE1
#define STAP_PROBE1(provider, name, a)          (void)0
#define STAP_PROBE2(provider, name, a, b)       (void)0
#define STAP_PROBE3(provider, name, a, b, c)    (void)0
#define STAP_PROBE4(provider, name, a, b, c, d) (void)0
#endif

#define TRACE_EVENTS_DEFAULT (1u << 18) /* of one track, 12 MiB */

struct trace;
struct trace_track;

/**
 * trace_new - a trace with no track yet
 * @events: room in each track, rounded up to a power of 2
 * @clock:  ns; NULL: CLOCK_MONOTONIC. Tests pass their own
 * Return: NULL if memory is out. trace_free() frees.
 */
struct trace *trace_new(unsigned events, uint64_t (*clock)(void));

/**
 * trace_free - free a trace and its tracks; no thread may record any more. NULL is allowed
 */
void trace_free(struct trace *t);

/**
 * trace_group - tracks made from here on belong to another group, a process in the file
 * @name: copied. Before the first call the group is "pollux".
 */
void trace_group(struct trace *t, const char *name);

/**
 * trace_track_new - add a track
 * @t:      NULL is allowed: then there is no track
 * @name:   of the thread or place, copied
 * @shared: several threads write it; else one at a time, handed over with synchronisation
 * Context: any thread. The trace owns the track.
 * Return: NULL if memory is out: the events of the track are then not recorded.
 */
struct trace_track *trace_track_new(struct trace *t, const char *name, bool shared);

/**
 * trace_name - text that lives as long as the trace
 * Context: any thread. Not for hot paths.
 * Return: a copy of @name, the same one for equal names; static text if memory is out.
 */
const char *trace_name(struct trace_track *track, const char *name);

/**
 * trace_write - all tracks as Chrome trace-event JSON, for https://ui.perfetto.dev
 * Context: no thread records any more.
 * Return: 0, or -EIO or -ENOMEM.
 */
int trace_write(const struct trace *t, FILE *out);

/* Called by trace_NAME() if there is a track. */
__attribute__((cold)) void trace_record(struct trace_track *track, unsigned event, uint64_t a,
                                        uint64_t b, uint64_t c, uint64_t d);

#define TRACE_ID_(name, ...) TRACE_##name,
enum trace_event { TRACE_EVENTS(TRACE_ID_, TRACE_ID_, TRACE_ID_, TRACE_ID_) TRACE_EVENTS_COUNT };
#undef TRACE_ID_

#define TRACE_RECORD_(name, a, b, c, d)                                                            \
    if (__builtin_expect(track != NULL, 0)) {                                                      \
        trace_record(track, TRACE_##name, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c),             \
                     (uint64_t)(d));                                                               \
    }
/* A probe without a reader costs a nop and a test: less than a call. */
#define TRACE_INLINE_ static inline __attribute__((always_inline))

#define TRACE_E1_(name, ta, a)                                                                     \
    TRACE_INLINE_ void trace_##name(struct trace_track *track, ta a)                               \
    {                                                                                              \
        STAP_PROBE1(pollux, name, a);                                                              \
        TRACE_RECORD_(name, a, 0, 0, 0)                                                            \
    }
#define TRACE_E2_(name, ta, a, tb, b)                                                              \
    TRACE_INLINE_ void trace_##name(struct trace_track *track, ta a, tb b)                         \
    {                                                                                              \
        STAP_PROBE2(pollux, name, a, b);                                                           \
        TRACE_RECORD_(name, a, b, 0, 0)                                                            \
    }
#define TRACE_E3_(name, ta, a, tb, b, tc, c)                                                       \
    TRACE_INLINE_ void trace_##name(struct trace_track *track, ta a, tb b, tc c)                   \
    {                                                                                              \
        STAP_PROBE3(pollux, name, a, b, c);                                                        \
        TRACE_RECORD_(name, a, b, c, 0)                                                            \
    }
#define TRACE_E4_(name, ta, a, tb, b, tc, c, td, d)                                                \
    TRACE_INLINE_ void trace_##name(struct trace_track *track, ta a, tb b, tc c, td d)             \
    {                                                                                              \
        STAP_PROBE4(pollux, name, a, b, c, d);                                                     \
        TRACE_RECORD_(name, a, b, c, d)                                                            \
    }
TRACE_EVENTS(TRACE_E1_, TRACE_E2_, TRACE_E3_, TRACE_E4_)

#endif

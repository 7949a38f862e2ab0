// SPDX-License-Identifier: MIT
/*
 * A loop on a virtual clock, and an event source that counts every call: tests of the event loop
 * step them by hand.
 *
 * The clock ticks CLOCK_STEP_NS at each look, so that spinning ends after a known number of looks
 * and nothing depends on the speed of the machine.
 */
#ifndef POLLUX_TESTS_LOOP_FIXTURE_H
#define POLLUX_TESTS_LOOP_FIXTURE_H

#include <check.h>

#include "aio/aio.h"

#define CLOCK_STEP_NS 100

/* How many file descriptor monitors there are; loop tests run on each, by its index. */
int monitor_count(void);

/* The policy of that name, or NULL. */
const struct poll_policy_ops *policy_named(const char *name);

/* --- the virtual clock; each test runs in a process of its own --- */

uint64_t virtual_clock(void);
uint64_t virtual_now(void); /* without a tick */
void virtual_clock_advance(uint64_t ns);

/* --- loops --- */

/* On the virtual clock; polls for exactly @max_ns (policy `fixed`). */
AioContext *loop_new(int monitor, uint64_t max_ns);
AioContext *loop_new_with(int monitor, struct poll_params params, uint64_t (*clock)(void));
/* Asserts that nothing is left in it. */
void loop_free(AioContext *ctx);
struct aio_stats loop_stats(AioContext *ctx);
/* Iterates without blocking until nothing runs, at most 100 times. */
void loop_drain(AioContext *ctx);

/* --- an event source: an eventfd, and a counter that its poll callback looks at --- */

struct source {
    struct aio_handler h;
    AioContext *ctx;
    int fd;
    unsigned pending;          /* events that poll() sees */
    const unsigned *in_flight; /* count of requests in flight; NULL: none */

    unsigned looks;  /* poll() calls */
    unsigned ready;  /* ready() calls */
    unsigned polled; /* poll_ready() calls */
    unsigned begins, ends;
    bool polling; /* between poll_begin and poll_end; their turns are asserted */

    unsigned event_after_looks;        /* > 0: an event comes at that look */
    bool event_in_poll_end;            /* an event comes while notifications are re-enabled */
    void (*then)(struct source *s);    /* called by ready() and poll_ready() */
    void (*in_poll)(struct source *s); /* called by poll() */
    void (*in_poll_end)(struct source *s);
};

/* Watched by its descriptor only. */
void source_add_fd(struct source *s, AioContext *ctx);
/* Can be polled, too. */
void source_add(struct source *s, AioContext *ctx);
/* Removes the handler and closes the descriptor; the counters stay. */
void source_remove(struct source *s);
/* Makes the descriptor readable. */
void source_fire(struct source *s);
/* Handler callbacks so far. */
unsigned source_runs(const struct source *s);

#endif

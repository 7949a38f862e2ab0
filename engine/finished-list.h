// SPDX-License-Identifier: MIT
/*
 * Results that other threads return to a loop: a lock-free stack, which the loop polls with one load
 * and takes as a whole, and an eventfd for a loop that blocks.
 */
#ifndef POLLUX_ENGINE_FINISHED_LIST_H
#define POLLUX_ENGINE_FINISHED_LIST_H

#include "aio/aio.h"

/* Embedded in what is returned. */
struct finished {
    struct finished *next; /* private */
};

struct finished_list {
    struct aio_handler handler;
    int event_fd;
    unsigned in_flight; /* announced by finished_list_expect(), and not taken */
    void (*done)(struct finished *f);

    _Alignas(CACHE_LINE) struct finished *newest;
    unsigned wanted; /* the loop does not poll: write the eventfd */
};

/**
 * finished_list_init - a list that @ctx takes entries from
 * @name: for statistics and traces; outlives the list
 * @done: called once for each entry, in the order of the pushes. Context: owner of the loop.
 * Context: owner of the loop. Return: 0 or -errno.
 */
int finished_list_init(struct finished_list *l, AioContext *ctx, const char *name,
                       void (*done)(struct finished *f));

/* finished_list_destroy - no thread is inside finished_list_push(). Context: owner of the loop. */
void finished_list_destroy(struct finished_list *l);

/* finished_list_expect - an entry will be pushed. Context: owner of the loop. */
void finished_list_expect(struct finished_list *l);

/**
 * finished_list_push - return an entry that was announced; it is the list's until done()
 * done() may have freed the entry when this function returns. The list must live until then.
 * Context: any thread, also the owner.
 */
void finished_list_push(struct finished_list *l, struct finished *f);

#endif

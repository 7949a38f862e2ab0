// SPDX-License-Identifier: MIT
/*
 * Queues that share limits: those of one disk, or of the disks of a throttle group, on any I/O
 * threads.
 *
 * A queue asks before it takes a chain. A queue that may not stands in the group's line until it has
 * taken its turn, and then at the end of the line again: so the queues share fairly. A turn is what
 * the limits allow at its time, at least 1 ms of them. Only the first queue in the line waits for
 * time to pass, by a timer in its loop; it wakes the next one. A thread that hangs, in a system call
 * for example, holds the others up for 50 ms, once: its queue then leaves the line until the thread
 * is back.
 */
#ifndef POLLUX_BLK_THROTTLE_GROUP_H
#define POLLUX_BLK_THROTTLE_GROUP_H

#include <pthread.h>

#include "aio/aio.h"
#include "base/list.h"
#include "blk/throttle.h"

struct throttle_group {
    bool limited; /* atomic; written under @lock */
    pthread_mutex_t lock;
    struct throttle throttle;
    struct list line; /* of waiters */
    uint64_t due_ns;  /* when the turn of the first in @line begins */
};

/* A queue. Its I/O thread owns the members of the second group. */
struct throttle_waiter {
    struct throttle_group *group;
    struct list node;   /* group->line; group->lock */
    struct aio_bh wake; /* scheduled under group->lock, of a waiter in the line only */

    AioContext *ctx;
    struct aio_timer timer;
    bool took; /* a part of its turn */
};

/**
 * throttle_group_init - a group with these limits, which have passed throttle_check()
 * Context: any thread. throttle_group_destroy(): no waiter is left.
 */
void throttle_group_init(struct throttle_group *g, const struct throttle_limits *limits);
void throttle_group_destroy(struct throttle_group *g);

/**
 * throttle_group_set - change the limits; queues that wait look again
 * throttle_group_get - the limits in force
 * Context: any thread; they wait for no I/O thread.
 */
void throttle_group_set(struct throttle_group *g, const struct throttle_limits *limits);
struct throttle_limits throttle_group_get(struct throttle_group *g);

/**
 * throttle_group_limited - are there limits? One load. Without, the functions below need not be
 * called, but for a waiter that waits.
 */
static inline bool throttle_group_limited(const struct throttle_group *g)
{
    return load_relaxed(&g->limited);
}

/**
 * throttle_waiter_init - prepare the queue that @again and @opaque stand for
 * @again: called in the owner of @ctx after throttle_admit() has said no: ask again
 */
void throttle_waiter_init(struct throttle_waiter *w, struct throttle_group *g, AioContext *ctx,
                          void (*again)(void *opaque), void *opaque);

/**
 * throttle_admit - may @w begin a request now?
 * Context: I/O thread, as for the functions below.
 * Return: if not, @w waits, and its callback will be called.
 */
bool throttle_admit(struct throttle_waiter *w);

/* throttle_began - @w has begun a request; parameters as of throttle_charge() */
void throttle_began(struct throttle_waiter *w, enum throttle_dir dir, unsigned ops, uint64_t bytes);

/* throttle_retry - call the callback of @w, which does not wait, in 10 ms */
void throttle_retry(struct throttle_waiter *w);

/* throttle_leave - @w does not wait any more: its callback will not be called. Always safe. */
void throttle_leave(struct throttle_waiter *w);

#endif

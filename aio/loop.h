// SPDX-License-Identifier: MIT
/*
 * The state of an event loop, which the files of aio/ share. Private to aio/.
 *
 * The files form layers, and calls go downwards:
 *
 *     context.c                             create and destroy a loop, change its parameters
 *     poll.c                                one iteration
 *     bh.c timer.c deferred.c notifier.c    what an iteration runs besides handlers
 *     handler.c, then poll-set.c            file descriptors, and those of them that are polled
 *     fdmon/ waits/recorder.c policy/       sleeping, recording, how long to spin
 *     stats.c loop-clock.c owner.c ready.h figures, time, thread, handlers with an event
 *     run-delay.c                           how long the thread waited for a CPU
 */
#ifndef POLLUX_AIO_LOOP_H
#define POLLUX_AIO_LOOP_H

#include "aio/aio.h"
#include "base/barrier.h"

/* Longest time between two looks at descriptors that cannot be polled, while polling goes on. */
#define AIO_FD_SLICE_NS 50000

struct fdmon;
struct wait_recorder;

struct aio_context {
    uint64_t (*clock)(void);
    uint64_t recent_ns;    /* newest reading of the clock */
    uint64_t recent_ticks; /* the CPU's counter at that reading or before it */
    const void *owner;
    bool in_poll;
    unsigned max_batch; /* requests in one system call; 0: the engine decides */

    struct list handlers;
    struct list removed; /* figures of handlers that were removed */
    unsigned nr_handlers;
    unsigned nr_quiet;   /* handlers outside the poll set, without the notifier */
    unsigned nr_fd_only; /* those of them that cannot be polled */
    unsigned nr_dear;    /* handlers in the poll set with a look_ns */
    struct list ready;
    struct fdmon *fdmon;

    struct list poll_set; /* of struct aio_handler, by poll_node */
    bool polling;         /* poll_begin was called for the poll set, poll_end not yet */
    bool unwatched;       /* no monitor watches the descriptors of the poll set */
    uint64_t polling_since_ns;
    uint64_t quiet_scan_ns; /* when the poll set was last searched for quiet handlers */

    struct poll_policy policy;
    struct poll_params *new_params; /* set by any thread, taken by the owner */
    int run_delay_fd;               /* -1: the run delay of the owner is not known */
    uint64_t done;                  /* requests that the handlers counted, when last read */
    uint64_t fds_seen_ns;           /* when the monitor was last asked */

    struct list timers; /* by deadline */
    struct list deferred;
    struct list bh_pending;

    struct aio_stats stats;
    struct wait_recorder *recorder; /* NULL: waits are not recorded */
    struct trace_track *trace;      /* NULL: none */
    struct worker_pool *workers;    /* of the engines of this loop; NULL: none needs any */
    struct aio_handler notifier;

    /* Written by other threads. */
    _Alignas(CACHE_LINE) unsigned notified;
    unsigned notify_me;
    struct aio_bh *bh_incoming;
    struct trace_track *trace_notify; /* shared; NULL: none */

    /* Counted by other threads, on a line of their own: the owner reads @notified in each poll pass.
     * What the owner itself counts is in @stats. */
    _Alignas(CACHE_LINE) uint64_t notify_sent;
    uint64_t notify_elided;
};

#endif

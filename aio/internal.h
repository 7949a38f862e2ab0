// SPDX-License-Identifier: MIT
/* What the files of this room share; nothing outside aio/ includes it. */
#ifndef POLLUX_AIO_INTERNAL_H
#define POLLUX_AIO_INTERNAL_H

#include "aio/aio.h"
#include "aio/fdmon/fdmon.h"
#include "base/barrier.h"

/* A descriptor that can't be polled waits no longer than this while polling goes on. */
#define AIO_FD_SLICE_NS 50000
/* A polled source that was quiet for so long leaves the poll set until its descriptor fires. */
#define AIO_POLL_IDLE_NS 100000000
/* One that is new and has never had an event need not be quiet for so long. */
#define AIO_POLL_GRACE_NS 2000000
/* Polling that has lasted so long is worth two system calls for each source: see unwatch_poll_set(). */
#define AIO_UNWATCH_NS 1000000
/* How often the poll set is searched for quiet sources. */
#define AIO_POLL_SCAN_NS 5000000
/* Poll callbacks between two looks at the clock, which costs about as much. */
#define AIO_LOOKS_PER_CLOCK 16
/* A busy loop's time may be so many ticks of the CPU's counter old: a few microseconds. */
#define AIO_RECENT_TICKS 8192
/* Two looks at the clock further apart than this: the thread was not running. */
#define AIO_OFF_CPU_NS 20000

struct aio_context {
    uint64_t (*clock)(void);
    uint64_t recent_ns;    /* the newest that the clock has told */
    uint64_t recent_ticks; /* the CPU's counter, at that time or before */
    const void *owner;
    bool in_poll;
    unsigned max_batch; /* requests in one system call; 0: the engine decides */

    struct list handlers;
    struct list removed; /* figures of handlers that were removed */
    unsigned nr_handlers;
    unsigned nr_quiet; /* handlers that the poll phase does not look at, the notifier aside */
    struct list ready;
    struct fdmon *fdmon;

    struct poll_policy policy; /* policy.sources is the poll set */
    uint64_t polling_since_ns;
    bool unwatched;                 /* no monitor looks at the descriptors of the poll set */
    bool polling;                   /* poll_begin was called for the poll set, poll_end not yet */
    uint64_t fds_seen_ns;           /* when the monitor was last asked */
    uint64_t quiet_scan_ns;         /* when the poll set was last searched for quiet handlers */
    struct poll_params *new_params; /* set by any thread, taken by the owner */

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

    /* Counted by other threads, on a line that the owner, which looks at @notified all the time,
     * leaves alone. What the owner itself counts is in @stats. */
    _Alignas(CACHE_LINE) uint64_t notify_sent;
    uint64_t notify_elided;
};

/* context.c: the clock as it was not long ago, for less: the kernel's waits for all that is under
 * way in the CPU. Only of a clock that is the kernel's; others are asked. */
uint64_t aio_recent(AioContext *ctx);

/* handler.c */
int aio_handler_add_notifier(AioContext *ctx, int fd, const struct aio_handler_ops *ops);
void aio_handler_ready(struct aio_handler *h, int revents);
void aio_poll_set_join(struct aio_handler *h, uint64_t now);
void aio_poll_set_leave(struct aio_handler *h);
/* Watch the descriptor of @h, or not: while the loop polls it. */
void aio_handler_watch(struct aio_handler *h, bool on);
static inline bool aio_in_poll_set(const struct aio_handler *h)
{
    return !list_empty(&h->source.node);
}

/* notifier.c */
int aio_notifier_init(AioContext *ctx);
void aio_notifier_destroy(AioContext *ctx);
/* About to block: from here on aio_notify() writes the eventfd. True if it is too late to block. */
bool aio_notifier_prepare(AioContext *ctx);
/* Not blocking any more. */
void aio_notifier_awake(AioContext *ctx);
/* Take the notification, if there is one; what the notifying thread wrote is visible after. */
bool aio_notifier_accept(AioContext *ctx);

/* bh.c, timer.c, deferred.c: run what is due; true if anything ran */
bool aio_bh_run(AioContext *ctx);
bool aio_bh_any(AioContext *ctx);
bool aio_timers_run(AioContext *ctx, uint64_t now);
bool aio_deferred_run(AioContext *ctx);
/* ns from @now to the next timer, 0 if one is due, INT64_MAX if none is armed */
int64_t aio_timers_timeout(const AioContext *ctx, uint64_t now);

/* account.c */
void aio_account_close(const struct aio_handler *h);
void aio_account_destroy(AioContext *ctx);

#endif

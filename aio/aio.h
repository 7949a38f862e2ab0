// SPDX-License-Identifier: MIT
/*
 * The event loop.
 *
 * An AioContext belongs to one thread, its owner. The owner waits for file descriptors, bottom halves
 * and timers, and runs their callbacks. Before the owner blocks in the kernel it may spin for a while
 * over poll callbacks, which read memory that a guest or the kernel writes, so that an event that
 * comes soon costs neither a system call nor a wake-up. A policy decides for how long
 * (aio/policy/policy.h).
 *
 * One iteration, aio_poll(ctx, true):
 *
 *     poll    while the policy's window lasts: look at every poll callback, and in short slices at
 *             file descriptors that have none
 *     block   if nothing was ready: re-enable notifications, look once more, wait in the kernel
 *     run     turn notifications off; ready handlers, bottom halves, timers, then what was deferred
 *             to the end of the turn
 *     learn   tell the policy what the wait was
 *
 * Memory of handlers, timers and bottom halves is the caller's; they are embedded in what they
 * serve. Any of them may be removed from inside any callback, itself included, but for poll,
 * poll_begin and poll_end, which change nothing in the loop. Destroying a context that still has
 * some returns -EBUSY, which shows leaks.
 *
 * Any thread may call aio_notify(), aio_asleep(), aio_bh_init(), aio_bh_schedule(),
 * aio_set_poll_params(), aio_get_stats(), aio_context_in_owner() and aio_fdmon_name(). All other
 * functions are the owner's. Those that add, remove, arm, defer, run or free something assert it,
 * except aio_deferred_cancel(), which does not know its loop.
 */
#ifndef POLLUX_AIO_AIO_H
#define POLLUX_AIO_AIO_H

#include <assert.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "aio/policy/policy.h"
#include "base/barrier.h"
#include "base/error.h"
#include "base/list.h"
#include "trace/trace.h"

typedef struct aio_context AioContext;
struct aio_handler;

/*
 * Requests in one system call. If a call has more than two requests, the kernel's block layer holds
 * them back until the last one is prepared (AIO_PLUG_THRESHOLD in fs/aio.c, IO_PLUG_THRESHOLD of
 * io_uring), and the device waits. Requests that complete inside the call, as from the page cache,
 * have no device that waits: there a long batch only saves system calls.
 */
#define AIO_BATCH_DEVICE    2
#define AIO_BATCH_AT_ONCE   64
#define AIO_MAX_BATCH_LIMIT 1024

struct aio_context_config {
    struct poll_params poll;
    const char *fdmon;       /* a name from aio_fdmon_name(); NULL: "auto" */
    unsigned max_batch;      /* most requests in one system call; 0: AIO_BATCH_* */
    const char *record;      /* file to write all waits to (docs/waits.md); NULL: none */
    uint64_t (*clock)(void); /* ns, monotonic; NULL: CLOCK_MONOTONIC. Tests pass their own */
    struct trace *trace;     /* outlives the context; NULL: none */
    const char *name;        /* of the tracks in @trace; NULL: "loop" */
};

/**
 * aio_fdmon_name - the @i-th file descriptor monitor, for lists: auto, ppoll, epoll, io_uring
 * Return: its name, or NULL past the last one.
 */
const char *aio_fdmon_name(unsigned i);

/**
 * aio_context_new - make a loop; the calling thread is its owner
 * @config: copied
 * Return: 0 and *@out, or -errno and @err filled. aio_context_free() frees.
 */
int aio_context_new(const struct aio_context_config *config, AioContext **out, struct error *err);

/**
 * aio_context_free - destroy a loop
 * Return: 0, or -EBUSY if a handler, an armed timer, a scheduled bottom half or deferred work is
 *         left: then nothing happened.
 */
int aio_context_free(AioContext *ctx);

/**
 * aio_watch_run_delay - from now on polling yields to threads that wait for the CPU
 * Only with poll_params.contention. Opens /proc/thread-self/schedstat of the calling thread; where the
 * kernel has none (no CONFIG_SCHED_INFO, no /proc), polling is not reduced.
 * Context: owner, which stays the owner until the loop is freed or another thread takes it and no
 *          longer polls.
 * Return: whether the run delay is known.
 */
bool aio_watch_run_delay(AioContext *ctx);

/**
 * aio_run_delay - how long the thread was ready to run and waited for a CPU, since its start
 * @starts: how often it was given one
 * Context: owner, which has called aio_watch_run_delay().
 * Return: false if it is not known.
 */
bool aio_run_delay(AioContext *ctx, uint64_t *ns, uint64_t *starts);

/**
 * aio_record_end - write what is left of the recorded waits, and close the file
 * No further wait is recorded. aio_context_free() does the same, but drops the error.
 * Context: owner.
 * Return: 0, also if no waits are recorded, or -errno and @err if the file is not complete.
 */
int aio_record_end(AioContext *ctx, struct error *err);

/**
 * aio_context_take - make the calling thread the owner
 * Context: a thread that the former owner has synchronised with (thread creation does).
 */
void aio_context_take(AioContext *ctx);

/**
 * aio_context_in_owner - is the calling thread the owner?
 * Context: any thread.
 */
bool aio_context_in_owner(const AioContext *ctx);

static inline void aio_assert_owner(const AioContext *ctx)
{
    assert(aio_context_in_owner(ctx));
}

/**
 * aio_poll - one iteration
 * @blocking: wait for something to happen; else only run what is ready now
 * Context: owner; not from inside a callback (asserted).
 * Return: true if a handler, bottom half, timer or deferred work ran. May be false when blocking,
 *         too: a signal or an aio_notify() without new work ended the wait.
 */
bool aio_poll(AioContext *ctx, bool blocking);

/**
 * aio_now - the loop's clock, ns
 * Context: owner.
 */
uint64_t aio_now(AioContext *ctx);

/**
 * aio_trace - the trace track of the owner; NULL if there is no trace
 * Context: owner.
 */
struct trace_track *aio_trace(const AioContext *ctx);

/* --- for engines --- */

struct worker_pool;

/**
 * aio_polling - is the loop in polling mode?
 * True from poll_begin to poll_end: a completion needs no notification then.
 * aio_fds_unwatched - has the loop polled for so long that no monitor watches the descriptors of
 * the poll set? An event that only a descriptor shows would be seen late.
 * aio_max_batch - requests in one system call as configured; 0: the engine decides
 * aio_count_loop_syscall - a system call was made that serves no single handler
 * Context: owner.
 */
bool aio_polling(const AioContext *ctx);
bool aio_fds_unwatched(const AioContext *ctx);
unsigned aio_max_batch(const AioContext *ctx);
void aio_count_loop_syscall(AioContext *ctx);

/**
 * aio_worker_pool - the pool of worker threads that the engines of this loop share; NULL: none
 * aio_set_worker_pool - @pool belongs to the engines, which count who uses it
 * Context: owner.
 */
struct worker_pool *aio_worker_pool(const AioContext *ctx);
void aio_set_worker_pool(AioContext *ctx, struct worker_pool *pool);

/* --- file descriptor handlers --- */

struct aio_handler_ops {
    /* The descriptor has @revents (POLLIN and the like). The handler clears the cause completely
     * (read the eventfd), at the latest in its poll_end: with some monitors ready() is called again
     * only for a new event. */
    void (*ready)(void *opaque, int revents);

    /*
     * The rest is NULL for a source that can't be polled, else all but poll_begin and poll_end are
     * set.
     *
     * poll: is there anything to do? One or two loads, no side effect.
     * poll_ready: handle the event. The descriptor may not be readable.
     * poll_begin: the loop is awake and looks by itself; ask the other side not to notify. All
     *     ready() and poll_ready() are called between it and poll_end.
     * poll_end: the loop is about to block; ask the other side to notify again, with a full barrier
     *     after. The loop calls poll once more after it, so an event that came in between is seen.
     */
    bool (*poll)(void *opaque);
    void (*poll_ready)(void *opaque);
    void (*poll_begin)(void *opaque);
    void (*poll_end)(void *opaque);

    /* What poll() costs with a request in flight, ns, if it makes a system call; else 0. The policy
     * is told, and while the loop polls it reads the clock after each look. */
    unsigned look_ns;
};

#define AIO_BATCH_BUCKETS 8

/* Counters of one handler; written by the owner, readable by any thread. */
struct aio_handler_stats {
    uint64_t hits;       /* dispatches because poll() returned true */
    uint64_t wakeups;    /* dispatches because the descriptor was ready */
    uint64_t misses;     /* waits that it ended, in which the loop had polled and then blocked */
    uint64_t polled_ns;  /* spent polling in waits that it ended */
    uint64_t blocked_ns; /* spent blocked in waits that it ended */
    uint64_t syscalls;   /* made to serve it, counted by aio_count_syscall() */

    /* of 1, 2-3, 4-7, ... , 128 and more requests */
    uint64_t batches[AIO_BATCH_BUCKETS];
};

struct aio_handler {
    /* set by aio_handler_add() */
    int fd;
    int events;
    const struct aio_handler_ops *ops;
    void *opaque;
    const char *name;
    struct list poll_node; /* private to aio/: ctx->poll_set, whose walk reads this cache line */
    struct aio_handler_stats stats;

    /* private to aio/ */
    AioContext *ctx;
    struct list node;       /* ctx->handlers */
    struct list ready_node; /* ctx->ready */
    struct poll_source source;
    int revents; /* what the monitor saw; 0 while ready: poll() said yes */
    uint64_t last_event_ns;
    const unsigned *done; /* aio_handler_count_done(); NULL: none */
    unsigned done_seen;   /* *done when it was last read */
    bool unwatched;       /* the monitor leaves it out */
    int fdmon_index;      /* private to the monitor */
};

/**
 * aio_handler_add - watch a file descriptor
 * @h:        memory of the caller until aio_handler_remove()
 * @fd:       stays the caller's, must stay open while watched
 * @events:   POLLIN, POLLOUT
 * @name:     for statistics and traces; must outlive @h
 * @in_flight: requests in flight, each of which will end in an event; read whenever the loop
 *            goes idle. NULL: an event may come at any time.
 * Context: owner.
 * Return: 0 or -errno; then nothing happened.
 */
int aio_handler_add(AioContext *ctx, struct aio_handler *h, int fd, int events,
                    const struct aio_handler_ops *ops, void *opaque, const char *name,
                    const unsigned *in_flight);

/**
 * aio_handler_in_flight - a request of @h is in flight from now on
 * A handler that was quiet joins the poll set again, so that polling sees the event. To be called
 * when *@in_flight becomes more than 0; cheap. Context: owner, not from poll, poll_begin or poll_end.
 */
void aio_handler_in_flight(struct aio_handler *h);

/**
 * aio_handler_count_done - what the loop gets done for @h
 * poll_params.contention compares it in polling and in blocking mode.
 * @done: requests completed so far; may wrap; read until @h is removed
 * Context: owner.
 */
static inline void aio_handler_count_done(struct aio_handler *h, const unsigned *done)
{
    h->done = done;
    h->done_seen = *done;
}

/**
 * aio_handler_remove - stop watching; after it returns no callback of @h runs
 * If the loop is in polling mode, poll_end is called first. Safe on a handler that was removed.
 * Context: owner, also from inside any callback but poll, poll_begin and poll_end.
 */
void aio_handler_remove(struct aio_handler *h);

/**
 * aio_count_syscall - a system call was made to serve @h, by something else than the loop
 * aio_count_batch - @n > 0 requests were taken, or given to the kernel, at once
 * Context: owner. @h may have been removed.
 */
void aio_count_syscall(struct aio_handler *h);
static inline void aio_count_batch(struct aio_handler *h, unsigned n)
{
    unsigned bucket = 31 - (unsigned)__builtin_clz(n);

    bucket = bucket < AIO_BATCH_BUCKETS ? bucket : AIO_BATCH_BUCKETS - 1;
    stat_add(&h->stats.batches[bucket], 1);
}

/* --- notification --- */

/**
 * aio_notify - make the owner's current or next blocking aio_poll() return soon
 * Stores of the caller before the call are visible to the owner after the wake-up. Costs one
 * barrier, and a system call only if the owner is about to sleep.
 * Context: any thread, also a signal handler.
 */
void aio_notify(AioContext *ctx);

/**
 * aio_asleep - is the owner blocked in the kernel, or about to be? A hint, for watchdogs
 * Context: any thread.
 */
bool aio_asleep(const AioContext *ctx);

/* --- bottom halves: run a function in the owner, soon --- */

struct aio_bh {
    AioContext *ctx;
    void (*cb)(void *opaque);
    void *opaque;
    struct aio_bh *next; /* private: ctx->bh_incoming */
    struct list node;    /* private: ctx->bh_pending */
    unsigned scheduled;  /* private */
};

/**
 * aio_bh_init - prepare a bottom half; memory is the caller's
 * Context: any thread.
 */
void aio_bh_init(AioContext *ctx, struct aio_bh *bh, void (*cb)(void *opaque), void *opaque);

/**
 * aio_bh_schedule - run it once in the owner, in the order of the calls
 * No effect on a bottom half that is scheduled and has not begun to run: it runs once and sees all
 * stores before this call. Context: any thread.
 */
void aio_bh_schedule(struct aio_bh *bh);

/**
 * aio_bh_cancel - if it is scheduled, it will not run; after this its memory may be freed
 * Context: owner; no other thread may schedule it at the same time.
 */
void aio_bh_cancel(struct aio_bh *bh);

/* --- timers --- */

struct aio_timer {
    AioContext *ctx;
    void (*cb)(void *opaque);
    void *opaque;
    uint64_t deadline_ns;
    struct list node; /* private: ctx->timers, by deadline */
};

void aio_timer_init(AioContext *ctx, struct aio_timer *t, void (*cb)(void *opaque), void *opaque);

/**
 * aio_timer_arm - run the callback once, at @deadline_ns of the loop's clock or soon after
 * An armed timer is moved. With a deadline in the past it runs in this iteration, or from inside a
 * timer or later in the turn, in the next one. It never runs early.
 * Context: owner.
 */
void aio_timer_arm(struct aio_timer *t, uint64_t deadline_ns);

/**
 * aio_timer_cancel - after it returns the callback does not run; safe if not armed
 * Context: owner.
 */
void aio_timer_cancel(struct aio_timer *t);

/* --- end of turn --- */

/*
 * Work to be done once for all events of an iteration: one io_submit for a batch, one interrupt for
 * many completions. Runs after handlers, bottom halves and timers, in the order in which it was
 * deferred. A callback may defer work: it runs in the same turn, up to a few rounds, and the rest
 * in the next turn, which does not block.
 */
struct aio_deferred {
    void (*cb)(void *opaque);
    void *opaque;
    struct list node; /* private; on a list while deferred */
};

void aio_deferred_init(struct aio_deferred *d, void (*cb)(void *opaque), void *opaque);

void aio_defer_first(AioContext *ctx, struct aio_deferred *d); /* private: it is not deferred yet */

/**
 * aio_defer - run @d at the end of this turn; no effect if it is deferred already
 * Context: owner. Outside aio_poll() it runs in the next iteration, which then does not block.
 */
static inline void aio_defer(AioContext *ctx, struct aio_deferred *d)
{
    if (list_empty(&d->node)) {
        aio_defer_first(ctx, d);
    }
}
void aio_deferred_cancel(struct aio_deferred *d);

/* --- parameters and figures --- */

/**
 * aio_set_poll_params - change the policy or its parameters; takes effect in the next iteration
 * Context: any thread.
 * Return: 0 or -ENOMEM, then nothing changed.
 */
int aio_set_poll_params(AioContext *ctx, const struct poll_params *params);

/**
 * aio_poll_params - the poll parameters in force
 * Context: owner.
 */
struct poll_params aio_poll_params(AioContext *ctx);

/* Counters of the loop since it was made. All times in ns. */
struct aio_stats {
    uint64_t turns;       /* iterations that ran something */
    uint64_t polled_ns;   /* spent spinning */
    uint64_t poll_hits;   /* waits that ended while the loop polled */
    uint64_t poll_misses; /* waits in which the loop had polled and then had to block */
    uint64_t missed_ns;   /* of polled_ns: in those waits */
    uint64_t blocked_ns;  /* spent blocked in the kernel */
    uint64_t blocks;      /* times it blocked */
    uint64_t syscalls;    /* made by the loop and, as far as they were counted, by its handlers */
    uint64_t dispatches;  /* handler callbacks run */
    uint64_t bhs;         /* bottom halves run */
    uint64_t timers;      /* timers run */
    uint64_t notify_sent; /* aio_notify() calls that needed a system call */
    uint64_t notify_elided;
    uint64_t window_ns; /* newest answer of the policy */
    uint64_t trials;    /* of polling against blocking, on a busy host */
};

/**
 * aio_get_stats - a snapshot; each figure is whole, together they may be some ns apart
 * Context: any thread.
 */
void aio_get_stats(AioContext *ctx, struct aio_stats *out);

struct aio_handler_info {
    char name[32];
    bool live; /* false: removed; this is what handlers of the name did */
    bool can_poll, in_poll_set;
    unsigned in_flight; /* requests in flight, if it has a count of them */
    struct aio_handler_stats stats;
};

/**
 * aio_get_handlers - copy the figures of all handlers, and of names that are gone
 * The counters of removed handlers are added to those of the first live handler of the same name.
 * Context: owner; from another thread through iothread_call().
 * Return: the number of entries written, at most @max.
 */
unsigned aio_get_handlers(AioContext *ctx, struct aio_handler_info *out, unsigned max);

/**
 * aio_describe_policy - one line for people: the poll window now, and why
 * Context: owner.
 * Return: what snprintf() would; an empty line if the policy has nothing to say.
 */
int aio_describe_policy(AioContext *ctx, char *buf, size_t len);

/**
 * aio_wake_ns - what blocking costs in latency, as the policy has measured
 * Context: owner.
 * Return: ns, 0 if it has not, or never does.
 */
uint64_t aio_wake_ns(AioContext *ctx);

#endif

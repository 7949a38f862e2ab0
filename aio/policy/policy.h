// SPDX-License-Identifier: MIT
/*
 * Poll policies: how long to spin before blocking.
 *
 * The loop asks the policy for a window at the begin of each wait, and reports the length of the
 * wait and the sources that ended it afterwards. A policy is pure code: no clock, system call, lock
 * or allocation. Every time is an argument, so the same code runs in the loop, in a unit test and
 * in a replay on a virtual clock.
 *
 * A wait is the time from the moment when the loop found nothing to do until something was ready.
 * All times are nanoseconds.
 */
#ifndef POLLUX_AIO_POLICY_POLICY_H
#define POLLUX_AIO_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aio/policy/budget.h"
#include "aio/policy/contention.h"
#include "base/list.h"

struct poll_policy_ops;

#define POLL_MAX_NS_DEFAULT 200000
#define POLL_MAX_NS_QEMU    32768 /* QEMU's default, for its policies */
#define POLL_GROW_START_NS  4000  /* first window after 0, as in QEMU */

#define POLL_LATENCY_WEIGHT_DEFAULT 7
#define POLL_WAKE_NS_DEFAULT        30000
#define POLL_WAKE_CPU_NS_DEFAULT    5000

/* The largest values that users may set. */
#define POLL_MAX_NS_LIMIT         1000000000
#define POLL_FACTOR_LIMIT         1000 /* grow, shrink */
#define POLL_WEIGHT_LIMIT         16
#define POLL_LATENCY_WEIGHT_LIMIT 1000000
#define POLL_CPU_MAX_LIMIT        100

/* Parameters that the user sets; each policy reads the ones that concern it. */
struct poll_params {
    const struct poll_policy_ops *policy;
    uint64_t max_ns; /* cap of every window; 0: never poll */
    uint32_t grow;   /* grow-shrink, weighted: multiply the window by this; 0 means 2 */
    uint32_t shrink; /* divide the window by this; 0: to zero (grow-shrink), means 2 (weighted) */
    uint32_t weight; /* weighted: the newest interval counts 1/2^weight; 0 means 3 */
    uint32_t latency_weight; /* cost: ns of spinning worth one ns of latency; 0 means the default */
    uint32_t wake_ns;        /* cost: first guess of W, what blocking costs; 0 means the default */
    uint32_t cpu_max; /* percent of a CPU that polling may take in 100 ms; 0 means no limit */
    bool contention;  /* block where polling gets less done (aio/policy/contention.h) */
};

enum poll_outcome {
    POLL_HIT,     /* a poll callback saw the event inside the window */
    POLL_BLOCKED, /* the window was over (or 0); the file descriptor monitor was waited for */
    POLL_TIMER, /* a timer ended the wait; its time was known before, so a policy learns nothing from it */
};

/* One wait. */
struct poll_wait {
    uint64_t start_ns;   /* clock when the loop became idle */
    uint64_t end_ns;     /* clock when something was ready */
    uint64_t window_ns;  /* what the policy had answered */
    uint64_t polled_ns;  /* of end - start, spent spinning */
    uint64_t blocked_ns; /* of end - start, spent in the monitor */
    enum poll_outcome outcome;
    bool
        off_cpu; /* the thread was preempted in the wait, so its length says nothing about the source */
};

/*
 * One event source as a policy sees it. @data is the policy's own, zeroed when the source is
 * added or the policy changes, ops->source_size bytes.
 */
struct poll_source {
    struct list node;         /* in poll_policy.sources while the source is in the poll set */
    struct list counted_node; /* in poll_policy.counted, if @in_flight is known */
    struct list ready_node;   /* in poll_policy.ready, between event and wait_done */
    const unsigned
        *in_flight;     /* requests in flight; NULL: not known, an event may come at any time */
    unsigned look_ns;   /* price of a look while a request is in flight; 0: some loads */
    unsigned record_id; /* private to the recorder of waits; 0: none yet */
    bool was_polled;    /* it was in the poll set when its last event came */
    void *data;
};

/*
 * A policy's instance for one loop. @data: ops->size bytes, zeroed, then ops->init.
 * A source with @in_flight is on @counted from init to destroy, in the poll set or not, so that a policy
 * finds the requests in flight without a walk over all sources.
 */
struct poll_policy {
    const struct poll_policy_ops *ops;
    struct poll_params params;
    struct list sources; /* of struct poll_source, by node */
    struct list counted; /* of struct poll_source, by counted_node */
    struct list ready;   /* of struct poll_source, by ready_node: what ended the present wait */
    struct poll_budget budget;
    struct poll_contention contention;
    bool asked; /* window() was called for the present wait, and wait_done() will be */
    void *data;
};

struct poll_policy_ops {
    const char *name;
    const char *summary; /* one line for --help */
    size_t size;         /* of poll_policy.data */
    size_t source_size;  /* of poll_source.data */

    /* @p->params are set; called with zeroed data. May be NULL. */
    void (*init)(struct poll_policy *p);

    /**
     * window - how long to spin in the wait that begins at @now
     * Called when the loop is idle, with max_ns > 0 and at least one source in @p->sources.
     * Return: ns, 0 for none; it is cut at params.max_ns, at the budget and at the next timer.
     */
    uint64_t (*window)(struct poll_policy *p, uint64_t now);

    /**
     * event - @s was ready at the end of wait @w
     * Called for every source that can be polled, was ready and has not been removed since, before
     * wait_done. If not @s->was_polled, it was not polled in @w and is in the poll set now.
     * May be NULL.
     */
    void (*event)(struct poll_policy *p, struct poll_source *s, const struct poll_wait *w);

    /**
     * wait_done - the wait is over, and the sources that ended it have been served
     * Called once for each window() call. May be NULL.
     */
    void (*wait_done)(struct poll_policy *p, const struct poll_wait *w);

    /**
     * wake_ns - what blocking costs in latency, as the policy has measured
     * May be NULL. Return: ns, 0 if it has not.
     */
    uint64_t (*wake_ns)(const struct poll_policy *p);

    /**
     * describe - one line for people: the window now, and why
     * May be NULL. Return: what snprintf() would.
     */
    int (*describe)(const struct poll_policy *p, char *buf, size_t len);
};

extern const struct poll_policy_ops poll_policy_block;
extern const struct poll_policy_ops poll_policy_fixed;
extern const struct poll_policy_ops poll_policy_grow_shrink;
extern const struct poll_policy_ops poll_policy_weighted;
extern const struct poll_policy_ops poll_policy_cost;

/**
 * poll_policy_at - the @i-th policy, for lists
 * Return: its ops, or NULL past the last one.
 */
const struct poll_policy_ops *poll_policy_at(unsigned i);

/**
 * poll_params_default - fill @p with the default parameters
 */
void poll_params_default(struct poll_params *p);

/**
 * poll_policy_init - set up an instance, allocating its data
 * @p: memory of the caller; sources becomes empty
 * Return: 0 or -ENOMEM. poll_policy_destroy() frees.
 */
int poll_policy_init(struct poll_policy *p, const struct poll_params *params);
void poll_policy_destroy(struct poll_policy *p);

/**
 * poll_policy_change - other parameters, perhaps another policy; learned data is dropped
 * The caller resets every source with poll_source_reset(). Can't fail.
 */
void poll_policy_change(struct poll_policy *p, const struct poll_params *params);

/**
 * poll_policy_window - how long to spin in the wait that begins at @now
 * Calls ops->window if there is a source to poll, and cuts the window at the cap and at the budget.
 * Return: ns, 0 for none; the caller cuts it at the next timer. poll_policy_wait_done() must
 * follow.
 */
uint64_t poll_policy_window(struct poll_policy *p, uint64_t now);

/**
 * poll_policy_event - @s was ready at the end of the wait; before poll_policy_wait_done()
 * Only notes the source: learning here would delay the event.
 */
void poll_policy_event(struct poll_policy *p, struct poll_source *s);

/**
 * poll_policy_wait_done - wait @w is over: account for the time polled, and let the policy learn
 * Best called when the events have been served. Sources may have been removed meanwhile.
 */
void poll_policy_wait_done(struct poll_policy *p, const struct poll_wait *w);

/**
 * poll_policy_wants_progress - whether poll_policy_progress() is to be called at @now
 */
static inline bool poll_policy_wants_progress(const struct poll_policy *p, uint64_t now)
{
    return p->params.contention && poll_contention_due(&p->contention, now);
}

/**
 * poll_policy_progress - the counters of the polling thread at @now; between two waits
 */
void poll_policy_progress(struct poll_policy *p, uint64_t now,
                          const struct poll_progress *progress);

/**
 * poll_policy_wake_ns - what blocking costs in latency, as the policy has measured
 * Return: ns, 0 if it has not, or never does.
 */
uint64_t poll_policy_wake_ns(const struct poll_policy *p);

/**
 * poll_policy_describe - one line for people: the window now, and why
 * Return: what snprintf() would; an empty line if the policy has nothing to say.
 */
int poll_policy_describe(const struct poll_policy *p, char *buf, size_t len);

/**
 * poll_source_init - set up a source of @p, allocating data that is large enough for any policy
 * It is in no poll set yet.
 * Return: 0 or -ENOMEM. poll_source_destroy() frees and unlinks, before poll_policy_destroy().
 */
int poll_source_init(struct poll_source *s, struct poll_policy *p, const unsigned *in_flight);
void poll_source_reset(struct poll_source *s);

/**
 * poll_source_join - the loop polls the source from now on: it is in @p->sources
 * poll_source_leave - the loop does not poll it any more
 */
void poll_source_join(struct poll_source *s, struct poll_policy *p);
void poll_source_leave(struct poll_source *s);

void poll_source_destroy(struct poll_source *s);

#endif

// SPDX-License-Identifier: MIT
/*
 * Polling on a busy host, whatever the policy: trials decide whether to poll or to block.
 *
 * A thread that spins uses up its share of the CPU. On a busy host the scheduler then lets it wait
 * for the time slices of other threads, and each event costs some milliseconds. With another
 * scheduler, or another load, a thread that goes to sleep is the one that waits. So neither mode is
 * right everywhere, and what the loop gets done in each is measured:
 *
 *     free      Polling is not restricted. The kernel counts the time that the thread was ready to
 *               run and did not run: the run delay. If polling comes with run delay, a trial begins.
 *     trial     Four periods: blocking, polling, polling, blocking. The mode in which more requests
 *               completed per time is taken; blocking, if there is hardly a difference.
 *     decided   The mode of the last trials is kept for a while: longer each time that a trial comes
 *               to the same result. Then the next trial begins, or, if polling came without run
 *               delay, polling is free again.
 *
 * A delay of some microseconds at each start is no time slice and does not count. Run delay does
 * not contain the time that a hypervisor below takes while the thread runs (steal time).
 */
#ifndef POLLUX_AIO_POLICY_CONTENTION_H
#define POLLUX_AIO_POLICY_CONTENTION_H

#include <stdbool.h>
#include <stdint.h>

/* Counters of a polling thread; they only grow. */
struct poll_progress {
    uint64_t delay_ns; /* run delay, proc_pid_schedstat(5) */
    uint64_t starts;   /* times that the thread began to run */
    uint64_t done;     /* requests completed */
};

enum poll_contention_state { POLL_FREE, POLL_TRIAL, POLL_DECIDED };

/* What a mode has shown in trials; a part is subtracted before each trial. */
struct poll_mode_record {
    uint64_t ns, done;
};

struct poll_contention {
    enum poll_contention_state state;
    bool block;    /* the loop does not poll now */
    bool counting; /* trial: the begin of the period, which still feels the last one, is over */
    bool decided_block;     /* what the last trial has chosen */
    unsigned period;        /* of the trial */
    uint64_t trials;        /* so far */
    unsigned recent_trials; /* that the records are of */
    uint64_t polled_ns;     /* since @since_ns */
    uint64_t since_ns;      /* begin of what is being counted */
    struct poll_progress since;
    uint64_t due_ns;       /* when the next sample is to be taken */
    uint64_t trial_end_ns; /* of the last trial */
    uint64_t keep_ns;      /* how long its result is kept */
    uint64_t delay_ns;     /* run delay of the polling periods of this trial */
    struct poll_mode_record polling, blocking;
};

/**
 * poll_contention_init - polling is free
 */
void poll_contention_init(struct poll_contention *c);

/**
 * poll_contention_reset - as before the first trial, but for the number of trials so far
 */
void poll_contention_reset(struct poll_contention *c);

/**
 * poll_contention_due - whether a sample is to be taken at @now
 */
static inline bool poll_contention_due(const struct poll_contention *c, uint64_t now)
{
    return now >= c->due_ns && (c->polled_ns || c->state != POLL_FREE);
}

/**
 * poll_contention_sample - learn from the counters of the thread at @now
 * Context: between two waits.
 */
void poll_contention_sample(struct poll_contention *c, uint64_t now, const struct poll_progress *p);

/**
 * poll_contention_cut - how much of @window may be polled
 * Return: @window, or 0 while the loop is to block.
 */
static inline uint64_t poll_contention_cut(const struct poll_contention *c, uint64_t window)
{
    return c->block ? 0 : window;
}

/**
 * poll_contention_spend - @ns were spent polling
 */
static inline void poll_contention_spend(struct poll_contention *c, uint64_t ns)
{
    c->polled_ns += ns;
}

#endif

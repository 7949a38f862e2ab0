// SPDX-License-Identifier: MIT
/*
 * An I/O thread: a thread that runs one AioContext until it is told to stop.
 */
#ifndef POLLUX_IOTHREAD_IOTHREAD_H
#define POLLUX_IOTHREAD_IOTHREAD_H

#include <sched.h>

#include "aio/aio.h"

#define IOTHREAD_ID_MAX 15 /* the kernel's limit for a thread name, which the id becomes */

struct iothread;

struct iothread_config {
    const char *id; /* 1..IOTHREAD_ID_MAX characters; shown by top -H */
    struct poll_params poll;
    const char *fdmon;   /* as in struct aio_context_config */
    unsigned max_batch;  /* as there */
    const char *record;  /* as there */
    struct trace *trace; /* NULL: none; outlives the thread */
    cpu_set_t cpus; /* where the thread runs, and the worker threads it starts; empty: anywhere */
};

/**
 * iothread_new - start an I/O thread
 * Context: any thread.
 * Return: 0 and *@out with the loop running, or -errno and @err.
 */
int iothread_new(const struct iothread_config *config, struct iothread **out, struct error *err);

/**
 * iothread_free - ask the thread to stop, join it, destroy the loop
 * Everything that was attached to the loop must have been detached (asserted).
 * Context: any thread but the I/O thread. NULL is allowed.
 */
void iothread_free(struct iothread *io);

const char *iothread_id(const struct iothread *io);

/**
 * iothread_ctx - the loop, for functions that any thread may call and for use inside
 * iothread_call()
 */
AioContext *iothread_ctx(struct iothread *io);

/**
 * iothread_call - run @fn in the I/O thread and wait until it has returned
 * Called from the I/O thread itself, runs @fn at once.
 * Context: any thread.
 * Return: what @fn returned.
 */
int iothread_call(struct iothread *io, int (*fn)(void *opaque), void *opaque);

/**
 * iothread_end_record - aio_record_end() in the I/O thread
 * Context: any thread; waits for the end of the turn.
 * Return: 0, or -errno and @err if the recorded waits are not complete.
 */
int iothread_end_record(struct iothread *io, struct error *err);

/**
 * iothread_cpu_ns - CPU time the thread has used so far, ns
 * Context: any thread.
 */
uint64_t iothread_cpu_ns(struct iothread *io);

/**
 * iothread_tid - the thread id, as in /proc/PID/task
 */
int iothread_tid(const struct iothread *io);

/* Figures of a thread since its start. */
struct iothread_account {
    uint64_t time_ns; /* CLOCK_MONOTONIC, when cpu_ns was read */
    uint64_t cpu_ns;
    uint64_t run_delay_ns; /* ready to run, but waiting for a CPU */
    bool run_delay_known;  /* the kernel counts it */
    uint64_t starts;       /* how often it was given a CPU */
    struct aio_stats loop;
    struct poll_params poll;
    char policy[256]; /* aio_describe_policy() */
    uint64_t wake_ns; /* aio_wake_ns() */
    unsigned nr_handlers;
    struct aio_handler_info handlers[64]; /* the first ones */
};

/**
 * iothread_get_account - a snapshot, taken in the thread between two turns of its loop
 * @limit_ns: how long to wait for the turn to end
 * Context: any thread but the I/O thread; one at a time.
 * Return: 0, or -ETIMEDOUT if the thread has not answered in time, as when a system call of it
 * hangs in the kernel.
 */
int iothread_get_account(struct iothread *io, uint64_t limit_ns, struct iothread_account *out);

#endif

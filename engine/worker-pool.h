// SPDX-License-Identifier: MIT
/*
 * Worker threads for blocking system calls. One pool serves all engines of one loop. The first
 * thread starts with the pool and stays until its end, so that no job fails because the host
 * refuses another thread. Further threads start when a job waits and no thread is idle, up to a
 * limit, and end after they have been idle for a while.
 */
#ifndef POLLUX_ENGINE_WORKER_POOL_H
#define POLLUX_ENGINE_WORKER_POOL_H

#include "engine/finished-list.h"

struct worker_pool;

/* The caller owns it and keeps it until done() is called. */
struct worker_job {
    void (*work)(struct worker_job *job); /* in a worker thread; may block */
    void (*done)(struct worker_job *job); /* in the loop's owner, after work() */
    struct worker_job *next;              /* private */
    struct finished finished;             /* private */
};

/**
 * worker_pool_get - take a reference to the pool of @ctx; the first one makes the pool
 * Context: owner of the loop.
 * Return: 0 and *@out, or -errno if the host has no thread or file descriptor left.
 *         worker_pool_put() drops the reference.
 */
int worker_pool_get(AioContext *ctx, struct worker_pool **out);

/**
 * worker_pool_put - drop a reference; the last one ends the threads and waits for them
 * Context: owner of the loop; the caller has no job in the pool.
 */
void worker_pool_put(struct worker_pool *pool);

/**
 * worker_pool_submit - queue a job; jobs begin in the order of their submission
 * done() runs exactly once. Context: owner of the loop.
 */
void worker_pool_submit(struct worker_pool *pool, struct worker_job *job);

#endif

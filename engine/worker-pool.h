// SPDX-License-Identifier: MIT
/*
 * Worker threads for what the kernel does only while the caller waits. One pool serves all engines
 * of one loop. The first thread starts with the pool and stays: a job never fails because the host
 * refuses another thread. More threads are started when work waits and none is idle, up to a
 * limit, and end when they have been idle for a while. Private to aio/.
 */
#ifndef POLLUX_ENGINE_WORKER_POOL_H
#define POLLUX_ENGINE_WORKER_POOL_H

#include "aio/aio.h"

struct worker_pool;

/* One piece of work; memory of the caller until done() has been called. */
struct worker_job {
    void (*work)(struct worker_job *job); /* in a worker thread; may block */
    void (*done)(struct worker_job *job); /* in the loop's owner, after work() */
    struct worker_job *next;              /* private */
};

/**
 * worker_pool_get - the pool of @ctx, made when it is first asked for
 * Context: owner of the loop.
 * Return: 0 and *@out with one more reference, or -errno if the host gives no thread or descriptor.
 *         worker_pool_put() gives it back.
 */
int worker_pool_get(AioContext *ctx, struct worker_pool **out);

/**
 * worker_pool_put - the last one ends the threads and waits for them
 * Context: owner of the loop; no job of the caller is under way.
 */
void worker_pool_put(struct worker_pool *pool);

/**
 * worker_pool_submit - queue a job, in order; starts a thread if that helps
 * done() runs exactly once. Context: owner of the loop.
 */
void worker_pool_submit(struct worker_pool *pool, struct worker_job *job);

#endif

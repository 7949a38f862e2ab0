// SPDX-License-Identifier: MIT
/*
 * The owner of the loop gives jobs to the workers through a list under a lock; an idle worker
 * sleeps on a condition variable. The workers return jobs through engine/finished-list.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/barrier.h"
#include "base/thread-guard.h"
#include "engine/worker-pool.h"

#define WORKERS_MAX 64
#define IDLE_S      10

struct worker_pool {
    AioContext *ctx;
    unsigned refs;

    pthread_mutex_t lock;
    pthread_cond_t work;     /* the queue is not empty, or the pool ends */
    pthread_cond_t all_gone; /* nr_workers became 0 */
    struct worker_job *first, **last;
    unsigned nr_workers, nr_idle, nr_queued;
    bool ending;

    struct finished_list finished;
};

/* With the lock held. Return: NULL when this worker should end. */
static struct worker_job *next_job(struct worker_pool *pool)
{
    struct timespec until;
    struct worker_job *job;
    int ret = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (!pool->first && !pool->ending && (ret == 0 || pool->nr_workers == 1)) {
        pool->nr_idle++;
        ret = pool->nr_workers == 1 ? pthread_cond_wait(&pool->work, &pool->lock)
                                    : pthread_cond_timedwait(&pool->work, &pool->lock, &until);
        pool->nr_idle--;
    }
    job = pool->first;
    if (job) {
        pool->first = job->next;
        pool->nr_queued--;
        if (!pool->first) {
            pool->last = &pool->first;
        }
    }
    return job;
}

static void *worker_main(void *opaque)
{
    struct worker_pool *pool = opaque;
    struct worker_job *job;

    pthread_setname_np(pthread_self(), "io-worker");
    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool))) {
        pthread_mutex_unlock(&pool->lock);
        thread_confine(THREAD_WORKER, NULL);
        job->work(job);
        finished_list_push(&pool->finished, &job->finished);
        pthread_mutex_lock(&pool->lock);
    }
    if (--pool->nr_workers == 0) {
        pthread_cond_signal(&pool->all_gone);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* With the lock held. */
static int start_worker(struct worker_pool *pool)
{
    pthread_attr_t attr;
    pthread_t thread;
    int ret;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    ret = thread_create_helper(&thread, &attr, worker_main, pool);
    pthread_attr_destroy(&attr);
    if (ret == 0) {
        pool->nr_workers++;
    }
    return -ret;
}

void worker_pool_submit(struct worker_pool *pool, struct worker_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->nr_queued >= pool->nr_idle && pool->nr_workers < WORKERS_MAX) {
        start_worker(pool); /* without another thread, a busy worker does the job later */
    }
    *pool->last = job;
    pool->last = &job->next;
    pool->nr_queued++;
    if (pool->nr_idle) {
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    finished_list_expect(&pool->finished);
}

static void job_done(struct finished *f)
{
    struct worker_job *job = container_of(f, struct worker_job, finished);

    job->done(job);
}

static void end_workers(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->nr_workers) {
        pthread_cond_wait(&pool->all_gone, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void pool_free(struct worker_pool *pool)
{
    finished_list_destroy(&pool->finished);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->all_gone);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static int pool_new(AioContext *ctx, struct worker_pool **out)
{
    struct worker_pool *pool = aligned_alloc(CACHE_LINE, sizeof(*pool));
    pthread_condattr_t attr;
    int ret;

    if (!pool) {
        return -ENOMEM;
    }
    *pool = (struct worker_pool){.ctx = ctx};
    pool->last = &pool->first;
    ret = finished_list_init(&pool->finished, ctx, "workers", job_done);
    if (ret < 0) {
        free(pool);
        return ret;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &attr);
    pthread_cond_init(&pool->all_gone, NULL);
    pthread_condattr_destroy(&attr);
    pthread_mutex_lock(&pool->lock);
    ret = start_worker(pool);
    pthread_mutex_unlock(&pool->lock);
    if (ret < 0) {
        pool_free(pool);
        return ret;
    }
    *out = pool;
    return 0;
}

int worker_pool_get(AioContext *ctx, struct worker_pool **out)
{
    struct worker_pool *pool = aio_worker_pool(ctx);

    aio_assert_owner(ctx);
    if (!pool) {
        int ret = pool_new(ctx, &pool);

        if (ret < 0) {
            return ret;
        }
        aio_set_worker_pool(ctx, pool);
    }
    pool->refs++;
    *out = pool;
    return 0;
}

void worker_pool_put(struct worker_pool *pool)
{
    aio_assert_owner(pool->ctx);
    if (--pool->refs) {
        return;
    }
    aio_set_worker_pool(pool->ctx, NULL);
    end_workers(pool);
    pool_free(pool);
}

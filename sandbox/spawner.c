// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/thread-guard.h"
#include "base/thread-mask.h"
#include "sandbox/allocator.h"
#include "sandbox/spawner.h"

struct order {
    pthread_t *thread;
    const pthread_attr_t *attr; /* NULL: the default */
    void *(*fn)(void *opaque);
    void *opaque;
    int tid; /* of the thread that waits */
    int num; /* the result */
    sem_t done;
};

/* Of the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct order *pending; /* one at a time */

static int create(const struct order *o)
{
    pthread_attr_t attr;
    cpu_set_t cpus;
    int num, state = PTHREAD_CREATE_JOINABLE;

    if (o->attr) {
        pthread_attr_getdetachstate(o->attr, &state);
    }
    num = pthread_attr_init(&attr);
    if (num) {
        return num;
    }
    pthread_attr_setdetachstate(&attr, state);
    if (sched_getaffinity(o->tid, sizeof(cpus), &cpus) == 0) {
        num = pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
    }
    num = num ? num : pthread_create(o->thread, &attr, o->fn, o->opaque);
    pthread_attr_destroy(&attr);
    return num;
}

static void *spawner_main(void *opaque)
{
    pthread_setname_np(pthread_self(), "spawner");
    allocator_prepare();
    thread_confine(THREAD_SPAWNER, NULL);
    sem_post(opaque); /* which is gone when spawner_start() has returned */
    pthread_mutex_lock(&lock);
    for (;;) {
        struct order *o;

        while (!pending) {
            pthread_cond_wait(&changed, &lock);
        }
        o = pending;
        o->num = create(o);
        pending = NULL;
        pthread_cond_broadcast(&changed);
        sem_post(&o->done);
    }
    return NULL;
}

int spawner_start(struct error *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t old;
    sem_t ready;
    int num;

    sem_init(&ready, 0, 0);

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    thread_mask_enter(&old);
    num = pthread_create(&thread, &attr, spawner_main, &ready);
    thread_mask_leave(&old);
    pthread_attr_destroy(&attr);
    while (num == 0 && sem_wait(&ready) < 0) {
    }
    sem_destroy(&ready);
    return num ? error_set(err, -num, "cannot start a thread: %s", strerror(num)) : 0;
}

int spawner_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *opaque),
                   void *opaque)
{
    struct order o = {.thread = thread, .attr = attr, .fn = fn, .opaque = opaque, .tid = gettid()};

    sem_init(&o.done, 0, 0);
    pthread_mutex_lock(&lock);
    while (pending) {
        pthread_cond_wait(&changed, &lock);
    }
    pending = &o;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    while (sem_wait(&o.done) < 0) {
    }
    sem_destroy(&o.done);
    return o.num;
}

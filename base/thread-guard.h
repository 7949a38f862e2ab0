// SPDX-License-Identifier: MIT
/*
 * What confines the threads of a process after its start: sandbox/, if there is a sandbox. Each
 * thread asks to be confined at the first point where it handles what a guest, a front end or a
 * client has sent. Until a guard is set the thread goes on as it is, and asks again next time.
 */
#ifndef POLLUX_BASE_THREAD_GUARD_H
#define POLLUX_BASE_THREAD_GUARD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/barrier.h"

enum thread_kind {
    THREAD_MAIN, /* and the threads that it makes later, which inherit what confines it */
    THREAD_IO,
    THREAD_WORKER,    /* blocking system calls of engines */
    THREAD_CONNECTOR, /* connects to a server again */
    THREAD_RECORDER,  /* writes waits to a file */
    THREAD_VCPU,
    THREAD_CONSOLE,
    THREAD_SERVER,  /* of a vhost-user front end */
    THREAD_SPAWNER, /* makes the helpers: workers and connectors */
    THREAD_KINDS,
};

struct thread_guard {
    /* Confines the calling thread, and ends the process if that is not possible.
     * @name: of the thread, for messages; NULL: the kind says all */
    void (*confine)(enum thread_kind kind, const char *name);
    /* pthread_create() on behalf of a thread that may not make threads. */
    int (*create)(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *opaque),
                  void *opaque);
};

extern const struct thread_guard *thread_guard; /* of the process; NULL: none */
extern _Thread_local bool thread_confined;      /* the calling thread is */

/**
 * thread_guard_set - from now on threads are confined
 * Context: one thread, once; or again with NULL, when all threads that were confined have ended.
 */
void thread_guard_set(const struct thread_guard *guard);

/**
 * thread_confine_now - see thread_confine()
 */
void thread_confine_now(enum thread_kind kind, const char *name);

/**
 * thread_confine - confine the calling thread once there is a guard
 * The first call with a guard has an effect; all others cost two loads.
 */
static inline void thread_confine(enum thread_kind kind, const char *name)
{
    if (__builtin_expect(!thread_confined && load_relaxed(&thread_guard), 0)) {
        thread_confine_now(kind, name);
    }
}

/**
 * thread_create_helper - as pthread_create(), also from a thread that is confined
 * The new thread has the signal mask of thread_mask_enter() and the CPUs of the caller.
 */
int thread_create_helper(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *opaque),
                         void *opaque);

#endif

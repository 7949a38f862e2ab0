// SPDX-License-Identifier: MIT
/* A thread that runs on some CPUs only. */
#ifndef POLLUX_BASE_PINNED_THREAD_H
#define POLLUX_BASE_PINNED_THREAD_H

#include <pthread.h>
#include <sched.h>

/**
 * pinned_thread_create - as pthread_create(), for a thread that runs on @cpus from its first
 * instruction on
 * @cpus: empty: those of the calling thread
 * Return: 0 or an error number.
 */
static inline int pinned_thread_create(pthread_t *thread, const cpu_set_t *cpus,
                                       void *(*fn)(void *opaque), void *opaque)
{
    pthread_attr_t attr;
    int num;

    if (CPU_COUNT(cpus) == 0) {
        return pthread_create(thread, NULL, fn, opaque);
    }
    num = pthread_attr_init(&attr);
    if (num == 0) {
        num = pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
        num = num ? num : pthread_create(thread, &attr, fn, opaque);
        pthread_attr_destroy(&attr);
    }
    return num;
}

#endif

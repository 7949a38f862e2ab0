// SPDX-License-Identifier: MIT
/* A process has one guard: a filter for system calls cannot be taken off again. */
#include "base/thread-guard.h"

#include "base/thread-mask.h"

const struct thread_guard *thread_guard;
_Thread_local bool thread_confined;

void thread_guard_set(const struct thread_guard *guard)
{
    store_release(&thread_guard, guard);
}

void thread_confine_now(enum thread_kind kind, const char *name)
{
    thread_confined = true;
    load_acquire(&thread_guard)->confine(kind, name);
}

int thread_create_helper(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *opaque),
                         void *opaque)
{
    const struct thread_guard *guard = load_acquire(&thread_guard);
    sigset_t old;
    int num;

    if (guard && thread_confined) {
        return guard->create(thread, attr, fn, opaque);
    }
    thread_mask_enter(&old);
    num = pthread_create(thread, attr, fn, opaque);
    thread_mask_leave(&old);
    return num;
}

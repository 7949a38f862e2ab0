// SPDX-License-Identifier: MIT
/*
 * The signal mask of the threads that Pollux starts. Signals from other processes and from the
 * terminal go to the threads that expect them. Signals of a fault of the thread itself stay
 * unblocked: if a fault raises a blocked signal, the kernel kills the process without calling a
 * handler, so the terminal would not be restored and a sanitizer could not report.
 */
#ifndef POLLUX_BASE_THREAD_MASK_H
#define POLLUX_BASE_THREAD_MASK_H

#include <pthread.h>
#include <signal.h>

/**
 * thread_mask_enter - before pthread_create(): the new thread inherits the mask
 * @old: for thread_mask_leave()
 */
static inline void thread_mask_enter(sigset_t *old)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
    sigset_t block;

    sigfillset(&block);
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        sigdelset(&block, own[i]);
    }
    pthread_sigmask(SIG_SETMASK, &block, old);
}

static inline void thread_mask_leave(const sigset_t *old)
{
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

#endif

// SPDX-License-Identifier: MIT
/*
 * Which signals the threads of ours block. Signals that other processes send, and the terminal's,
 * are for the threads that expect them. Those that a thread brings on itself stay deliverable: when
 * a fault meets a blocked signal the kernel kills the process past any handler, so a terminal
 * would not be restored and a sanitizer could not report.
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

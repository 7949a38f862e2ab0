// SPDX-License-Identifier: MIT
/* The system calls that each kind of thread may make. */
#ifndef POLLUX_SANDBOX_CALLS_H
#define POLLUX_SANDBOX_CALLS_H

#include "base/thread-guard.h"
#include "sandbox/config.h"

#define CALLS_MAX      128
#define CALLS_IOTHREAD 24 /* of an I/O thread with one engine at most */

/* Numbers of system calls, each once; those that are made most often come first. */
struct calls {
    unsigned nr;
    int call[CALLS_MAX];
};

/**
 * calls_of - the set of a kind of thread other than THREAD_IO
 * @config: which servers there are, for THREAD_CONNECTOR, and whether there are child processes
 */
void calls_of(enum thread_kind kind, const struct sandbox_config *config, struct calls *out);

/**
 * calls_of_iothread - the set of an I/O thread
 */
void calls_of_iothread(const struct sandbox_iothread *thread, struct calls *out);

/**
 * calls_tcp - do the threads that connect need TCP?
 */
bool calls_tcp(const struct sandbox_config *config);

/**
 * calls_have - is @call in the set?
 */
bool calls_have(const struct calls *calls, int call);

#endif

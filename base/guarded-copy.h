// SPDX-License-Identifier: MIT
/*
 * Copying from memory that may not be there: a mapping of a file that was cut, or whose pages the
 * host can't bring back. The processor then faults in the middle of the copy, and the kernel sends
 * SIGBUS to the thread that copies.
 */
#ifndef POLLUX_BASE_GUARDED_COPY_H
#define POLLUX_BASE_GUARDED_COPY_H

#include <stdbool.h>
#include <stddef.h>

/**
 * guarded_copy_install - take SIGBUS for the process, for good
 * Any number of times, from any thread. A SIGBUS that no copy of ours has caused goes to whoever
 * had it before, or where it would have gone. Return: 0 or -errno.
 */
int guarded_copy_install(void);

/**
 * guarded_copy - memcpy() that survives a fault
 * Context: any thread that does not block SIGBUS; guarded_copy_install() went well.
 * Return: bytes at the end that were not copied; 0: all is there.
 */
size_t guarded_copy(void *to, const void *from, size_t n);

/**
 * guarded_copy_recover - for a handler of SIGBUS that was installed later: was it one of ours?
 * @context: the third argument of a handler with SA_SIGINFO
 * Context: any signal handler.
 * Return: true: then return from the handler, and the copy ends early.
 */
bool guarded_copy_recover(void *context);

#endif

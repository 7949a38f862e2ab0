// SPDX-License-Identifier: MIT
/*
 * Copying from memory that may be missing: a mapping of a file that was truncated, or whose pages
 * the host cannot read back. The processor then faults in the middle of the copy, and the kernel
 * sends SIGBUS to the thread that copies.
 */
#ifndef POLLUX_BASE_GUARDED_COPY_H
#define POLLUX_BASE_GUARDED_COPY_H

#include <stddef.h>

/**
 * guarded_copy_install - catch SIGBUS for the process (base/bus-error.h)
 * Any number of times, from any thread. Return: 0 or -errno.
 */
int guarded_copy_install(void);

/**
 * guarded_copy - memcpy() that survives a fault
 * Context: any thread that does not block SIGBUS; guarded_copy_install() went well.
 * Return: the number of bytes at the end that were not copied.
 */
size_t guarded_copy(void *to, const void *from, size_t n);

#endif

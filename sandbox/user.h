// SPDX-License-Identifier: MIT
/* The user that a process started by root goes on as. */
#ifndef POLLUX_SANDBOX_USER_H
#define POLLUX_SANDBOX_USER_H

#include "base/error.h"

/**
 * user_drop_root - go on as user @name, with the groups of that user, in all threads
 * Descriptors stay open. The process stays dumpable: its /proc/self/fd then belongs to @name.
 * Context: before a thread has a filter for system calls.
 * Return: 0; or -errno and @err: the caller is not root, or there is no such user. The process is
 *         then to end: it may have changed its groups already.
 */
int user_drop_root(const char *name, struct error *err);

#endif

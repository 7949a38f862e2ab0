// SPDX-License-Identifier: MIT
/*
 * The end of a process that makes a forbidden system call.
 *
 * The filter raises SIGSYS in the thread (SECCOMP_RET_TRAP), whose handler knows the call and the
 * thread. A supervisor for SECCOMP_RET_USER_NOTIF would be a further thread that may do more than
 * the others, and SECCOMP_RET_KILL_PROCESS says nothing. A thread that blocks SIGSYS or is in the
 * handler already is killed by the kernel with the process.
 */
#ifndef POLLUX_SANDBOX_VIOLATION_H
#define POLLUX_SANDBOX_VIOLATION_H

#include "base/error.h"

/**
 * violation_catch - install the handler of the process
 * Return: 0, or -errno and @err.
 */
int violation_catch(struct error *err);

/**
 * violation_name_thread - how the line calls this thread: "I/O thread", "io0"
 * @name: NULL: none. Both are copied.
 */
void violation_name_thread(const char *kind, const char *name);

#endif

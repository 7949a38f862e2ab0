// SPDX-License-Identifier: MIT
/*
 * The sandbox of a process: filters for system calls (seccomp), one for each kind of thread, and
 * rules for files, sockets and signals (Landlock).
 *
 * A call that is not in the set of the thread ends the process by SIGSYS, after a line with the
 * thread and the call. docs/sandbox.md has the sets.
 */
#ifndef POLLUX_SANDBOX_SANDBOX_H
#define POLLUX_SANDBOX_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"
#include "base/thread-guard.h"
#include "sandbox/config.h"

/**
 * sandbox_start - make the filters, and have threads confined from now on: see thread_confine()
 * The caller has opened all that it needs. It gets the rules of Landlock at once, and its filter by
 * thread_confine(THREAD_MAIN). Threads that it makes before that are confined by their own calls.
 * Does nothing with SANDBOX_OFF. The sandbox lasts as long as the process.
 * Context: the main thread, once.
 * Return: 0; or -errno and @err: the kernel has no filters, or there is no memory.
 */
int sandbox_start(const struct sandbox_config *config, struct error *err);

/**
 * sandbox_landlock_abi - Return: the version of Landlock that the kernel has; 0: none
 */
int sandbox_landlock_abi(void);

/**
 * sandbox_has_filters - does the kernel have filters for system calls?
 */
bool sandbox_has_filters(void);

#endif

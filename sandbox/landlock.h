// SPDX-License-Identifier: MIT
/* Landlock: what a thread may do with files, TCP and other processes, as far as the kernel goes. */
#ifndef POLLUX_SANDBOX_LANDLOCK_H
#define POLLUX_SANDBOX_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define LANDLOCK_PATHS_MAX 512
#define LANDLOCK_NONE      INT32_MAX /* in the place of a descriptor: the kernel has none */

/* Exceptions; all else is forbidden. Paths that do not exist are left out. */
struct landlock_rules {
    const char *read[64]; /* files and directories that may be opened to be read, ended by NULL */
    const char *remove[LANDLOCK_PATHS_MAX]; /* directories: their entries may be removed */
    uint16_t connect[34];                   /* TCP ports, ended by 0 */
    bool signals;                           /* to other processes */
};

/**
 * landlock_abi - Return: the version of the kernel's interface; 0: it has none, or it is off
 */
int landlock_abi(void);

/**
 * landlock_threads_may_signal - may threads of a process with different rules signal each other
 * although signals to other processes are forbidden? Kernels before an erratum do not let them.
 */
bool landlock_threads_may_signal(void);

/**
 * landlock_make - Return: a descriptor of the rules; LANDLOCK_NONE; or -errno and @err
 */
int landlock_make(const struct landlock_rules *rules, struct error *err);

/**
 * landlock_enter - the calling thread, and those that it makes, keep to the rules from now on
 * @fd: of landlock_make(); LANDLOCK_NONE: no effect
 * Context: makes one system call; the thread has no_new_privs.
 * Return: 0 or -errno.
 */
int landlock_enter(int fd);

#endif

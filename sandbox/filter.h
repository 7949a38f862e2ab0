// SPDX-License-Identifier: MIT
/* A filter for system calls, made once and installed in any number of threads. */
#ifndef POLLUX_SANDBOX_FILTER_H
#define POLLUX_SANDBOX_FILTER_H

#include <linux/filter.h>

#include "base/error.h"
#include "sandbox/calls.h"

struct filter {
    struct sock_fprog program; /* filter NULL: none was made */
};

/**
 * filter_make - a filter that lets the calls of @calls pass
 * Calls that come first in @calls are looked for first. Without clone3(), whose arguments a filter
 * cannot read, glibc uses clone(), and that makes threads only. Memory becomes executable in a
 * thread that may open files only: by dlopen(). Signals to threads are for those of this process.
 * @unix_only: sockets are Unix sockets
 * Return: 0, or -errno and @err. filter_destroy() releases.
 */
int filter_make(struct filter *f, const struct calls *calls, bool unix_only, enum sandbox_mode mode,
                struct error *err);
void filter_destroy(struct filter *f);

/**
 * filter_install - filter the system calls of this thread, and of threads that it makes
 * Context: makes one system call; the thread has no_new_privs.
 * Return: 0 or -errno.
 */
int filter_install(const struct filter *f);

#endif

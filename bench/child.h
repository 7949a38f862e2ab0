// SPDX-License-Identifier: MIT
/* A child program whose output is read. It ends with Pollux. */
#ifndef POLLUX_BENCH_CHILD_H
#define POLLUX_BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct child {
    pid_t pid;
    int out;      /* its standard output */
    int err;      /* a file with its standard error */
    int stop_fd;  /* readable: reading is to end; -1: none */
    bool drained; /* its output has ended */
};

/**
 * child_start - run a program, in a process group of its own, which Ctrl-C does not reach
 * @argv: program, looked for along PATH, and arguments; a NULL ends it
 * @fds: it inherits these besides its output; -1 ends the list
 * @stop_fd: see child_read()
 * Return: 0, or -errno and @err: -ENOENT if there is no such program. child_end() releases.
 */
int child_start(struct child *c, char *const argv[], const int *fds, int stop_fd,
                struct error *err);

/**
 * child_read - wait for output
 * Return: bytes read; 0 when there will be no more; -EINTR when stop_fd is readable; -ETIMEDOUT; or
 *         another -errno.
 */
ssize_t child_read(struct child *c, char *buf, size_t size, int timeout_ms);

/**
 * child_read_all - all it prints, ended by a '\0'; what does not fit is dropped
 * Return: its length or -errno as child_read().
 */
ssize_t child_read_all(struct child *c, char *buf, size_t size, int timeout_ms);

/**
 * child_end - wait for the end of a program whose output has ended, kill it otherwise, and all
 *             that it has started in its process group
 * @complaint: the first line it wrote to stderr, cut to @size; NULL: not wanted
 * Return: its exit status, or 128 + signal, as in a shell.
 */
int child_end(struct child *c, char *complaint, size_t size);

#endif

// SPDX-License-Identifier: MIT
/*
 * What a person is told when a set-up step fails.
 *
 * Lower rooms return -errno and, where a person must act on the failure, also fill a struct error
 * with one line: what failed, on what, and what to do. They never print; only cli/ does.
 */
#ifndef POLLUX_BASE_ERROR_H
#define POLLUX_BASE_ERROR_H

#define ERROR_MSG_MAX 512

struct error {
    char msg[ERROR_MSG_MAX];
};

/**
 * error_set - fill @err and pass an error number through
 * @err: may be NULL: then nothing is written
 * @num: negative errno
 * @fmt: one line without a newline
 *
 * Context: any thread; @err belongs to the caller.
 * Return: @num, so that `return error_set(err, -EINVAL, ...)` reads well.
 */
int error_set(struct error *err, int num, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif

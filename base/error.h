// SPDX-License-Identifier: MIT
/*
 * Error messages of set-up steps.
 *
 * Lower rooms return -errno and, where the user must act on the failure, also fill a struct error
 * with one line: what failed, on what, and what to do. A caller that knows more about the object
 * than the function that failed adds it with error_prefix(). Only cli/ and bench/ print.
 */
#ifndef POLLUX_BASE_ERROR_H
#define POLLUX_BASE_ERROR_H

#define ERROR_MSG_MAX 512

/* Initialise it where it is declared: struct error err = {""}; */
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

/**
 * error_prefix - put context before the message of a function that failed
 * @err: may be NULL: then nothing is written
 * @num: negative errno
 * @fmt: the context, with the separator: "disk %s: "; no argument points into @err
 * A message that then exceeds ERROR_MSG_MAX loses its end.
 *
 * Context: as error_set().
 * Return: @num, so that `return error_prefix(err, ret, ...)` reads well.
 */
int error_prefix(struct error *err, int num, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif

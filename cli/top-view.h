// SPDX-License-Identifier: MIT
/* The live view of `pollux top`, in a terminal. */
#ifndef POLLUX_CLI_TOP_VIEW_H
#define POLLUX_CLI_TOP_VIEW_H

#include "cli/qmp-client.h"

/**
 * top_view_check - can the terminal on standard input and output show the view?
 * Return: 0, or -ENOTTY or -EINVAL and @err.
 */
int top_view_check(struct error *err);

/**
 * top_view_run - show the view until a key, a signal or an error ends it
 * @c: open; its cancel_fd is that of interrupt_watch()
 * The terminal is as before when this returns.
 * Return: 0: a key has ended the view; -EINTR: a signal, which is still in the cancel_fd; or -errno
 *         and @err.
 */
int top_view_run(struct qmp_connection *c, uint64_t interval_ns, struct error *err);

#endif

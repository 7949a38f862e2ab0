// SPDX-License-Identifier: MIT
/* Listening Unix sockets: made at a path, or inherited. */
#ifndef POLLUX_BASE_LISTEN_H
#define POLLUX_BASE_LISTEN_H

#include "base/error.h"

/**
 * listen_at_path - listen on a Unix stream socket at @path
 * An existing socket is replaced if no process listens on it.
 * @mode: permissions of the socket, set before any process can connect
 * Context: any thread.
 * Return: a non-blocking descriptor; close it and unlink the path. Or -errno and @err: too long, in
 *         use, not a socket, or the host refuses it.
 */
int listen_at_path(const char *path, unsigned mode, struct error *err);

/**
 * listen_inherited - check that @fd is a listening Unix stream socket
 * Return: @fd, non-blocking and closed on exec; or -errno and @err.
 */
int listen_inherited(int fd, struct error *err);

#endif

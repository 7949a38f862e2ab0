// SPDX-License-Identifier: MIT
/* Listening Unix sockets: made at a path, or inherited. */
#ifndef POLLUX_VHOST_LISTEN_H
#define POLLUX_VHOST_LISTEN_H

#include "base/error.h"

/**
 * listen_at_path - listen on a Unix stream socket at @path
 * A socket that is there already is replaced if nobody listens on it.
 * @mode: permissions of the socket, which nobody else can connect to before it has them
 * Context: any thread.
 * Return: a non-blocking descriptor; close it and unlink the path. Or -errno and @err: too long, in
 *         use, something else than a socket, not to be made there.
 */
int listen_at_path(const char *path, unsigned mode, struct error *err);

/**
 * listen_inherited - check that @fd is a listening Unix stream socket
 * Return: @fd, non-blocking and closed on exec; or -errno and @err.
 */
int listen_inherited(int fd, struct error *err);

#endif

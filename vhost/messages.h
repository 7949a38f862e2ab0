// SPDX-License-Identifier: MIT
#ifndef POLLUX_VHOST_MESSAGES_H
#define POLLUX_VHOST_MESSAGES_H

#include "vhost/session-state.h"

/**
 * vhost_message_handle - execute the session's message, and answer it
 * Context: the thread of the disk's server.
 * Return: 0, or -errno and @err: the front end must be disconnected.
 */
int vhost_message_handle(struct vhost_session *s, struct error *err);

#endif

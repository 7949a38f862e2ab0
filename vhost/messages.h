// SPDX-License-Identifier: MIT
#ifndef POLLUX_VHOST_MESSAGES_H
#define POLLUX_VHOST_MESSAGES_H

#include "vhost/session-state.h"

/**
 * vhost_message_handle - do what the session's message asks for, and answer it
 * Context: the thread of the disk's server.
 * Return: 0, or -errno and @err: the front end has to be hung up on.
 */
int vhost_message_handle(struct vhost_session *s, struct error *err);

#endif

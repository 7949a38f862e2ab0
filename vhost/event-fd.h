// SPDX-License-Identifier: MIT
/* Event descriptors from a front end. */
#ifndef POLLUX_VHOST_EVENT_FD_H
#define POLLUX_VHOST_EVENT_FD_H

#include "base/error.h"

/**
 * event_fd_check - is @fd an eventfd? Anything else could block an I/O thread that writes or reads
 * it, so it is refused; an eventfd is made non-blocking.
 * Return: 0, or -EINVAL and @err.
 */
int event_fd_check(int fd, struct error *err);

/**
 * event_fd_always_ready - an eventfd that stays readable however often it is read
 * A ring without a kick descriptor has it: the loop that watches it never sleeps.
 * Return: the descriptor, or -errno.
 */
int event_fd_always_ready(void);

/**
 * event_fd_signal - write 1; no effect on a full counter
 */
void event_fd_signal(int fd);

#endif

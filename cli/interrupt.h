// SPDX-License-Identifier: MIT
/* Commands that measure for a while: Ctrl-C ends them, and they report what is done. */
#ifndef POLLUX_CLI_INTERRUPT_H
#define POLLUX_CLI_INTERRUPT_H

#include "aio/error.h"

/**
 * interrupt_watch - block SIGINT, SIGTERM and SIGHUP, in threads that are made later as well
 * Return: a descriptor, the caller's, that becomes readable on one of them; or -errno and @err.
 */
int interrupt_watch(struct error *err);

/**
 * interrupt_status - the exit status that tells of the signal that made @fd readable
 */
int interrupt_status(int fd);

#endif

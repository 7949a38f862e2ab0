// SPDX-License-Identifier: MIT
/* Commands that measure for a while: Ctrl-C ends them, and they report what is done. */
#ifndef POLLUX_CLI_INTERRUPT_H
#define POLLUX_CLI_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"

/**
 * interrupt_watch - block SIGINT, SIGTERM and SIGHUP, in threads that are made later as well
 * Return: a descriptor, the caller's, that becomes readable on one of them; or -errno and @err.
 */
int interrupt_watch(struct error *err);

/**
 * interrupt_status - the exit status that tells of the signal that made @fd readable
 */
int interrupt_status(int fd);

/**
 * interrupt_ignored - is @sig ignored? As nohup(1) and sh's & leave it for a program
 * interrupt_add - add @sig to @set unless it is ignored
 * A blocked signal reaches a signalfd although it is ignored, so an ignored one must not be
 * blocked.
 */
bool interrupt_ignored(int sig);
void interrupt_add(sigset_t *set, int sig);

#endif

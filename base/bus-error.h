// SPDX-License-Identifier: MIT
/*
 * SIGBUS of mapped files: the file was cut, or the host cannot bring a page back.
 */
#ifndef POLLUX_BASE_BUS_ERROR_H
#define POLLUX_BASE_BUS_ERROR_H

#include <signal.h>
#include <stdbool.h>

/**
 * bus_error_recover_fn - makes the access that failed succeed or end
 * @info: of a fault; a signal that a process has sent is not passed on
 * @context: the third argument of a handler with SA_SIGINFO
 * Context: a signal handler of any thread.
 * Return: whether the thread can go on.
 */
typedef bool bus_error_recover_fn(const siginfo_t *info, void *context);

/**
 * bus_error_catch - call @recover for each SIGBUS of the process from now on
 * Any number of times, from any thread; a function is called once for a signal. If no function
 * recovers, the handler or default action from before the first call follows. Return: 0 or -errno.
 */
int bus_error_catch(bus_error_recover_fn *recover);

/**
 * bus_error_recover - for a handler of SIGBUS that was installed after the first bus_error_catch()
 * Context: a signal handler. Return: whether the thread can go on: then the handler returns.
 */
bool bus_error_recover(const siginfo_t *info, void *context);

#endif

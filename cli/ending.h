// SPDX-License-Identifier: MIT
/*
 * Requests to end the process, from a signal or the keyboard: which of them are one and the same,
 * and how long the first waits for a thread that hangs in the kernel.
 */
#ifndef POLLUX_CLI_ENDING_H
#define POLLUX_CLI_ENDING_H

#include <stdbool.h>
#include <stdint.h>

/**
 * ending_repeats - does the request at @now_ns repeat the one at @first_ns?
 * timeout(1) sends SIGTERM to its child and to the process group, so one request arrives twice.
 * @first_ns: 0 if there was none
 */
bool ending_repeats(uint64_t first_ns, uint64_t now_ns);

/**
 * ending_request - note a request that the main loop has seen; only the first counts
 */
void ending_request(void);

/**
 * ending_take_signals - from now on SIGINT, SIGTERM and SIGHUP, which are still blocked, are seen
 * here: the first is a request, its repetitions are ignored, and a later one ends the process
 * Signals that are ignored stay ignored.
 */
void ending_take_signals(void);

/**
 * ending_close - call @close, which waits for what is in flight; from a request on, for a bounded
 * time only
 * @close: called in another thread, or in this one if there can be no other
 * Return: false if the time is over: @close still runs, and only the end of the process ends it.
 */
bool ending_close(void (*close)(void *opaque), void *opaque);

#endif

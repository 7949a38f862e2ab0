// SPDX-License-Identifier: MIT
/*
 * Writes the waits of a loop to a file, for `pollux replay`.
 *
 * The loop puts records into a ring; a thread of the recorder's own turns them into text whenever
 * the ring is half full, and at the end. If the thread cannot keep up, waits are lost and counted:
 * the loop never waits for the thread.
 */
#ifndef POLLUX_AIO_WAITS_RECORDER_H
#define POLLUX_AIO_WAITS_RECORDER_H

#include "aio/aio.h"

struct wait_recorder;

/**
 * wait_recorder_open - begin a file
 * @path:   truncated if it is there
 * @policy: the loop's; must outlive the recorder
 * Return: 0 or -errno and @err. wait_recorder_close() ends and frees.
 */
int wait_recorder_open(const char *path, const struct poll_policy *policy,
                       struct wait_recorder **out, struct error *err);

/**
 * wait_recorder_bit - the bit that stands for a handler, which is named in the file the first time
 * Context: owner of the loop.
 * Return: 0 if too many other handlers have one.
 */
uint64_t wait_recorder_bit(struct wait_recorder *r, struct aio_handler *h);

/**
 * wait_recorder_add - a wait is over
 * @ready: bits of the handlers that were ready
 * Context: owner of the loop, before anything is dispatched.
 */
void wait_recorder_add(struct wait_recorder *r, const struct poll_wait *w, uint64_t ready);

/**
 * wait_recorder_close - write the rest of the waits, and W if the policy has measured it
 * Context: the owner of the loop, or after it has ended.
 * Return: 0, or -errno and @err if the file is not complete.
 */
int wait_recorder_close(struct wait_recorder *r, struct error *err);

#endif

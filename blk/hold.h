// SPDX-License-Identifier: MIT
/* Requests that the host failed. */
#ifndef POLLUX_BLK_HOLD_H
#define POLLUX_BLK_HOLD_H

#include "blk/device.h"

/**
 * blk_held_init - prepare @q for requests that are held
 * @submit: called for each retry of a request
 */
void blk_held_init(struct blk_queue *q, void (*submit)(struct blk_request *r));

/**
 * blk_on_error - choose the action for @r, which the host failed
 * @num: -errno
 * Context: I/O thread.
 * Return: VIRTIO_BLK_REPORT, _IGNORE or _STOP.
 */
enum virtio_blk_on_error blk_on_error(const struct blk_request *r, int num);

/**
 * blk_hold - hold @r for blk_retry(), and ask for the guest to be stopped
 * @what: what failed, without the queue's name
 * Context: I/O thread.
 */
void blk_hold(struct blk_request *r, const char *what);

/* blk_retry - submit all held requests again, soon. Context: any thread. */
void blk_retry(struct blk *blk);

/* blk_held_fail - the queue stops: complete its held requests with S_IOERR. Context: I/O thread. */
void blk_held_fail(struct blk_queue *q);

#endif

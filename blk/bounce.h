// SPDX-License-Identifier: MIT
/* Requests that are moved through a bounce buffer. All functions run in the I/O thread. */
#ifndef POLLUX_BLK_BOUNCE_H
#define POLLUX_BLK_BOUNCE_H

#include "blk/device.h"

/**
 * blk_bounce_init - allocate the bounce buffers of @q, if its image needs any
 * @submit: called for a request that waited for a buffer and has one now
 * Return: 0 or -ENOMEM. blk_bounce_destroy() frees in both cases.
 */
int blk_bounce_init(struct blk_queue *q, void (*submit)(struct blk_request *r));
void blk_bounce_destroy(struct blk_queue *q);

/* blk_bounce_needed - does O_DIRECT reject the offset or a buffer of @r? */
bool blk_bounce_needed(const struct blk_request *r);

/**
 * blk_bounce_take - give @r a bounce buffer
 * Return: whether there was one; if not, the queue's submit() follows.
 */
bool blk_bounce_take(struct blk_request *r);

/**
 * blk_bounce_fill - set the engine's request up for the next piece of @r
 * Return: false if that is a write to a part of a host block, for blk_partial_start().
 */
bool blk_bounce_fill(struct blk_request *r);

/**
 * blk_bounce_moved - the piece of blk_bounce_fill() is done
 * @res: bytes moved by the engine, or -errno
 * Return: bytes of the guest among them, or -errno.
 */
ssize_t blk_bounce_moved(struct blk_request *r, ssize_t res);

/* blk_bounce_release - give the buffer of @r back */
void blk_bounce_release(struct blk_request *r);

#endif

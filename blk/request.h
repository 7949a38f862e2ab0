// SPDX-License-Identifier: MIT
/* The beginning of a request. */
#ifndef POLLUX_BLK_REQUEST_H
#define POLLUX_BLK_REQUEST_H

#include "blk/device.h"

void blk_request_init(struct blk_request *r, struct blk_queue *q);

/**
 * blk_request_start - parse and check the chain of @r, and start the request
 * Context: I/O thread.
 * Return: 0: blk_complete() was called or will be, and the request may be free. -EINVAL: the chain
 *         is no request, its queue is broken and @r is not in use.
 */
int blk_request_start(struct blk_request *r);

#endif

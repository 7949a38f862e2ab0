// SPDX-License-Identifier: MIT
/* The end of a request: status byte, counters, used element, interrupt. */
#ifndef POLLUX_BLK_COMPLETE_H
#define POLLUX_BLK_COMPLETE_H

#include "blk/device.h"

/* blk_complete_init - prepare @q for completions */
void blk_complete_init(struct blk_queue *q);

/**
 * blk_complete - write the status byte and push the used element
 * @written: bytes that the device wrote to the buffers, from the first writable byte on without a
 *           gap (2.7.8.2), without the status byte
 * Context: I/O thread. The request is free afterwards. @q may be freed if it is stopping.
 */
void blk_complete(struct blk_request *r, uint8_t status, uint64_t written);

/* blk_complete_read - count a read and complete it with S_OK */
void blk_complete_read(struct blk_request *r);

/* blk_complete_error - count an error and complete the request with S_IOERR */
void blk_complete_error(struct blk_request *r);

/**
 * blk_quiesce - a stopping queue has nothing in flight: publish, forget the ring, post @quiet
 * Context: I/O thread. The waiting thread may free @q during the call.
 */
void blk_quiesce(struct blk_queue *q);

#endif

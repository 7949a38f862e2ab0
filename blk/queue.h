// SPDX-License-Identifier: MIT
/* A queue of the block device in the loop of its I/O thread. */
#ifndef POLLUX_BLK_QUEUE_H
#define POLLUX_BLK_QUEUE_H

#include "blk/device.h"

/**
 * blk_queue_init - allocate what @q needs to serve @vq; blk, index and iothread are set
 * Return: 0 or -ENOMEM; blk_queue_destroy() frees in both cases.
 */
int blk_queue_init(struct blk_queue *q, struct virtio_queue *vq);
void blk_queue_destroy(struct blk_queue *q);

/**
 * blk_queue_start - begin to serve @q
 * A ring that cannot be used is reported as a fault of the driver, not returned. No effect on a
 * queue that is started or is not ready.
 * Context: any thread but the I/O thread, as for the two functions below.
 * Return: 0, or -errno if the loop cannot watch the queue.
 */
int blk_queue_start(struct blk_queue *q);

/**
 * blk_queue_ask_stop - take no more chains from @q, and fail its held requests
 * blk_queue_await_stop - wait until no request is in flight and the ring is forgotten
 * No effect on a queue that is not started.
 */
void blk_queue_ask_stop(struct blk_queue *q);
void blk_queue_await_stop(struct blk_queue *q);

/**
 * blk_queue_serve - have the loop take the chains in the ring, without a kick
 * Context: I/O thread.
 * Return: false if the queue is stopped or broken.
 */
bool blk_queue_serve(struct blk_queue *q);

#endif

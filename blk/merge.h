// SPDX-License-Identifier: MIT
/* Adjacent requests that are submitted as one. Both functions run in the I/O thread. */
#ifndef POLLUX_BLK_MERGE_H
#define POLLUX_BLK_MERGE_H

#include "blk/device.h"

/**
 * blk_merge_add - add the read or write @r to the queue's run, or begin another run with it
 * It is submitted at the end of the turn at the latest.
 */
void blk_merge_add(struct blk_request *r);

/* blk_merge_submit - submit the queue's run; the turn ends */
void blk_merge_submit(struct blk_queue *q);

#endif

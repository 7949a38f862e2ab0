// SPDX-License-Identifier: MIT
#ifndef POLLUX_BLK_BLK_LOG_H
#define POLLUX_BLK_BLK_LOG_H

#include "blk/device.h"

#define BLK_LOG_MAX 32 /* lines of one kind per queue: a guest cannot fill the log */

/**
 * blk_log - one line about @q, with its name
 * @nr_before: lines of this kind before; from BLK_LOG_MAX on there are no more
 * Context: any thread.
 */
void blk_log(struct blk_queue *q, uint64_t nr_before, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif

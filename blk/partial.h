// SPDX-License-Identifier: MIT
/* Writes to a part of a host block. */
#ifndef POLLUX_BLK_PARTIAL_H
#define POLLUX_BLK_PARTIAL_H

#include "blk/device.h"

void blk_partial_init(struct blk_busy_blocks *busy);
void blk_partial_destroy(struct blk_busy_blocks *busy);
void blk_partial_init_queue(struct blk_queue *q);

/**
 * blk_partial_start - write the piece of @r, which blk_bounce_fill() has set up, to its host block
 * Waits for other requests that write parts of that block. io.cb follows, as from the engine.
 * Context: I/O thread. The request may be free afterwards.
 */
void blk_partial_start(struct blk_request *r);

/* blk_is_partial - does the next piece of @len bytes at @offset begin or end inside a host
 * block? */
static inline bool blk_is_partial(const struct blk *blk, uint64_t offset, uint64_t len)
{
    return offset & (blk->host_block - 1) || len < blk->host_block;
}

#endif

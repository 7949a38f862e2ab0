// SPDX-License-Identifier: MIT
/* Writes to a part of a host block, and changes of whole host blocks beside them. */
#ifndef POLLUX_BLK_PARTIAL_H
#define POLLUX_BLK_PARTIAL_H

#include "blk/device.h"

void blk_partial_init(struct blk_busy_blocks *busy);
void blk_partial_destroy(struct blk_busy_blocks *busy);
void blk_partial_init_queue(struct blk_queue *q);

/**
 * blk_partial_start - write the piece of @r, which blk_bounce_fill() has set up, to its host block
 * Waits for earlier requests that change that block. io.cb follows, as from the engine.
 * Context: I/O thread. The request may be free afterwards.
 */
void blk_partial_start(struct blk_request *r);

/**
 * blk_partial_start_whole - submit @r, which changes @len bytes of whole host blocks at io.offset
 * Waits for earlier requests that write a part of one of these blocks. io.cb follows, as from the
 * engine.
 * Context: I/O thread. The request may be free afterwards.
 */
void blk_partial_start_whole(struct blk_request *r, uint64_t len);

/* blk_partial_concerns - does @r change host blocks that other requests may write in part? */
static inline bool blk_partial_concerns(const struct blk_request *r)
{
    const struct blk *blk = r->q->blk;

    return blk->host_block > blk->block_size && r->io.op != ENGINE_READ && r->io.op != ENGINE_FLUSH;
}

/* blk_is_partial - does the next piece of @len bytes at @offset begin or end inside a host
 * block? */
static inline bool blk_is_partial(const struct blk *blk, uint64_t offset, uint64_t len)
{
    return offset & (blk->host_block - 1) || len < blk->host_block;
}

#endif

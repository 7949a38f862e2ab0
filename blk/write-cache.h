// SPDX-License-Identifier: MIT
/* The write cache of a disk, and flushes (virtio 1.3, 5.2.6.2). */
#ifndef POLLUX_BLK_WRITE_CACHE_H
#define POLLUX_BLK_WRITE_CACHE_H

#include "blk/device.h"

/**
 * blk_write_cache_set - switch the write cache on or off
 * Switching it off flushes all writes that completed before.
 * Context: the thread of the transport.
 */
void blk_write_cache_set(struct blk *blk, bool on);

/**
 * blk_flush_failed - the host failed a flush
 * Context: any thread. Return: whether every later flush of @blk fails, too.
 */
bool blk_flush_failed(struct blk *blk);

/* blk_writeback_lost - has a flush failed for good? */
static inline bool blk_writeback_lost(const struct blk *blk)
{
    return load_relaxed(&blk->writeback_lost);
}

/* blk_write_through - must a write that begins now be durable when it completes? */
static inline bool blk_write_through(const struct blk *blk)
{
    return !load_relaxed(&blk->writeback);
}

/**
 * blk_must_flush - was the write cache switched off after the engine took @r?
 * Then a write must be flushed before it completes.
 */
static inline bool blk_must_flush(const struct blk *blk, const struct engine_req *io)
{
    return io->op != ENGINE_FLUSH && !io->durable && blk_write_through(blk);
}

#endif

// SPDX-License-Identifier: MIT
/*
 * The write cache of a disk (virtio 1.3, 5.2.6.2). With the cache off, a completed write is
 * durable.
 *
 * A failed flush of the host's page cache is final. Linux drops the pages that it could not write,
 * and the next fdatasync() succeeds. So such a flush is not repeated, and every later flush of the
 * disk fails: none may report lost data as durable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blk/write-cache.h"

bool blk_flush_failed(struct blk *blk)
{
    bool final = image_in_page_cache(blk->image);

    if (final) {
        store_relaxed(&blk->writeback_lost, true);
    }
    return final;
}

void blk_write_cache_set(struct blk *blk, bool on)
{
    bool switched_off = blk->writeback && !on;
    char line[128];
    int ret;

    store_relaxed(&blk->writeback, on);
    if (!switched_off || blk->image->fd < 0) {
        return;
    }
    /* The driver may never flush again, so the flush of earlier writes cannot wait for it. */
    do {
        ret = fdatasync(blk->image->fd);
    } while (ret < 0 && errno == EINTR);
    if (ret == 0) {
        return;
    }
    snprintf(line, sizeof(line), "%s: flush failed as the write cache was switched off: %s",
             blk->name, strerror(errno));
    blk_flush_failed(blk);
    if (blk->log) {
        blk->log(blk->log_opaque, line);
    }
}

// SPDX-License-Identifier: MIT
/*
 * Discard and write zeroes (virtio 1.3, 5.2.6): a list of ranges instead of data.
 *
 * The list is copied and checked as a whole before the first range is touched. The ranges go to the
 * engine one after another, so a request is never more than one for the engine.
 */
#include "virtq/internal.h"

#define KNOWN_FLAGS VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

static bool flags_ok(const struct blk_request *r, uint32_t flags)
{
    return !(flags & ~(r->io.op == ENGINE_DISCARD ? 0u : KNOWN_FLAGS));
}

static bool range_ok(const struct blk *blk, const struct virtio_blk_discard_write_zeroes *range,
                     uint32_t max)
{
    uint64_t sectors = image_size(blk->image) / SECTOR_SIZE;

    return range->num_sectors <= max && range->sector <= sectors &&
           range->num_sectors <= sectors - range->sector &&
           ((range->sector | range->num_sectors) & (blk->block_size / SECTOR_SIZE - 1)) == 0;
}

uint8_t blk_range_parse(struct blk_request *r, const struct iov_rest *out, uint64_t len)
{
    const struct blk *blk = r->q->blk;
    uint32_t max = r->io.op == ENGINE_DISCARD ? BLK_DISCARD_SECTORS : BLK_ZEROES_SECTORS;
    uint8_t status = VIRTIO_BLK_S_OK;

    r->data.cnt = 0;
    r->total = r->left = 0;
    if (len % sizeof(r->ranges[0]) || len > sizeof(r->ranges)) {
        return VIRTIO_BLK_S_IOERR;
    }
    iov_gather(out, r->ranges, len);
    r->nr_ranges = len / sizeof(r->ranges[0]);
    for (unsigned i = 0; i < r->nr_ranges; i++) {
        if (!flags_ok(r, r->ranges[i].flags)) {
            return VIRTIO_BLK_S_UNSUPP;
        }
        if (!range_ok(blk, &r->ranges[i], max)) {
            status = VIRTIO_BLK_S_IOERR;
        }
    }
    return status;
}

bool blk_range_next(struct blk_request *r)
{
    const struct virtio_blk_discard_write_zeroes *range = &r->ranges[r->next_range];

    if (r->next_range == r->nr_ranges) {
        return false;
    }
    r->next_range++;
    r->io.offset = range->sector * SECTOR_SIZE;
    r->io.len = r->left = (uint64_t)range->num_sectors * SECTOR_SIZE;
    r->io.may_unmap = r->q->blk->discard && (range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
    return true;
}

uint64_t blk_range_bytes(const struct blk_request *r)
{
    uint64_t sectors = 0;

    for (unsigned i = 0; i < r->nr_ranges; i++) {
        sectors += r->ranges[i].num_sectors;
    }
    return sectors * SECTOR_SIZE;
}

bool blk_range_detect(struct blk_request *r)
{
    const struct blk *blk = r->q->blk;

    if (!iov_is_zero(&r->data)) {
        return false;
    }
    stat_add(&r->q->stats.zeroes, 1);
    r->io.op = ENGINE_WRITE_ZEROES;
    r->io.len = r->left;
    r->io.may_unmap = blk->discard && blk->detect_zeroes == VIRTIO_BLK_DETECT_UNMAP;
    r->data.cnt = 0;
    return true;
}

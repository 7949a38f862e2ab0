// SPDX-License-Identifier: MIT
/*
 * Discard and write zeroes (virtio 1.3, 5.2.6): a list of ranges instead of data.
 *
 * The list is copied and checked as a whole before the first range is touched. The ranges go to the
 * engine one after another, so a request is never more than one for the engine. Where the guest's
 * blocks are smaller than the host's, a range may begin and end within a host block: zeroes are
 * then written to that part, and a discard, which is a hint, leaves it as it is.
 */
#include "blk/internal.h"

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

/* Of a range of @len bytes at *@offset: the whole host blocks, from the first one on. */
static uint64_t whole_blocks(const struct blk *blk, uint64_t *offset, uint64_t len)
{
    uint64_t mask = blk->host_block - 1, skip = -*offset & mask;

    *offset += skip;
    return len > skip ? (len - skip) & ~mask : 0;
}

/* The same, or the part of a block that is before them, or that is left behind them. */
static uint64_t first_piece(const struct blk *blk, uint64_t offset, uint64_t len)
{
    uint64_t mask = blk->host_block - 1, in_block = blk->host_block - (offset & mask);

    return !blk_in_part(blk, offset, len) ? len & ~mask : len < in_block ? len : in_block;
}

bool blk_range_next(struct blk_request *r)
{
    const struct blk *blk = r->q->blk;

    for (; r->next_range < r->nr_ranges; r->next_range++, r->range_done = 0) {
        const struct virtio_blk_discard_write_zeroes *range = &r->ranges[r->next_range];
        uint64_t offset = (range->sector + r->range_done) * SECTOR_SIZE;
        uint64_t left = (uint64_t)(range->num_sectors - r->range_done) * SECTOR_SIZE;
        uint64_t len = r->io.op == ENGINE_DISCARD ? whole_blocks(blk, &offset, left)
                                                  : first_piece(blk, offset, left);

        if (len) {
            r->io.offset = offset;
            r->io.len = r->left = len;
            r->io.may_unmap = blk->discard && (range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
            r->range_done = r->io.op == ENGINE_DISCARD
                                ? range->num_sectors
                                : r->range_done + (uint32_t)(len / SECTOR_SIZE);
            return true;
        }
    }
    return false;
}

bool blk_range_in_part(const struct blk_request *r)
{
    return r->io.op == ENGINE_WRITE_ZEROES && blk_in_part(r->q->blk, r->io.offset, r->left);
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

    if (((r->io.offset | r->left) & (blk->host_block - 1)) || !iov_is_zero(&r->data)) {
        return false;
    }
    stat_add(&r->q->stats.zeroes, 1);
    r->io.op = ENGINE_WRITE_ZEROES;
    r->io.len = r->left;
    r->io.may_unmap = blk->discard && blk->detect_zeroes == VIRTIO_BLK_DETECT_UNMAP;
    r->data.cnt = 0;
    return true;
}

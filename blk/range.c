// SPDX-License-Identifier: MIT
/*
 * Discard and write zeroes (virtio 1.3, 5.2.6): a list of ranges instead of data.
 *
 * The list is copied and checked as a whole before the first range is changed. The engine gets one
 * range at a time, so a request of the guest is one request of the engine. Where the guest's blocks
 * are smaller than the host's, a range may begin or end inside a host block: a write zeroes then
 * writes zeroes to that part of the block, and a discard, which is a hint, leaves the part out.
 */
#include "blk/partial.h"
#include "blk/range.h"

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

    r->ranges.nr = r->ranges.next = 0;
    r->ranges.sectors_done = 0;
    r->parsed.data.cnt = 0;
    r->parsed.total = r->parsed.left = 0;
    if (len % sizeof(r->ranges.list[0]) || len > sizeof(r->ranges.list)) {
        return VIRTIO_BLK_S_IOERR;
    }
    iov_gather(out, r->ranges.list, len);
    r->ranges.nr = len / sizeof(r->ranges.list[0]);
    for (unsigned i = 0; i < r->ranges.nr; i++) {
        if (!flags_ok(r, r->ranges.list[i].flags)) {
            return VIRTIO_BLK_S_UNSUPP;
        }
        if (!range_ok(blk, &r->ranges.list[i], max)) {
            status = VIRTIO_BLK_S_IOERR;
        }
    }
    return status;
}

/* Moves *@offset to the first whole host block of a range of @len bytes. Return: the length of the
 * whole blocks from there on. */
static uint64_t whole_blocks(const struct blk *blk, uint64_t *offset, uint64_t len)
{
    uint64_t mask = blk->host_block - 1, skip = -*offset & mask;

    *offset += skip;
    return len > skip ? (len - skip) & ~mask : 0;
}

/* Return: the length of the whole host blocks at @offset, or of the part of a block there. */
static uint64_t first_piece(const struct blk *blk, uint64_t offset, uint64_t len)
{
    uint64_t mask = blk->host_block - 1, in_block = blk->host_block - (offset & mask);

    return !blk_is_partial(blk, offset, len) ? len & ~mask : len < in_block ? len : in_block;
}

static bool has_ranges(const struct blk_request *r)
{
    return r->io.op == ENGINE_DISCARD || r->io.op == ENGINE_WRITE_ZEROES;
}

bool blk_range_next(struct blk_request *r)
{
    const struct blk *blk = r->q->blk;
    struct blk_ranges *ranges = &r->ranges;
    bool discard = r->io.op == ENGINE_DISCARD;

    if (!has_ranges(r)) {
        return false;
    }
    for (; ranges->next < ranges->nr; ranges->next++, ranges->sectors_done = 0) {
        const struct virtio_blk_discard_write_zeroes *range = &ranges->list[ranges->next];
        uint64_t offset = (range->sector + ranges->sectors_done) * SECTOR_SIZE;
        uint64_t left = (uint64_t)(range->num_sectors - ranges->sectors_done) * SECTOR_SIZE;
        uint64_t len = discard ? whole_blocks(blk, &offset, left) : first_piece(blk, offset, left);

        if (len) {
            r->io.offset = offset;
            r->io.len = r->parsed.left = len;
            r->io.may_unmap = blk->discard && (range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
            ranges->sectors_done =
                discard ? range->num_sectors : ranges->sectors_done + (uint32_t)(len / SECTOR_SIZE);
            return true;
        }
    }
    return false;
}

bool blk_range_is_partial(const struct blk_request *r)
{
    return r->io.op == ENGINE_WRITE_ZEROES &&
           blk_is_partial(r->q->blk, r->io.offset, r->parsed.left);
}

uint64_t blk_range_bytes(const struct blk_request *r)
{
    uint64_t sectors = 0;

    for (unsigned i = 0; i < r->ranges.nr; i++) {
        sectors += r->ranges.list[i].num_sectors;
    }
    return sectors * SECTOR_SIZE;
}

bool blk_range_detect(struct blk_request *r)
{
    const struct blk *blk = r->q->blk;

    if (((r->io.offset | r->parsed.left) & (blk->host_block - 1)) ||
        !iov_is_zero(&r->parsed.data)) {
        return false;
    }
    stat_add(&r->q->stats.zeroes, 1);
    r->ranges.nr = r->ranges.next = 0;
    r->io.op = ENGINE_WRITE_ZEROES;
    r->io.len = r->parsed.left;
    r->io.may_unmap = blk->discard && blk->detect_zeroes == VIRTIO_BLK_DETECT_UNMAP;
    r->parsed.data.cnt = 0;
    return true;
}

// SPDX-License-Identifier: MIT
/*
 * The beginning of a request of the block device (virtio 1.3, 5.2.6): the chain is parsed and
 * checked, and the request takes one of the ways through this room:
 *
 *     read, write     host-io.c, perhaps by way of merge.c (adjacent requests) or bounce.c (memory
 *                     that O_DIRECT rejects); a write of zeroes may become write zeroes (range.c)
 *     discard, write zeroes   range.c, then host-io.c for each range
 *     flush           host-io.c
 *     GET_ID          complete.c at once, as for every request that is malformed or unsupported
 *
 * The driver may cut header, data and status into buffers as it likes (2.7.4.1). So the header is
 * gathered from the first buffers, and the status byte is the last one of the last writable buffer.
 */
#include <linux/virtio_blk.h>

#include "blk/bounce.h"
#include "blk/complete.h"
#include "blk/host-io.h"
#include "blk/merge.h"
#include "blk/range.h"
#include "blk/request.h"
#include "blk/write-cache.h"

/* --- the chain --- */

/* For a header in several buffers, or one with data behind it in the same buffer. */
static __attribute__((noinline)) struct virtio_blk_outhdr gather_header(struct iov_rest out)
{
    struct virtio_blk_outhdr hdr;

    iov_gather(&out, &hdr, sizeof(hdr));
    return hdr;
}

static __attribute__((noinline)) struct iov_rest skip_header(struct iov_rest out)
{
    iov_consume(&out, sizeof(struct virtio_blk_outhdr));
    return out;
}

/* The chain has a whole header. Return: the readable buffers behind it. */
static struct iov_rest take_header(struct virtq_chain *c, struct virtio_blk_outhdr *hdr)
{
    struct iov_rest out = {.iov = c->iov, .cnt = c->nr_out};

    if (out.iov->iov_len == sizeof(*hdr)) { /* a buffer of its own, as in all known drivers */
        guest_memory_copy(hdr, out.iov->iov_base, sizeof(*hdr));
        return (struct iov_rest){.iov = out.iov + 1, .cnt = out.cnt - 1};
    }
    *hdr = gather_header(out);
    return skip_header(out);
}

/* The chain has a writable buffer. Return: the writable buffers without the status byte. */
static struct iov_rest take_status(struct blk_request *r)
{
    struct virtq_chain *c = &r->chain;
    struct iov_rest in = {.iov = c->iov + c->nr_out, .cnt = c->nr_in};
    struct iovec *last = &in.iov[in.cnt - 1];
    size_t len = last->iov_len - 1;

    last->iov_len = len;
    r->parsed.status = (uint8_t *)last->iov_base + len;
    in.cnt -= len == 0;
    return in;
}

/* --- the operations --- */

static void submit(struct blk_request *r)
{
    if (r->q->blk->merge) {
        blk_merge_add(r);
    } else {
        blk_host_submit(r);
    }
}

static __attribute__((noinline)) void submit_rare(struct blk_request *r)
{
    if (r->io.op == ENGINE_WRITE && r->q->blk->detect_zeroes && blk_range_detect(r)) {
        blk_host_submit(r);
    } else if (r->q->blk->image->align > 1 && blk_bounce_needed(r)) {
        blk_host_submit_bounced(r);
    } else {
        submit(r);
    }
}

static void transfer(struct blk_request *r, uint64_t sector, uint64_t bytes)
{
    const struct blk *blk = r->q->blk;
    const struct image *image = blk->image;
    uint64_t size = image_size(image), offset = sector * SECTOR_SIZE;

    r->parsed.total = r->parsed.left = bytes;
    if (sector > size / SECTOR_SIZE || bytes > size - offset ||
        ((offset | bytes) & (blk->block_size - 1)) ||
        (r->io.op == ENGINE_WRITE && image->readonly)) {
        blk_complete_error(r);
        return;
    }
    if (bytes == 0) {
        blk_host_ok(r);
        return;
    }
    r->io.offset = offset;
    r->io.durable = blk_write_through(blk);
    if (image->align > 1 || (r->io.op == ENGINE_WRITE && blk->detect_zeroes)) {
        submit_rare(r);
    } else {
        submit(r);
    }
}

static void unsupported(struct blk_request *r)
{
    stat_add(&r->q->stats.unsupported, 1);
    blk_complete(r, VIRTIO_BLK_S_UNSUPP, 0);
}

static void ranges(struct blk_request *r, enum engine_op op, struct iov_rest out, uint64_t bytes)
{
    unsigned feature = op == ENGINE_DISCARD ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES;
    uint8_t status = VIRTIO_BLK_S_UNSUPP;

    r->io.op = op;
    r->io.durable = blk_write_through(r->q->blk);
    if (r->q->blk->dev.driver_features & (1ull << feature)) {
        status = blk_range_parse(r, &out, bytes);
    }
    if (status == VIRTIO_BLK_S_OK) {
        /* The host may have to write these zeroes. A discard moves no data. */
        if (op == ENGINE_WRITE_ZEROES) {
            throttle_began(&r->q->throttle, THROTTLE_WRITE, 0, blk_range_bytes(r));
        }
        blk_host_next_range(r);
    } else if (status == VIRTIO_BLK_S_UNSUPP) {
        unsupported(r);
    } else {
        blk_complete_error(r);
    }
}

static void get_id(struct blk_request *r, struct iov_rest in)
{
    stat_add(&r->q->stats.others, 1);
    blk_complete(r, VIRTIO_BLK_S_OK, iov_scatter(&in, r->q->blk->serial, VIRTIO_BLK_SERIAL_MAX));
}

/* --- the request --- */

int blk_request_start(struct blk_request *r)
{
    struct virtq_chain *c = &r->chain;
    struct virtio_blk_outhdr hdr;
    struct iov_rest in, out;
    uint64_t out_bytes = c->out_bytes - sizeof(hdr);

    if (c->out_bytes < sizeof(hdr)) {
        return virtq_break(&r->q->vq->vq, "request header is cut short", c->head);
    }
    if (c->nr_in == 0) {
        return virtq_break(&r->q->vq->vq, "status byte is missing", c->head);
    }
    out = take_header(c, &hdr);
    in = take_status(r);
    switch (hdr.type) {
    case VIRTIO_BLK_T_IN:
        r->io.op = ENGINE_READ;
        r->parsed.data = in;
        transfer(r, hdr.sector, c->in_bytes - 1);
        break;
    case VIRTIO_BLK_T_OUT:
        r->io.op = ENGINE_WRITE;
        r->parsed.data = out;
        transfer(r, hdr.sector, out_bytes);
        break;
    case VIRTIO_BLK_T_FLUSH:
        blk_host_flush(r);
        break;
    case VIRTIO_BLK_T_GET_ID:
        get_id(r, in);
        break;
    case VIRTIO_BLK_T_DISCARD:
        ranges(r, ENGINE_DISCARD, out, out_bytes);
        break;
    case VIRTIO_BLK_T_WRITE_ZEROES:
        ranges(r, ENGINE_WRITE_ZEROES, out, out_bytes);
        break;
    default:
        unsupported(r);
        break;
    }
    return 0;
}

void blk_request_init(struct blk_request *r, struct blk_queue *q)
{
    r->q = q;
    r->io.cb = blk_host_done;
    list_init(&r->node);
}

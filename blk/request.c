// SPDX-License-Identifier: MIT
/*
 * One request of the block device (virtio 1.3, 5.2.6): parse, check, do, complete.
 *
 * The driver may cut header, data and status into buffers as it likes (2.7.4.1), so the header is
 * gathered from the front, and the status byte is the last one of the last writable buffer.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <string.h>

#include "blk/internal.h"

static struct virtio_blk_stats *stats_of(struct blk_request *r)
{
    return &r->q->stats;
}

/* --- completion --- */

static void continue_ranges(struct blk_request *r);
static void flush(struct blk_request *r);

/* The used length counts what was written from the first writable byte on without a gap (2.7.8.2).
 */
static void finish(struct blk_request *r, uint8_t status, uint64_t written)
{
    store_relaxed(r->status, status);
    if (written == r->chain.in_bytes - 1) {
        written++;
    }
    if (r->bounce) {
        blk_bounce_release(r);
    }
    blk_queue_complete(r, written < UINT32_MAX ? written : UINT32_MAX);
}

void blk_request_fail(struct blk_request *r)
{
    stat_add(&stats_of(r)->errors, 1);
    finish(r, VIRTIO_BLK_S_IOERR, r->io.op == ENGINE_READ ? r->total - r->left : 0);
}

/* Was the write cache switched off meanwhile? Then it must be stable, too, when it completes
 * (5.2.6.2). */
static bool needs_flush(const struct blk_request *r)
{
    return r->io.op != ENGINE_FLUSH && !r->io.durable && !load_relaxed(&r->q->blk->writeback);
}

static void finish_read(struct blk_request *r)
{
    struct virtio_blk_stats *stats = stats_of(r);

    stat_add(&stats->reads, 1);
    stat_add(&stats->read_bytes, r->total);
    finish(r, VIRTIO_BLK_S_OK, r->total);
}

static void finish_ok(struct blk_request *r)
{
    struct virtio_blk_stats *stats = stats_of(r);

    switch (r->io.op) {
    case ENGINE_READ:
        finish_read(r);
        return;
    case ENGINE_FLUSH:
        stat_add(&stats->flushes, 1);
        break;
    case ENGINE_DISCARD:
        stat_add(&stats->discards, 1);
        stat_add(&stats->discard_bytes, blk_range_bytes(r));
        break;
    case ENGINE_WRITE_ZEROES:
        if (r->total == 0) {
            stat_add(&stats->write_zeroes, 1);
            stat_add(&stats->write_zeroes_bytes, blk_range_bytes(r));
            break;
        }
        /* it came as a write */
        __attribute__((fallthrough));
    case ENGINE_WRITE:
        stat_add(&stats->writes, 1);
        stat_add(&stats->write_bytes, r->total);
        break;
    }
    if (needs_flush(r)) {
        flush(r);
    } else {
        finish(r, VIRTIO_BLK_S_OK, 0);
    }
}

static void host_error(struct blk_request *r, int num, const char *why)
{
    static const char *const verb[] = {
        [ENGINE_READ] = "read",
        [ENGINE_WRITE] = "write",
        [ENGINE_FLUSH] = "flush",
        [ENGINE_DISCARD] = "discard",
        [ENGINE_WRITE_ZEROES] = "write zeroes",
    };
    struct virtio_blk_stats *stats = stats_of(r);
    enum virtio_blk_on_error policy = blk_on_error(r, num);
    char what[160];

    snprintf(what, sizeof(what), "%s of %" PRIu64 " bytes at %" PRIu64 " failed: %s",
             verb[r->io.op], r->left, r->io.offset, why);
    if (policy == VIRTIO_BLK_STOP) {
        blk_hold(r, what);
        return;
    }
    blk_queue_log(r->q, stats->errors + stats->ignored, "%s", what);
    if (policy == VIRTIO_BLK_IGNORE) {
        stat_add(&stats->ignored, 1);
        continue_ranges(r); /* the others of its ranges are not ignored */
    } else {
        blk_request_fail(r);
    }
}

/* --- to and from the engine --- */

void blk_request_submit(struct blk_request *r)
{
    int n;

    if (blk_timed(r)) {
        blk_sample_submitted(r);
    }
    if (!r->bounce) {
        r->io.iov = r->data.iov;
        r->io.iovcnt = r->data.cnt;
    } else if (!blk_bounce_fill(r)) {
        blk_partial_start(r);
        return;
    }
    n = engine_submit(r->q->engine, &r->io);
    if (n < 0) {
        if (r->bounce) {
            blk_bounce_moved(r, n);
        }
        host_error(r, n, strerror(-n));
    }
}

/* The next piece of a discard or of write zeroes; any other request is done. */
static void continue_ranges(struct blk_request *r)
{
    if (!blk_range_next(r)) {
        finish_ok(r);
        return;
    }
    if (r->bounce) {
        blk_bounce_release(r);
    }
    if (blk_range_in_part(r)) {
        blk_bounce_start(r);
    } else {
        blk_request_submit(r);
    }
}

static bool writeback_lost(const struct blk_request *r)
{
    return load_relaxed(&r->q->blk->writeback_lost);
}

static void flush_after_loss(struct blk_request *r)
{
    host_error(r, -EIO, "an earlier one failed, and what was to be written is lost");
}

/* The kernel reports a lost write-back once per open file, to only one of several concurrent
 * fdatasync() calls. */
static void flush_done(struct blk_request *r)
{
    if (writeback_lost(r)) {
        flush_after_loss(r);
    } else {
        finish_ok(r);
    }
}

/* Every completion but that of a read in one piece without error. */
static __attribute__((noinline)) void done_rare(struct blk_request *r, ssize_t res)
{
    struct engine_req *io = &r->io;
    uint64_t asked = r->bounce ? r->piece : r->left;
    /* A bounce buffer goes on within a host block as well. */
    unsigned unit = r->bounce ? SECTOR_SIZE : r->q->blk->host_block;

    if (r->bounce) {
        res = blk_bounce_moved(r, res);
    }
    if (res < 0) {
        host_error(r, (int)res, strerror(-res));
        return;
    }
    if (io->op == ENGINE_FLUSH) {
        flush_done(r);
        return;
    }
    if ((io->op == ENGINE_DISCARD || io->op == ENGINE_WRITE_ZEROES) && !r->bounce) {
        continue_ranges(r);
        return;
    }
    /* A rest that does not begin at a block is no transfer to go on with: the file ends there. */
    if (res == 0 || (uint64_t)res > asked || ((uint64_t)res < asked && res % unit)) {
        host_error(r, -EINVAL,
                   "the image is shorter than it was; SIGHUP has Pollux tell the guest its size");
        return;
    }
    if (r->bounce && io->op == ENGINE_READ) {
        if (blk_timed(r)) {
            blk_sample_completed(r);
        }
        iov_scatter(&r->data, r->bounce + r->skip, res);
    }
    r->left -= res;
    if (r->left == 0) {
        continue_ranges(r);
        return;
    }
    iov_consume(&r->data, res);
    io->offset += res;
    blk_request_submit(r);
}

void blk_request_done(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);

    if (io->op == ENGINE_READ && (uint64_t)res == r->left && !r->bounce) {
        r->left = 0;
        finish_read(r);
    } else {
        done_rare(r, res);
    }
}

/* --- the operations --- */

static void submit(struct blk_request *r)
{
    if (r->q->blk->merge) {
        blk_merge_add(r);
    } else {
        blk_request_submit(r);
    }
}

static __attribute__((noinline)) void submit_rare(struct blk_request *r)
{
    if (r->io.op == ENGINE_WRITE && r->q->blk->detect_zeroes && blk_range_detect(r)) {
        blk_request_submit(r);
    } else if (r->q->blk->image->align > 1 && blk_bounce_needed(r)) {
        blk_bounce_start(r);
    } else {
        submit(r);
    }
}

static void transfer(struct blk_request *r, uint64_t sector, uint64_t bytes)
{
    const struct blk *blk = r->q->blk;
    const struct image *image = blk->image;
    uint64_t size = image_size(image), offset = sector * SECTOR_SIZE;

    r->total = r->left = bytes;
    if (sector > size / SECTOR_SIZE || bytes > size - offset ||
        ((offset | bytes) & (blk->block_size - 1)) ||
        (r->io.op == ENGINE_WRITE && image->readonly)) {
        blk_request_fail(r);
        return;
    }
    if (bytes == 0) {
        finish_ok(r);
        return;
    }
    r->io.offset = offset;
    r->io.durable = !load_relaxed(&blk->writeback);
    if (image->align > 1 || (r->io.op == ENGINE_WRITE && blk->detect_zeroes)) {
        submit_rare(r);
    } else {
        submit(r);
    }
}

static void flush(struct blk_request *r)
{
    r->io.op = ENGINE_FLUSH;
    r->io.offset = 0;
    r->total = r->left = 0;
    r->data.cnt = 0;
    if (r->bounce) {
        blk_bounce_release(r);
    }
    if (writeback_lost(r)) {
        flush_after_loss(r);
    } else {
        blk_request_submit(r);
    }
}

static void unsupported(struct blk_request *r)
{
    stat_add(&stats_of(r)->unsupported, 1);
    finish(r, VIRTIO_BLK_S_UNSUPP, 0);
}

static void ranges(struct blk_request *r, enum engine_op op, struct iov_rest out, uint64_t bytes)
{
    unsigned feature = op == ENGINE_DISCARD ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES;
    uint8_t status = VIRTIO_BLK_S_UNSUPP;

    r->io.op = op;
    r->io.durable = !load_relaxed(&r->q->blk->writeback);
    if (r->q->blk->dev.driver_features & (1ull << feature)) {
        status = blk_range_parse(r, &out, bytes);
    }
    if (status == VIRTIO_BLK_S_OK) {
        continue_ranges(r);
    } else if (status == VIRTIO_BLK_S_UNSUPP) {
        unsupported(r);
    } else {
        blk_request_fail(r);
    }
}

static void get_id(struct blk_request *r, struct iov_rest in)
{
    stat_add(&stats_of(r)->others, 1);
    finish(r, VIRTIO_BLK_S_OK, iov_scatter(&in, r->q->blk->serial, VIRTIO_BLK_SERIAL_MAX));
}

/* --- the chain --- */

/* The header of a driver that cuts it into pieces, or has data behind it in the same buffer. */
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

/* Of a chain that has a whole one. Return: the readable buffers behind it. */
static struct iov_rest take_header(struct virtq_chain *c, struct virtio_blk_outhdr *hdr)
{
    struct iov_rest out = {.iov = c->iov, .cnt = c->nr_out};

    if (out.iov->iov_len == sizeof(*hdr)) { /* a buffer by itself, as all drivers do it */
        guest_memory_copy(hdr, out.iov->iov_base, sizeof(*hdr));
        return (struct iov_rest){.iov = out.iov + 1, .cnt = out.cnt - 1};
    }
    *hdr = gather_header(out);
    return skip_header(out);
}

/* The writable buffers, of which there is one, without the status byte. */
static struct iov_rest take_status(struct blk_request *r)
{
    struct virtq_chain *c = &r->chain;
    struct iov_rest in = {.iov = c->iov + c->nr_out, .cnt = c->nr_in};
    struct iovec *last = &in.iov[in.cnt - 1];
    size_t len = last->iov_len - 1;

    last->iov_len = len;
    r->status = (uint8_t *)last->iov_base + len;
    in.cnt -= len == 0;
    return in;
}

int blk_request_start(struct blk_request *r)
{
    struct virtq_chain *c = &r->chain;
    struct virtio_blk_outhdr hdr;
    struct iov_rest in, out;
    uint64_t out_bytes = c->out_bytes - sizeof(hdr);

    r->nr_ranges = r->next_range = 0;
    r->range_done = 0;
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
        r->data = in;
        transfer(r, hdr.sector, c->in_bytes - 1);
        break;
    case VIRTIO_BLK_T_OUT:
        r->io.op = ENGINE_WRITE;
        r->data = out;
        transfer(r, hdr.sector, out_bytes);
        break;
    case VIRTIO_BLK_T_FLUSH:
        flush(r);
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
    r->io.cb = blk_request_done;
    list_init(&r->node);
}

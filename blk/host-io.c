// SPDX-License-Identifier: MIT
/*
 * The way of a parsed request to the engine and back.
 *
 *     blk_host_submit()    the remaining data of a read or write, perhaps by a bounce buffer
 *     engine               moves some of the data, and calls
 *     blk_host_done()      an error: report, ignore or hold; a short transfer: submit the rest; a
 *                          request on ranges: submit the next one; all moved: complete, perhaps
 *                          after a flush
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "blk/blk-log.h"
#include "blk/bounce.h"
#include "blk/complete.h"
#include "blk/hold.h"
#include "blk/host-io.h"
#include "blk/partial.h"
#include "blk/range.h"
#include "blk/sample.h"
#include "blk/write-cache.h"

static void host_error(struct blk_request *r, int num, const char *why);

/* --- to the engine --- */

void blk_host_submit(struct blk_request *r)
{
    int ret;

    if (blk_timed(r)) {
        blk_sample_submitted(r);
    }
    if (!r->bounced) {
        r->io.iov = r->parsed.data.iov;
        r->io.iovcnt = r->parsed.data.cnt;
    } else if (!blk_bounce_fill(r)) {
        blk_partial_start(r);
        return;
    }
    if (blk_partial_concerns(r)) {
        blk_partial_start_whole(r, r->bounced ? r->bounce.iov.iov_len : r->parsed.left);
        return;
    }
    ret = engine_submit(r->q->engine, &r->io);
    if (ret < 0) {
        if (r->bounced) {
            blk_bounce_moved(r, ret);
        }
        host_error(r, ret, strerror(-ret));
    }
}

void blk_host_submit_bounced(struct blk_request *r)
{
    if (blk_bounce_take(r)) {
        blk_host_submit(r);
    }
}

void blk_host_next_range(struct blk_request *r)
{
    if (!blk_range_next(r)) {
        blk_host_ok(r);
        return;
    }
    if (r->bounced) {
        blk_bounce_release(r);
    }
    if (blk_range_is_partial(r)) {
        blk_host_submit_bounced(r);
    } else {
        blk_host_submit(r);
    }
}

static void flush_after_loss(struct blk_request *r)
{
    host_error(r, -EIO, "an earlier flush failed, and the data that it should write is lost");
}

void blk_host_flush(struct blk_request *r)
{
    r->io.op = ENGINE_FLUSH;
    r->io.offset = 0;
    r->parsed.total = r->parsed.left = 0;
    r->parsed.data.cnt = 0;
    if (r->bounced) {
        blk_bounce_release(r);
    }
    if (blk_writeback_lost(r->q->blk)) {
        flush_after_loss(r);
    } else {
        blk_host_submit(r);
    }
}

/* --- the request is done --- */

static void count(struct blk_request *r)
{
    struct virtio_blk_stats *stats = &r->q->stats;

    switch (r->io.op) {
    case ENGINE_READ:
        break; /* blk_complete_read() */
    case ENGINE_FLUSH:
        stat_add(&stats->flushes, 1);
        break;
    case ENGINE_DISCARD:
        stat_add(&stats->discards, 1);
        stat_add(&stats->discard_bytes, blk_range_bytes(r));
        break;
    case ENGINE_WRITE_ZEROES:
        if (r->parsed.total == 0) {
            stat_add(&stats->write_zeroes, 1);
            stat_add(&stats->write_zeroes_bytes, blk_range_bytes(r));
            break;
        }
        /* a write of zeroes */
        __attribute__((fallthrough));
    case ENGINE_WRITE:
        stat_add(&stats->writes, 1);
        stat_add(&stats->write_bytes, r->parsed.total);
        break;
    }
}

void blk_host_ok(struct blk_request *r)
{
    if (r->io.op == ENGINE_READ) {
        blk_complete_read(r);
        return;
    }
    count(r);
    if (blk_must_flush(r->q->blk, &r->io)) {
        blk_host_flush(r);
    } else {
        blk_complete(r, VIRTIO_BLK_S_OK, 0);
    }
}

static void report_error(const struct blk_request *r, int num, enum virtio_blk_on_error action,
                         const char *reason)
{
    const struct blk *blk = r->q->blk;
    const struct blk_io_error e = {
        .disk = blk->name,
        .read = r->io.op == ENGINE_READ,
        .no_space = num == -ENOSPC || num == -EDQUOT,
        .action = action,
        .reason = reason,
    };

    if (blk->io_error) {
        blk->io_error(blk->log_opaque, &e);
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
    struct virtio_blk_stats *stats = &r->q->stats;
    enum virtio_blk_on_error policy = blk_on_error(r, num);
    char what[160];

    snprintf(what, sizeof(what), "%s of %" PRIu64 " bytes at %" PRIu64 " failed: %s",
             verb[r->io.op], r->parsed.left, r->io.offset, why);
    report_error(r, num, policy, what);
    if (policy == VIRTIO_BLK_STOP) {
        blk_hold(r, what);
        return;
    }
    blk_log(r->q, stats->errors + stats->ignored, "%s", what);
    if (policy == VIRTIO_BLK_IGNORE) {
        stat_add(&stats->ignored, 1);
        blk_host_next_range(r); /* only the range that failed is ignored */
    } else {
        blk_complete_error(r);
    }
}

/* --- from the engine --- */

/* The kernel reports a lost write-back once per open file, to only one of several concurrent
 * fdatasync() calls. */
static void flush_done(struct blk_request *r)
{
    if (blk_writeback_lost(r->q->blk)) {
        flush_after_loss(r);
    } else {
        blk_host_ok(r);
    }
}

/* @res bytes of a read or write were moved; more than 0, unless the file has ended. */
static void moved(struct blk_request *r, ssize_t res)
{
    uint64_t asked = r->bounced ? r->bounce.piece : r->parsed.left;
    /* With a bounce buffer, a request can continue inside a host block. */
    unsigned unit = r->bounced ? SECTOR_SIZE : r->q->blk->host_block;

    /* A short transfer that ends inside a block has reached the end of the file. */
    if (res == 0 || (uint64_t)res > asked || ((uint64_t)res < asked && res % unit)) {
        host_error(r, -EINVAL,
                   "the image is shorter than it was; SIGHUP has Pollux tell the guest its size");
        return;
    }
    if (r->bounced && r->io.op == ENGINE_READ) {
        if (blk_timed(r)) {
            blk_sample_completed(r);
        }
        iov_scatter(&r->parsed.data, r->bounce.buf + r->bounce.skip, res);
    }
    r->parsed.left -= res;
    if (r->parsed.left == 0) {
        blk_host_next_range(r);
        return;
    }
    iov_consume(&r->parsed.data, res);
    r->io.offset += res;
    blk_host_submit(r);
}

/* Every completion but that of a read in one piece without error. */
static __attribute__((noinline)) void done_rare(struct blk_request *r, ssize_t res)
{
    if (r->bounced) {
        res = blk_bounce_moved(r, res);
    }
    if (res < 0) {
        host_error(r, (int)res, strerror(-res));
        return;
    }
    switch (r->io.op) {
    case ENGINE_FLUSH:
        flush_done(r);
        return;
    case ENGINE_DISCARD:
    case ENGINE_WRITE_ZEROES:
        if (!r->bounced) {
            blk_host_next_range(r);
            return;
        }
        break;
    case ENGINE_READ:
    case ENGINE_WRITE:
        break;
    }
    moved(r, res);
}

void blk_host_done(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);

    if (io->op == ENGINE_READ && (uint64_t)res == r->parsed.left && !r->bounced) {
        r->parsed.left = 0;
        blk_complete_read(r);
    } else {
        done_rare(r, res);
    }
}

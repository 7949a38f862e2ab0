// SPDX-License-Identifier: MIT
/*
 * Adjacent requests are submitted to the host as one.
 *
 * A run is a sequence of requests of one turn, in one direction, each of which begins on the disk
 * where the one before it ends. A run grows while requests are parsed. It is submitted when the
 * next request does not continue it or when the turn ends, so merging delays no request beyond its
 * turn.
 *
 * The buffers of the run are gathered in the array of the first request, behind its data. There
 * they overwrite the buffer of the status byte, whose address the request has elsewhere. So a run
 * allocates no memory, and the size of the array limits the run. The other requests keep their own
 * arrays unchanged.
 *
 * If the host moves the run only in part, the requests that were moved whole are complete, and each
 * of the others is submitted again alone: an error of the host fails only the requests that it
 * concerns.
 */
#include <string.h>

#include "blk/host-io.h"
#include "blk/merge.h"
#include "blk/partial.h"
#include "blk/sample.h"

#define RUN_BYTES_MAX (1u << 20)

static void split_done(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);
    uint64_t moved = res > 0 ? (uint64_t)res : 0;

    r->io.cb = blk_host_done;
    while (r) {
        struct blk_request *next =
            r->merged
                .next; /* read first: @r may be free afterwards, and so may @q after the last one */
        uint64_t asked = r->parsed.left;

        if (moved >= asked) {
            moved -= asked;
            trace_request_completed(r->q->trace, r->q->engine, &r->io, (int64_t)asked);
            blk_host_done(&r->io, (ssize_t)asked);
        } else {
            moved = 0;
            blk_host_submit(r);
        }
        r = next;
    }
}

static void submit_merged(struct blk_queue *q, struct blk_request *first)
{
    first->io.iov = first->parsed.data.iov;
    first->io.iovcnt = (int)q->run.cnt;
    first->io.cb = split_done;
    for (struct blk_request *r = first; r; r = r->merged.next) {
        if (blk_timed(r)) {
            blk_sample_submitted(r);
        }
    }
    for (struct blk_request *r = first->merged.next; r; r = r->merged.next) {
        trace_request_submitted(q->trace, q->engine, &r->io, r->io.op, r->io.offset);
    }
    if (blk_partial_concerns(first)) {
        blk_partial_start_whole(first, q->run.bytes);
    } else if (engine_submit(q->engine, &first->io) < 0) {
        split_done(&first->io, 0);
    }
}

static void begin(struct blk_run *run, struct blk_request *r)
{
    r->merged.next = NULL;
    run->first = run->last = r;
    run->cnt = r->parsed.data.cnt;
    run->bytes = r->parsed.left;
}

static bool fits(const struct blk_run *run, const struct blk_request *r)
{
    const struct blk_request *first = run->first;
    ptrdiff_t room = first->chain.iov + VIRTQ_IOV_MAX - first->parsed.data.iov;

    return r->io.offset == first->io.offset + run->bytes && r->io.op == first->io.op &&
           r->io.durable == first->io.durable && run->bytes + r->parsed.left <= RUN_BYTES_MAX &&
           run->cnt + r->parsed.data.cnt <= room;
}

void blk_merge_add(struct blk_request *r)
{
    struct blk_queue *q = r->q;
    struct blk_run *run = &q->run;

    if (!run->first) {
        begin(run, r);
        return;
    }
    if (!fits(run, r)) {
        blk_merge_submit(q);
        begin(run, r);
        return;
    }
    memcpy(run->first->parsed.data.iov + run->cnt, r->parsed.data.iov,
           r->parsed.data.cnt * sizeof(struct iovec));
    run->cnt += r->parsed.data.cnt;
    run->bytes += r->parsed.left;
    r->merged.next = NULL;
    run->last->merged.next = r;
    run->last = r;
    stat_add(&q->stats.merged, 1);
}

void blk_merge_submit(struct blk_queue *q)
{
    struct blk_request *first = q->run.first;

    if (!first) {
        return;
    }
    q->run.first = NULL;
    if (first->merged.next) {
        submit_merged(q, first);
    } else {
        blk_host_submit(first);
    }
}

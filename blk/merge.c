// SPDX-License-Identifier: MIT
/*
 * Adjacent requests become one on their way to the host.
 *
 * A run is what was taken from the ring in one turn, one behind the other on the disk, in one
 * direction. It grows while requests are parsed and is submitted when the next one does not fit or
 * the turn ends, so a request that stays alone waits for nothing.
 *
 * The buffers of all are gathered behind those of the first, in the first's own array: what was
 * there, the status byte's buffer, has been read. So the array's size is the bound, and nothing is
 * allocated. Every other request keeps its buffers in its own array.
 *
 * When the host moves all of a run, all is well. Else those of its requests that were moved whole
 * are complete, and every other one is submitted again, alone: only the one that is bad fails.
 */
#include <string.h>

#include "blk/internal.h"

#define RUN_BYTES_MAX (1u << 20)

static void split_done(struct engine_req *io, ssize_t res)
{
    struct blk_request *r = container_of(io, struct blk_request, io);
    uint64_t moved = res > 0 ? (uint64_t)res : 0;

    r->io.cb = blk_request_done;
    while (r) {
        struct blk_request *next = r->next; /* @r may be free afterwards, and after the last @q */
        uint64_t asked = r->left;

        if (moved >= asked) {
            moved -= asked;
            trace_request_completed(r->q->trace, r->q->engine, &r->io, (int64_t)asked);
            blk_request_done(&r->io, (ssize_t)asked);
        } else {
            moved = 0;
            blk_request_submit(r);
        }
        r = next;
    }
}

static void submit_merged(struct blk_queue *q, struct blk_request *first)
{
    first->io.iov = first->data.iov;
    first->io.iovcnt = (int)q->run.cnt;
    first->io.cb = split_done;
    for (struct blk_request *r = first; r; r = r->next) {
        if (blk_timed(r)) {
            blk_sample_submitted(r);
        }
    }
    for (struct blk_request *r = first->next; r; r = r->next) {
        trace_request_submitted(q->trace, q->engine, &r->io, r->io.op, r->io.offset);
    }
    if (engine_submit(q->engine, &first->io) < 0) {
        split_done(&first->io, 0);
    }
}

static void begin(struct blk_run *run, struct blk_request *r)
{
    r->next = NULL;
    run->first = run->last = r;
    run->cnt = r->data.cnt;
    run->bytes = r->left;
}

static bool fits(const struct blk_run *run, const struct blk_request *r)
{
    const struct blk_request *first = run->first;
    ptrdiff_t room = first->chain.iov + VIRTQ_IOV_MAX - first->data.iov;

    return r->io.offset == first->io.offset + run->bytes && r->io.op == first->io.op &&
           r->io.durable == first->io.durable && run->bytes + r->left <= RUN_BYTES_MAX &&
           run->cnt + r->data.cnt <= room;
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
    memcpy(run->first->data.iov + run->cnt, r->data.iov, r->data.cnt * sizeof(struct iovec));
    run->cnt += r->data.cnt;
    run->bytes += r->left;
    r->next = NULL;
    run->last->next = r;
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
    if (first->next) {
        submit_merged(q, first);
    } else {
        blk_request_submit(first);
    }
}

// SPDX-License-Identifier: MIT
/*
 * Requests that the host failed: the policy (werror, rerror), and requests held for a retry.
 *
 * A held request stays in flight for the guest. The device asks for the vCPUs to be stopped,
 * because the guest's own time-out would otherwise expire. A retry continues where the host failed:
 * bytes that were moved are not moved again. When the queue is stopped (device reset, end of the
 * machine), its held requests fail.
 */
#include <errno.h>
#include <stdio.h>

#include "blk/complete.h"
#include "blk/hold.h"
#include "blk/write-cache.h"

enum virtio_blk_on_error blk_on_error(const struct blk_request *r, int num)
{
    struct blk *blk = r->q->blk;
    enum virtio_blk_on_error policy = r->io.op == ENGINE_READ ? blk->rerror : blk->werror;
    bool lost = r->io.op == ENGINE_FLUSH && blk_flush_failed(blk);

    if (policy == VIRTIO_BLK_ENOSPC) {
        policy = num == -ENOSPC || num == -EDQUOT ? VIRTIO_BLK_STOP : VIRTIO_BLK_REPORT;
    }
    /* -EINVAL: the image was cut short, or the engine does not take the request. Each retry would
     * fail in the same way. */
    if (policy == VIRTIO_BLK_STOP && (r->q->stopping || num == -EINVAL || lost)) {
        policy = VIRTIO_BLK_REPORT;
    }
    return policy;
}

void blk_hold(struct blk_request *r, const char *what)
{
    struct blk_queue *q = r->q;
    struct blk *blk = q->blk;
    char line[300];

    r->timed = false; /* the time of a repair is no latency of the disk */
    list_add_tail(&q->held.requests, &r->node);
    store_relaxed(&q->stats.held, q->stats.held + 1);
    /* The pending retry submits this request, too. */
    if (load_relaxed(&q->held.retry_pending)) {
        return;
    }
    /* The first failed request stops the guest; others that were in flight are not reported. */
    if (!exchange_acq_rel(&blk->stopped, true) && blk->stop) {
        snprintf(line, sizeof(line), "%s: %s", q->name, what);
        blk->stop(blk->stop_opaque, line);
    }
}

static void for_each_held(struct blk_queue *q, void (*fn)(struct blk_request *))
{
    struct list batch;

    list_take(&batch, &q->held.requests);
    store_relaxed(&q->stats.held, 0);
    while (!list_empty(&batch)) {
        struct blk_request *r = list_entry(batch.next, struct blk_request, node);

        list_del(&r->node);
        fn(r);
    }
}

void blk_held_fail(struct blk_queue *q)
{
    for_each_held(q, blk_complete_error);
}

static void retry(void *opaque)
{
    struct blk_queue *q = opaque;

    store_relaxed(&q->held.retry_pending, false);
    for_each_held(q, q->held.submit);
}

void blk_held_init(struct blk_queue *q, void (*submit)(struct blk_request *r))
{
    list_init(&q->held.requests);
    q->held.submit = submit;
    aio_bh_init(q->ctx, &q->held.retry, retry, q);
}

void blk_retry(struct blk *blk)
{
    for (unsigned i = 0; i < blk->dev.nr_queues; i++) {
        store_relaxed(&blk->queues[i].held.retry_pending, true);
    }
    store_release(&blk->stopped, false); /* a request that fails from here on sees retry_pending */
    for (unsigned i = 0; i < blk->dev.nr_queues; i++) {
        aio_bh_schedule(&blk->queues[i].held.retry);
    }
}

// SPDX-License-Identifier: MIT
/*
 * Requests that the host failed: the policy (werror, rerror), and requests held for a retry.
 *
 * A held request stays in flight for the guest. The device asks for the vCPUs to be stopped, because
 * the guest's own time-out would otherwise expire. A retry continues where the host failed: no byte
 * that was moved is moved again. When the queue is stopped (device reset, end of the machine), its
 * held requests fail.
 *
 * A failed flush of the host's page cache is final. Linux drops the pages that it could not write,
 * and the next fdatasync() succeeds. So such a flush is never tried again, and every later flush of
 * the disk fails: none may report lost data as durable.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "blk/internal.h"

bool blk_flush_failed(struct blk *blk)
{
    bool final = image_in_page_cache(blk->image);

    if (final) {
        store_relaxed(&blk->writeback_lost, true);
    }
    return final;
}

enum virtio_blk_on_error blk_on_error(const struct blk_request *r, int num)
{
    struct blk *blk = r->q->blk;
    enum virtio_blk_on_error policy = r->io.op == ENGINE_READ ? blk->rerror : blk->werror;
    bool lost = r->io.op == ENGINE_FLUSH && blk_flush_failed(blk);

    if (policy == VIRTIO_BLK_ENOSPC) {
        policy = num == -ENOSPC || num == -EDQUOT ? VIRTIO_BLK_STOP : VIRTIO_BLK_REPORT;
    }
    /* -EINVAL: the image was cut short, or the engine does not take the request. A retry would fail
     * in the same way, for ever. */
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

    r->timed = false; /* how long somebody takes to mend the disk is no latency */
    list_add_tail(&q->held, &r->node);
    store_relaxed(&q->stats.held, q->stats.held + 1);
    /* The retry that is under way takes this request along. */
    if (load_relaxed(&q->retry_pending)) {
        return;
    }
    /* One is enough to stop the guest; the rest of what was in flight follows in silence. */
    if (!exchange_acq_rel(&blk->stopped, true) && blk->stop) {
        snprintf(line, sizeof(line), "%s: %s", q->name, what);
        blk->stop(blk->stop_opaque, line);
    }
}

static void for_each_kept(struct blk_queue *q, void (*fn)(struct blk_request *))
{
    struct list held;

    list_take(&held, &q->held);
    store_relaxed(&q->stats.held, 0);
    while (!list_empty(&held)) {
        struct blk_request *r = list_entry(held.next, struct blk_request, node);

        list_del(&r->node);
        fn(r);
    }
}

void blk_fail_held(struct blk_queue *q)
{
    for_each_kept(q, blk_request_fail);
}

void blk_retry_kept(void *opaque)
{
    struct blk_queue *q = opaque;

    store_relaxed(&q->retry_pending, false);
    for_each_kept(q, blk_request_submit);
}

void virtio_blk_retry(struct virtio_device *dev)
{
    struct blk *blk = container_of(dev, struct blk, dev);

    for (unsigned i = 0; i < dev->nr_queues; i++) {
        store_relaxed(&blk->queues[i].retry_pending, true);
    }
    store_release(&blk->stopped, false); /* a request that fails from here on sees retry_pending */
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        aio_bh_schedule(&blk->queues[i].retry);
    }
}

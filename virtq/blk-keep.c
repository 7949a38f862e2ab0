// SPDX-License-Identifier: MIT
/*
 * What to do about a request that the disk failed, and the requests that are kept until somebody
 * has mended the disk.
 *
 * A kept request stays in flight for the guest, which is asked to be stopped meanwhile: it would
 * take the wait for a disk that hangs. Trying again goes on where the disk failed; nothing of a
 * request that was moved is moved twice. A queue that is stopped (reset, end of the machine) keeps
 * nothing: what it has fails.
 *
 * Some things cannot be mended. When a flush of the host's page cache fails, Linux has dropped what
 * it could not write, and the next flush finds nothing to complain about. So such a flush is never
 * tried again, and every later one fails as well: none may tell the guest that lost data is
 * durable.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "virtq/internal.h"

bool blk_flush_failed(struct blk *blk)
{
    bool final = image_in_page_cache(blk->image);

    if (final) {
        store_relaxed(&blk->lossy, true);
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

void blk_keep(struct blk_request *r, const char *what)
{
    struct blk_queue *q = r->q;
    struct blk *blk = q->blk;
    char line[300];

    r->timed = false; /* how long somebody takes to mend the disk is no latency */
    list_add_tail(&q->kept, &r->node);
    store_relaxed(&q->stats.kept, q->stats.kept + 1);
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
    struct list kept;

    list_take(&kept, &q->kept);
    store_relaxed(&q->stats.kept, 0);
    while (!list_empty(&kept)) {
        struct blk_request *r = list_entry(kept.next, struct blk_request, node);

        list_del(&r->node);
        fn(r);
    }
}

void blk_fail_kept(struct blk_queue *q)
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

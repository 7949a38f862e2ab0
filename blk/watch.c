// SPDX-License-Identifier: MIT
/*
 * The watchdog. A wake-up that is lost, by a driver that does not kick or by a defect of Pollux,
 * would hang the guest. So another thread checks now and then for the one state that must not last:
 * chains in the ring that the queue has not taken, notifications on, and the I/O thread asleep. A
 * queue that is found twice in a row in this state, with no chain taken between, is logged once and
 * served.
 *
 * All values read here are hints without ordering. A wrong guess costs one check of the ring.
 */
#include "blk/blk-log.h"
#include "blk/queue.h"
#include "blk/virtio-blk.h"

static bool stuck(const struct blk_queue *q, uint16_t *at)
{
    *at = 0;
    return aio_asleep(q->ctx) && virtq_not_taken(&q->vq->vq, at);
}

static int rescue(void *opaque)
{
    return blk_queue_serve(opaque);
}

static bool watch_queue(struct blk_queue *q)
{
    bool before = q->watch.suspect;
    uint16_t last = q->watch.at;

    q->watch.suspect = stuck(q, &q->watch.at);
    if (!before || !q->watch.suspect || q->watch.at != last) {
        return false;
    }
    if (!iothread_call(q->iothread, rescue, q)) {
        return false;
    }
    blk_log(
        q, q->watch.rescues ? BLK_LOG_MAX : 0,
        "requests were in the ring and the I/O thread was asleep: the driver did not kick, or a "
        "wake-up was lost; the queue is served now");
    q->watch.rescues++;
    return true;
}

unsigned virtio_blk_watch(struct virtio_device *dev)
{
    struct blk *blk = container_of(dev, struct blk, dev);
    unsigned woken = 0;

    for (unsigned i = 0; i < dev->nr_queues; i++) {
        woken += watch_queue(&blk->queues[i]);
    }
    return woken;
}

// SPDX-License-Identifier: MIT
/*
 * The watchdog: no wake-up should ever be lost, but a driver that forgets to kick, or a mistake of
 * ours, would leave a guest hanging for good. So now and then another thread looks for the one
 * state that must not last: chains in the ring that the queue has not seen, notifications on, and
 * its thread asleep. Seen twice in a row with nothing taken in between, it is said once, and the
 * queue is served.
 *
 * All it reads are hints, in whatever order they come; a wrong guess costs a look at the ring.
 */
#include "blk/internal.h"

static bool forgotten(const struct blk_queue *q, uint16_t *at)
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

    q->watch.suspect = forgotten(q, &q->watch.at);
    if (!before || !q->watch.suspect || q->watch.at != last) {
        return false;
    }
    if (!iothread_call(q->iothread, rescue, q)) {
        return false;
    }
    blk_queue_log(
        q, q->watch.rescues ? BLK_LOG_MAX : 0,
        "requests were in the ring with nobody awake to see them: the driver did not kick, "
        "or a wake-up was lost; going on");
    q->watch.rescues++;
    q->watch.suspect = false;
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

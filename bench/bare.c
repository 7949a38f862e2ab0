// SPDX-License-Identifier: MIT
/* The device around a bare loop, and its run. */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/machine.h"
#include "bench/runners.h"

static struct bare *bare_of(struct virtio_device *dev)
{
    return container_of(dev, struct bare, dev);
}

/* --- the device --- */

static void *thread_main(void *opaque)
{
    bare_loop(opaque);
    return NULL;
}

static int start(struct virtio_device *dev)
{
    struct bare *b = bare_of(dev);
    struct virtqueue *vq = &b->queue.vq;
    int ret = virtq_start(vq, dev->mem);

    if (ret < 0) {
        return ret;
    }
    b->memory = guest_memory_at(dev->mem, 0, 1);
    b->desc = vq->desc;
    b->avail = vq->avail;
    b->used = vq->used;
    b->mask = (uint16_t)(vq->size - 1);
    b->taken = b->given = 0;
    b->used->flags = VRING_USED_F_NO_NOTIFY;
    b->stop = false;
    ret = pthread_create(&b->thread, NULL, thread_main, b);
    b->running = ret == 0;
    return -ret;
}

static void stop(struct virtio_device *dev)
{
    struct bare *b = bare_of(dev);

    if (b->running) {
        store_relaxed(&b->stop, true);
        pthread_join(b->thread, NULL);
        b->running = false;
    }
}

static int queue_start(struct virtio_device *dev, unsigned i)
{
    return -ENOTSUP;
}

static void queue_stop(struct virtio_device *dev, unsigned i)
{
    stop(dev);
}

static void config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len)
{
    const struct virtio_blk_config config = {
        .capacity = image_size(bare_of(dev)->image) / SECTOR_SIZE,
        .blk_size =
            bare_of(dev)->image->align > SECTOR_SIZE ? bare_of(dev)->image->align : SECTOR_SIZE,
    };

    memcpy(data, (const uint8_t *)&config + offset, len);
}

static void bare_free(struct virtio_device *dev)
{
    struct bare *b = bare_of(dev);

    stop(dev);
    bare_close(b);
    virtq_stop(&b->queue.vq);
    free(b);
}

static const struct virtio_device_ops bare_ops = {
    .start = start,
    .stop = stop,
    .queue_start = queue_start,
    .queue_stop = queue_stop,
    .config_read = config_read,
    .free = bare_free,
};

/* --- the run --- */

static int make(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err)
{
    struct bare *b = calloc(1, sizeof(*b));
    int ret;

    if (!b) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    b->image = image;
    b->engine = opaque;
    b->queue = (struct virtio_queue){
        .vq.size = BARE_QUEUE_SIZE, .size_max = BARE_QUEUE_SIZE, .kick_fd = -1, .call_fd = -1};
    b->dev = (struct virtio_device){
        .ops = &bare_ops,
        .device_id = VIRTIO_ID_BLOCK,
        .config_size = sizeof(struct virtio_blk_config),
        .device_features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BLK_F_BLK_SIZE |
                           (uint64_t)image->readonly << VIRTIO_BLK_F_RO,
        .nr_queues = 1,
        .queues = &b->queue,
        .mem = mem,
    };
    ret = bare_open(b);
    if (ret < 0) {
        free(b);
        return error_set(err, ret, "cannot set up the bare loop: %s", strerror(-ret));
    }
    *out = &b->dev;
    return 0;
}

static int run_bare(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err)
{
    const struct bench_device device = {.make = make, .opaque = (void *)group->target->engine};

    return bench_cell(c, group, variant, &device, run, stop_fd, NULL, out, err);
}

static bool bare_takes(const struct bench_config *c, const struct bench_group *group,
                       const struct bench_variant *variant)
{
    return bare_can(group->target->engine) && c->disks == 1 && c->queues == 1 && !c->wait &&
           !c->fsync;
}

const struct bench_runner bench_runner_bare = {
    .name = "spin",
    .takes = bare_takes,
    .run = run_bare,
};

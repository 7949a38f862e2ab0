// SPDX-License-Identifier: MIT
/* The spin device as a virtio device, and a run of the bench guest with it. */
#include "bench/run-spin.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/run-pollux.h"
#include "bench/spin-loops.h"
#include "bench/workload.h"

static struct spin_device *spin_of(struct virtio_device *dev)
{
    return container_of(dev, struct spin_device, dev);
}

/* --- the device --- */

static void *thread_main(void *opaque)
{
    spin_loop(opaque);
    return NULL;
}

static int start(struct virtio_device *dev)
{
    struct spin_device *b = spin_of(dev);
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
    struct spin_device *b = spin_of(dev);

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
        .capacity = image_size(spin_of(dev)->image) / SECTOR_SIZE,
        .blk_size =
            spin_of(dev)->image->align > SECTOR_SIZE ? spin_of(dev)->image->align : SECTOR_SIZE,
    };

    memcpy(data, (const uint8_t *)&config + offset, len);
}

static void spin_free(struct virtio_device *dev)
{
    struct spin_device *b = spin_of(dev);

    stop(dev);
    spin_close(b);
    virtq_stop(&b->queue.vq);
    free(b);
}

static const struct virtio_device_ops spin_ops = {
    .start = start,
    .stop = stop,
    .queue_start = queue_start,
    .queue_stop = queue_stop,
    .config_read = config_read,
    .free = spin_free,
};

/* --- the run --- */

static int make(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err)
{
    struct spin_device *b = calloc(1, sizeof(*b));
    int ret;

    if (!b) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    b->image = image;
    b->engine = opaque;
    b->queue = (struct virtio_queue){
        .vq.size = SPIN_QUEUE_SIZE, .size_max = SPIN_QUEUE_SIZE, .kick_fd = -1, .call_fd = -1};
    b->dev = (struct virtio_device){
        .ops = &spin_ops,
        .device_id = VIRTIO_ID_BLOCK,
        .config_size = sizeof(struct virtio_blk_config),
        .device_features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BLK_F_BLK_SIZE |
                           (uint64_t)image->readonly << VIRTIO_BLK_F_RO,
        .nr_queues = 1,
        .queues = &b->queue,
        .mem = mem,
    };
    ret = spin_open(b);
    if (ret < 0) {
        free(b);
        return error_set(err, ret, "cannot set up the spin device: %s", strerror(-ret));
    }
    *out = &b->dev;
    return 0;
}

static int run_spin(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err)
{
    const struct bench_device device = {.make = make, .opaque = (void *)group->disk->engine};

    return bench_run_guest(c, group, variant, &device, run, stop_fd, NULL, out, err);
}

static bool spin_takes(const struct bench_config *c, const struct bench_group *group,
                       const struct bench_variant *variant)
{
    return spin_can(group->disk->engine) && c->disks == 1 && c->queues == 1 && !c->wait &&
           !c->fsync;
}

const struct bench_runner bench_runner_spin = {
    .name = "spin",
    .takes = spin_takes,
    .run = run_spin,
};

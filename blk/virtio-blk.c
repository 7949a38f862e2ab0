// SPDX-License-Identifier: MIT
/*
 * The block device (virtio 1.3, 5.2): configuration space, engines, lifecycle.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk/hold.h"
#include "blk/partial.h"
#include "blk/queue.h"
#include "blk/virtio-blk.h"
#include "blk/write-cache.h"

#define FEATURE(bit) (1ull << (bit))

static struct blk *blk_of(struct virtio_device *dev)
{
    return container_of(dev, struct blk, dev);
}

static bool negotiated(const struct virtio_device *dev, unsigned bit)
{
    return dev->driver_features & FEATURE(bit);
}

static void config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len)
{
    const struct blk *blk = blk_of(dev);
    unsigned smallest = blk->host_block > blk->block_size ? blk->host_block : blk->block_size;
    unsigned physical =
        blk->image->physical_block > smallest ? blk->image->physical_block : smallest;
    const struct virtio_blk_config config = {
        .capacity = image_size(blk->image) / SECTOR_SIZE,
        .size_max = BLK_SIZE_MAX,
        .seg_max = blk->seg_max,
        .blk_size = blk->block_size,
        .physical_block_exp = (uint8_t)__builtin_ctz(physical / blk->block_size),
        .min_io_size = (uint16_t)(physical / blk->block_size),
        .opt_io_size = blk->image->optimal_io / blk->block_size,
        .wce = blk->writeback && negotiated(dev, VIRTIO_BLK_F_FLUSH),
        .num_queues = (uint16_t)dev->nr_queues,
        .max_discard_sectors = BLK_DISCARD_SECTORS,
        .max_discard_seg = BLK_RANGES_MAX,
        .discard_sector_alignment = physical / SECTOR_SIZE,
        .max_write_zeroes_sectors = BLK_ZEROES_SECTORS,
        .max_write_zeroes_seg = BLK_RANGES_MAX,
        .write_zeroes_may_unmap = blk->discard,
    };

    memcpy(data, (const uint8_t *)&config + offset, len);
}

/* --- the write cache --- */

/* The driver may write `writeback` only. */
static void config_write(struct virtio_device *dev, unsigned offset, const void *data, unsigned len)
{
    const unsigned at = offsetof(struct virtio_blk_config, wce);
    struct blk *blk = blk_of(dev);

    if (at < offset || at - offset >= len || !negotiated(dev, VIRTIO_BLK_F_CONFIG_WCE) ||
        !negotiated(dev, VIRTIO_BLK_F_FLUSH)) {
        return;
    }
    blk_write_cache_set(blk, ((const uint8_t *)data)[at - offset]);
}

static void reset(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);

    blk_write_cache_set(blk, !blk->image->writethrough);
}

/* --- start and stop --- */

static int start(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);
    int r = 0;

    /* Without VIRTIO_BLK_F_FLUSH the driver relies on every write being durable (5.2.6.2). */
    if (!negotiated(dev, VIRTIO_BLK_F_FLUSH)) {
        blk_write_cache_set(blk, false);
    }
    for (unsigned i = 0; i < dev->nr_queues && r == 0; i++) {
        r = blk_queue_start(&blk->queues[i]);
    }
    return r;
}

static void stop(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);

    for (unsigned i = 0; i < dev->nr_queues; i++) {
        blk_queue_ask_stop(&blk->queues[i]);
    }
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        blk_queue_await_stop(&blk->queues[i]);
    }
}

static int queue_start(struct virtio_device *dev, unsigned i)
{
    return blk_queue_start(&blk_of(dev)->queues[i]);
}

static void queue_stop(struct virtio_device *dev, unsigned i)
{
    blk_queue_ask_stop(&blk_of(dev)->queues[i]);
    blk_queue_await_stop(&blk_of(dev)->queues[i]);
}

/* --- engines, one on each thread --- */

struct open_call {
    struct blk *blk;
    const struct virtio_blk_options *options;
    struct blk_thread *thread;
    struct error *err;
};

static int open_in_thread(void *opaque)
{
    struct open_call *call = opaque;
    struct engine_config config = {
        .depth = call->thread->depth,
        .delay_ns = call->options->delay_ns,
        .faults = call->options->faults,
        .name = call->options->name,
        .log = call->options->log,
        .log_opaque = call->options->log_opaque,
    };

    return engine_open(call->blk->engine_ops, iothread_ctx(call->thread->iothread),
                       call->blk->image, &config, &call->thread->engine, call->err);
}

static int close_in_thread(void *opaque)
{
    engine_close(opaque);
    return 0;
}

static int open_engines(struct blk *blk, const struct virtio_blk_options *options,
                        struct error *err)
{
    int r = 0;

    if (blk->image->one_engine && blk->nr_threads > 1) {
        return error_set(err, -EINVAL,
                         "the NBD server does not offer several connections (multi-conn), so only "
                         "one I/O thread can serve the disk");
    }
    for (unsigned i = 0; i < blk->nr_threads && r == 0; i++) {
        struct open_call call = {
            .blk = blk, .options = options, .thread = &blk->threads[i], .err = err};

        r = iothread_call(blk->threads[i].iothread, open_in_thread, &call);
    }
    return r;
}

static void close_engines(struct blk *blk)
{
    for (unsigned i = 0; i < blk->nr_threads; i++) {
        if (blk->threads[i].engine) {
            iothread_call(blk->threads[i].iothread, close_in_thread, blk->threads[i].engine);
        }
    }
}

static struct blk_thread *thread_for(struct blk *blk, struct iothread *iothread)
{
    for (unsigned i = 0; i < blk->nr_threads; i++) {
        if (blk->threads[i].iothread == iothread) {
            return &blk->threads[i];
        }
    }
    blk->threads[blk->nr_threads].iothread = iothread;
    return &blk->threads[blk->nr_threads++];
}

/* --- new and free --- */

static void blk_free(struct virtio_device *dev)
{
    struct blk *blk = blk_of(dev);

    stop(dev);
    close_engines(blk);
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        blk_queue_destroy(&blk->queues[i]);
    }
    free(dev->queues);
    free(blk->queues);
    free(blk->threads);
    blk_partial_destroy(&blk->busy_blocks);
    throttle_group_destroy(&blk->own_group);
    free(blk);
}

static const struct virtio_device_ops blk_ops = {
    .start = start,
    .stop = stop,
    .queue_start = queue_start,
    .queue_stop = queue_stop,
    .reset = reset,
    .config_read = config_read,
    .config_write = config_write,
    .free = blk_free,
};

static uint64_t features(const struct blk *blk, unsigned nr_queues, bool packed)
{
    return FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
           FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_F_RING_RESET) |
           (packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0) | FEATURE(VIRTIO_BLK_F_FLUSH) |
           FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |
           (nr_queues > 1 ? FEATURE(VIRTIO_BLK_F_MQ) : 0) | FEATURE(VIRTIO_BLK_F_CONFIG_WCE) |
           FEATURE(VIRTIO_BLK_F_SIZE_MAX) | FEATURE(VIRTIO_BLK_F_TOPOLOGY) |
           (blk->image->readonly ? FEATURE(VIRTIO_BLK_F_RO)
                                 : FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) |
                                       (blk->discard ? FEATURE(VIRTIO_BLK_F_DISCARD) : 0));
}

/* Return: 0 or -ENOMEM; blk_free() frees what there is. */
static int init_queues(struct blk *blk, const struct virtio_blk_options *options, unsigned nr,
                       unsigned size)
{
    blk->queues = calloc(nr, sizeof(*blk->queues));
    blk->threads = calloc(options->nr_iothreads, sizeof(*blk->threads));
    blk->dev.queues = calloc(nr, sizeof(*blk->dev.queues));
    if (!blk->queues || !blk->threads || !blk->dev.queues) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < nr; i++) {
        struct virtio_queue *vq = &blk->dev.queues[i];
        struct blk_queue *q = &blk->queues[i];
        int r;

        *vq =
            (struct virtio_queue){.vq.size = size, .size_max = size, .kick_fd = -1, .call_fd = -1};
        q->blk = blk;
        q->index = i;
        q->iothread = options->iothreads[i % options->nr_iothreads];
        thread_for(blk, q->iothread)->depth += size;
        blk->dev.nr_queues++;
        r = blk_queue_init(q, vq);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int virtio_blk_new(const struct virtio_blk_options *options, const struct guest_memory *mem,
                   struct virtio_device **out, struct error *err)
{
    unsigned size = options->queue_size ? options->queue_size : VIRTIO_BLK_QUEUE_SIZE_DEFAULT;
    unsigned nr = options->nr_queues ? options->nr_queues : 1;
    const char *serial = options->serial ? options->serial : options->name;
    struct blk *blk;
    int r;

    if (size > VIRTQ_SIZE_MAX || (!options->packed && (size & (size - 1)))) {
        return error_set(err, -EINVAL, "disk %s: queue size %u is not %s1 to %d", options->name,
                         size, options->packed ? "" : "a power of 2 from ", VIRTQ_SIZE_MAX);
    }
    if (nr > VIRTIO_BLK_QUEUES_MAX) {
        return error_set(err, -EINVAL, "disk %s: %u queues; at most %d are possible", options->name,
                         nr, VIRTIO_BLK_QUEUES_MAX);
    }
    r = throttle_check(&options->limits, err);
    if (r < 0) {
        return error_prefix(err, r, "disk %s: ", options->name);
    }
    blk = calloc(1, sizeof(*blk));
    if (!blk) {
        return error_set(err, -ENOMEM, "disk %s: out of memory", options->name);
    }
    blk->image = options->image;
    blk->engine_ops = options->engine;
    /* A queue of one or two entries needs indirect descriptors. */
    blk->seg_max = size <= 2 ? 1 : size - 2 < BLK_SEG_MAX ? size - 2 : BLK_SEG_MAX;
    blk->block_size = blk->image->block_size ? blk->image->block_size : SECTOR_SIZE;
    blk->host_block = blk->image->align > SECTOR_SIZE ? blk->image->align : SECTOR_SIZE;
    blk_partial_init(&blk->busy_blocks);
    throttle_group_init(&blk->own_group, &options->limits);
    blk->group = options->group ? options->group : &blk->own_group;
    blk->merge = options->merge;
    blk->discard = options->discard;
    blk->detect_zeroes = options->detect_zeroes;
    blk->writeback = !blk->image->writethrough;
    blk->rerror = options->rerror;
    blk->werror = options->werror;
    blk->stop = options->stop;
    blk->stop_opaque = options->stop_opaque;
    blk->log = options->log;
    blk->io_error = options->io_error;
    blk->log_opaque = options->log_opaque;
    snprintf(blk->name, sizeof(blk->name), "%s", options->name);
    memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
    blk->dev = (struct virtio_device){
        .ops = &blk_ops,
        .device_id = VIRTIO_ID_BLOCK,
        .config_size = sizeof(struct virtio_blk_config),
        .device_features = features(blk, nr, options->packed),
        .mem = mem,
    };
    r = init_queues(blk, options, nr, size);
    if (r < 0) {
        error_set(err, r, "disk %s: out of memory for %u queues of %u", options->name, nr, size);
    } else {
        r = open_engines(blk, options, err);
        if (r < 0) {
            error_prefix(err, r, "disk %s: ", options->name);
        }
    }
    if (r < 0) {
        blk_free(&blk->dev);
        return r;
    }
    for (unsigned i = 0; i < nr; i++) {
        blk->queues[i].engine = thread_for(blk, blk->queues[i].iothread)->engine;
    }
    *out = &blk->dev;
    return 0;
}

void virtio_blk_retry(struct virtio_device *dev)
{
    blk_retry(blk_of(dev));
}

/* --- limits --- */

int virtio_blk_set_limits(struct virtio_device *dev, const struct throttle_limits *limits,
                          struct error *err)
{
    int ret = throttle_check(limits, err);

    if (ret == 0) {
        throttle_group_set(blk_of(dev)->group, limits);
    }
    return ret;
}

struct throttle_limits virtio_blk_get_limits(struct virtio_device *dev)
{
    return throttle_group_get(blk_of(dev)->group);
}

/* --- counters --- */

static void add_queue_stats(struct virtio_blk_stats *to, struct blk_queue *q)
{
    blk_stats_add(to, &q->stats);
    to->in_flight += load_relaxed(&q->in_flight);
}

void virtio_blk_get_stats(struct virtio_device *dev, struct virtio_blk_stats *out)
{
    *out = (struct virtio_blk_stats){0};
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        add_queue_stats(out, &blk_of(dev)->queues[i]);
    }
}

void virtio_blk_get_queue_stats(struct virtio_device *dev, unsigned i, struct virtio_blk_stats *out)
{
    *out = (struct virtio_blk_stats){0};
    add_queue_stats(out, &blk_of(dev)->queues[i]);
}

void virtio_blk_get_latency(struct virtio_device *dev, struct blk_latency *out)
{
    struct blk *blk = blk_of(dev);

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        blk_latency_add(out, blk->queues[i].latency);
    }
}

// SPDX-License-Identifier: MIT
/*
 * The virtio block device (virtio 1.3, section 5.2), served by I/O threads and engines.
 */
#ifndef POLLUX_BLK_VIRTIO_BLK_H
#define POLLUX_BLK_VIRTIO_BLK_H

#include "blk/blk-stats.h"
#include "blk/disk-policy.h"
#include "blk/latency.h"
#include "blk/throttle-group.h"
#include "engine/engine.h"
#include "iothread/iothread.h"
#include "virtq/virtio.h"

#define VIRTIO_BLK_QUEUE_SIZE_DEFAULT 256
#define VIRTIO_BLK_QUEUES_MAX         64

/* Options of a device. (The configuration space is struct virtio_blk_config of
 * <linux/virtio_blk.h>.) */
struct virtio_blk_options {
    const char *name;          /* for messages, statistics and traces; copied */
    const struct image *image; /* must outlive the device */
    const struct engine_ops *engine;
    unsigned nr_queues;                 /* 1..VIRTIO_BLK_QUEUES_MAX; 0 means 1 */
    unsigned queue_size;                /* 0 means the default; a power of 2 unless @packed */
    bool packed;                        /* offer VIRTIO_F_RING_PACKED */
    uint64_t delay_ns;                  /* engine null: how long a request takes */
    const struct engine_faults *faults; /* to inject; NULL: none. Not needed after the call */
    struct iothread **iothreads; /* queue i is served by iothreads[i % nr_iothreads]; copied */
    unsigned nr_iothreads;
    bool discard; /* the guest may free blocks of the image */
    enum virtio_blk_detect detect_zeroes;
    bool merge;                              /* adjacent requests go to the host as one */
    enum virtio_blk_on_error rerror, werror; /* of reads; of all else */
    struct throttle_limits limits;           /* of this disk alone; all zeroes: none */
    /* Limits that this disk shares with others, instead of @limits; outlives the device. NULL: it
     * shares none. */
    struct throttle_group *group;
    /* A request is held: stop the guest soon. Called once until virtio_blk_retry(). Context: I/O
     * thread. */
    void (*stop)(void *opaque, const char *why);
    void *stop_opaque;
    const char *serial;                          /* NULL: the name */
    void (*log)(void *opaque, const char *line); /* a fault of the guest or the disk; any thread */
    /* The host failed a request; NULL: not reported. Context: I/O thread. */
    void (*io_error)(void *opaque, const struct blk_io_error *e);
    void *log_opaque; /* of log and io_error */
};

/**
 * virtio_blk_new - make a block device
 * Opens one engine on each I/O thread that serves a queue. The caller attaches it to a transport
 * and frees it with dev->ops->free(), after the transport is gone.
 * @mem: must outlive the device; may be filled later, before DRIVER_OK
 * Context: any thread but the I/O threads. The same holds for start, stop and free: they wait for
 *          the I/O threads.
 * Return: 0 and *@out, or -errno and @err.
 */
int virtio_blk_new(const struct virtio_blk_options *options, const struct guest_memory *mem,
                   struct virtio_device **out, struct error *err);

/**
 * virtio_blk_get_stats - read the counters
 * Each counter is exact; two counters may differ by a request that completes meanwhile.
 * Context: any thread.
 */
void virtio_blk_get_stats(struct virtio_device *dev, struct virtio_blk_stats *out);

/**
 * virtio_blk_get_queue_stats - read the counters of queue @i, one of dev->nr_queues
 * Context: any thread.
 */
void virtio_blk_get_queue_stats(struct virtio_device *dev, unsigned i,
                                struct virtio_blk_stats *out);

/**
 * virtio_blk_get_latency - read the histograms of all requests since the device was made
 * @out: overwritten
 * Context: any thread. A request that completes meanwhile may be in some histograms only.
 */
void virtio_blk_get_latency(struct virtio_device *dev, struct blk_latency *out);

/**
 * virtio_blk_set_limits - change the limits of the disk, or of its throttle group
 * Takes effect at once, also for requests that wait in the ring. Waits for no I/O thread.
 * virtio_blk_get_limits - the limits in force
 * Context: any thread; not at the same time as free.
 * Return: 0, or -EINVAL and @err, as throttle_check(): then nothing has changed.
 */
int virtio_blk_set_limits(struct virtio_device *dev, const struct throttle_limits *limits,
                          struct error *err);
struct throttle_limits virtio_blk_get_limits(struct virtio_device *dev);

/**
 * virtio_blk_watch - serve queues whose wake-up was lost
 * To be called about once a second, always from the same thread. A queue is served if two calls in
 * a row find chains in the ring that it has not taken, with notifications on and its I/O thread
 * asleep. This is logged once for each queue.
 * Context: any thread but the I/O threads; not at the same time as free.
 * Return: how many queues were woken.
 */
unsigned virtio_blk_watch(struct virtio_device *dev);

/**
 * virtio_blk_retry - submit held requests again
 * Returns at once: an I/O thread may hang in the kernel.
 * Context: any thread; not at the same time as free.
 */
void virtio_blk_retry(struct virtio_device *dev);

#endif

// SPDX-License-Identifier: MIT
/*
 * A disk: an image, an engine, and the virtio-blk device that serves it on I/O threads, made from
 * one configuration. `pollux run` puts it behind virtio-mmio or virtio-pci, `pollux vhost-user`
 * behind a socket.
 */
#ifndef POLLUX_BLK_DISK_H
#define POLLUX_BLK_DISK_H

#include "blk/virtio-blk.h"
#include "engine/image.h"
#include "iothread/iothread-set.h"

/* Where the guest of `pollux run` finds the disk. */
enum disk_transport {
    DISK_TRANSPORT_MMIO,
    DISK_TRANSPORT_PCI,
};

struct disk_config {
    const char *name;              /* "disk0": messages and statistics */
    enum disk_transport transport; /* of a machine's disk; a front end of vhost-user has its own */
    struct image_config image;
    const struct engine_ops *engine;
    bool engine_named; /* false: another one replaces linux-aio if that would block */
    /* Ids of n I/O threads, ended by NULL; queue i is served by number i % n. */
    const char *iothreads[VIRTIO_BLK_QUEUES_MAX];
    /* Of the device. name, image, engine, iothreads, faults, stop and log are filled in from here
     * and by the front end; nr_queues 0: one for each of @iothreads. */
    struct virtio_blk_options device;
    const char
        *throttle_group; /* a name; disks of a group have the same device.group. NULL: none */
    struct engine_faults faults; /* to inject; all zeroes: none */

    /* A block device of the embedder's on the same transport: of the above only name and image
     * count. It is freed with its ops->free(). Context: the thread that calls disk_make(). NULL:
     * virtio-blk. */
    int (*make)(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err);
    void *opaque;
};

/* All zeroes before disk_open(). */
struct disk {
    const struct disk_config *config;
    struct image image;
    bool image_open;
    struct virtio_device *dev;
    bool is_virtio_blk; /* @dev is a virtio-blk device */
};

/* The log of a disk. */
struct disk_log {
    void (*line)(void *opaque, const char *line); /* Context: any thread. NULL: dropped */
    /* The host failed a request. Context: an I/O thread. NULL: not reported */
    void (*io_error)(void *opaque, const struct blk_io_error *e);
    void *opaque;
};

/**
 * disk_open - open the image, and log the bytes of it that the guest does not get
 * @config: outlives @d
 * Context: the thread that sets up.
 * Return: 0, or -errno and @err. disk_close() releases in both cases.
 */
int disk_open(struct disk *d, const struct disk_config *config, const struct disk_log *log,
              struct error *err);

/**
 * disk_make - make the device of a disk that is open
 * @mem: the guest's memory; outlives @d
 * @stop: see virtio_blk_options.stop; NULL: no call
 * Context: any thread but the I/O threads.
 * Return: 0 and d->dev, or -errno and @err.
 */
int disk_make(struct disk *d, const struct iothread_set *iothreads, const struct guest_memory *mem,
              void (*stop)(void *opaque, const char *why), void *stop_opaque,
              const struct disk_log *log, struct error *err);

/**
 * disk_engine - the name of the engine that serves an open disk: of the configuration, or of the one
 * that takes its place. "in memory" is what linux-aio and io_uring do with an image in memory.
 */
const char *disk_engine(const struct disk *d);

/**
 * disk_free_device - free the device, whose transport is gone
 * disk_close - close the image, after the device and the I/O threads are gone
 */
void disk_free_device(struct disk *d);
void disk_close(struct disk *d);

#endif

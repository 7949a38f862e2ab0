// SPDX-License-Identifier: MIT
/*
 * The spin device: the limit for any VMM. The same guest and machine, with a disk that is a thread
 * which spins on avail->idx and on the completion ring of the kernel: no event loop, interrupts or
 * checks. It trusts the guest, so it serves only the bench guest: one split ring whose chains are
 * header, data and status in adjacent descriptors.
 */
#ifndef POLLUX_BENCH_SPIN_LOOPS_H
#define POLLUX_BENCH_SPIN_LOOPS_H

#include <libaio.h>
#include <liburing.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "engine/engine.h"
#include "engine/image-map.h"
#include "virtq/virtio.h"

#define SPIN_QUEUE_SIZE 1024 /* 128 chains of 4 descriptors, and room */

struct spin_device {
    struct virtio_device dev;
    struct virtio_queue queue;
    const struct image *image;
    const struct engine_ops *engine;

    /* used by the thread while it runs */
    pthread_t thread;
    bool running, stop;
    uint8_t *memory;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t mask, taken, given;
    struct image_map map; /* of engine mmap */
    io_context_t aio;
    struct io_uring uring;
    struct iocb iocbs[SPIN_QUEUE_SIZE]; /* by head */
};

/**
 * spin_open - open the resources of the loop for b->engine; b->image is set, all else 0
 * Return: 0 or -errno. spin_close() releases.
 */
int spin_open(struct spin_device *b);
void spin_close(struct spin_device *b);

/* spin_can - is there a loop for @engine? */
bool spin_can(const struct engine_ops *engine);

/* spin_loop - serve the guest until b->stop; the rings are set. In a thread of its own. */
void spin_loop(struct spin_device *b);

#endif

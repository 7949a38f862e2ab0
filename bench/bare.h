// SPDX-License-Identifier: MIT
/*
 * The bare loop: what no VMM can beat. The same guest and the same machine, with a disk that is a
 * thread which spins on avail->idx and on the completion ring of the kernel, and nothing else: no
 * event loop, no interrupts, no checks. It believes the guest every word, so it serves only the
 * bench guest: one split ring whose chains are header, data, status, side by side.
 */
#ifndef POLLUX_BENCH_BARE_H
#define POLLUX_BENCH_BARE_H

#include <libaio.h>
#include <liburing.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "engine/engine.h"
#include "engine/image-map.h"
#include "virtq/virtio.h"

#define BARE_QUEUE_SIZE 1024 /* 128 chains of 4 descriptors, and room */

struct bare {
    struct virtio_device dev;
    struct virtio_queue queue;
    const struct image *image;
    const struct engine_ops *engine;

    /* the thread's, while it runs */
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
    struct iocb iocbs[BARE_QUEUE_SIZE]; /* by head */
};

/**
 * bare_open - what the loop for b->engine needs of the host: b->image is set, all else 0
 * Return: 0 or -errno. bare_close() releases.
 */
int bare_open(struct bare *b);
void bare_close(struct bare *b);

/* bare_can - is there a loop for @engine? */
bool bare_can(const struct engine_ops *engine);

/* bare_loop - serve the guest until b->stop; the rings are set. In a thread of its own. */
void bare_loop(struct bare *b);

#endif

// SPDX-License-Identifier: MIT
/* The block device and its queues. Private to blk/. */
#ifndef POLLUX_BLK_DEVICE_H
#define POLLUX_BLK_DEVICE_H

#include <semaphore.h>

#include "blk/blk-stats.h"
#include "blk/disk-policy.h"
#include "blk/stages.h"
#include "blk/throttle-group.h"
#include "iothread/iothread.h"
#include "virtq/virtio.h"

struct blk;

/* The I/O thread owns all members but those of the last group. */
struct blk_queue {
    struct blk *blk;
    AioContext *ctx;
    struct trace_track *trace; /* of @ctx */
    struct virtio_queue *vq;
    struct engine *engine;
    struct aio_handler kick;
    struct aio_bh more;          /* looks for chains that the driver did not kick for */
    struct aio_deferred publish; /* used elements to be published at the end of the turn */
    bool kick_unread;            /* the eventfd has fired; read before the loop blocks again */
    bool stopping;               /* no new chains; the last completion posts @quiet */
    unsigned in_flight;
    unsigned nr_pushed; /* requests completed; wraps */
    int until_timed;    /* requests to come before the next timed one */
    unsigned nr_used;   /* entries of sampler.used */

    /* Free requests, last used first out: its memory is still in the cache. */
    struct blk_request **free;
    unsigned nr_free;
    struct blk_request *requests;

    struct blk_run run;            /* grows until the end of the turn */
    struct virtio_blk_stats stats; /* read by any thread */
    struct blk_latency *latency;   /* likewise */
    struct blk_sampler sampler;
    struct blk_bounce_pool bounce;
    struct blk_grants grants;
    struct blk_held held;

    /* Of a disk with limits. */
    struct throttle_waiter throttle;
    bool closed; /* by its limits: the loop does not look at the ring */

    /* Fixed, or of the thread that starts and stops the device. */
    unsigned index;
    struct iothread *iothread;
    bool active; /* started and not stopped */
    struct {
        bool suspect; /* the last check found the queue stuck */
        uint16_t at;  /* virtq_not_taken() of the last check */
        unsigned rescues;
    } watch;     /* of the thread that watches (watch.c) */
    sem_t quiet; /* posted when a stopping queue has nothing in flight any more */
    char name[32];
};

/* An I/O thread that serves some of the queues. */
struct blk_thread {
    struct iothread *iothread;
    struct engine *engine;
    unsigned depth; /* requests of all its queues */
};

struct blk {
    struct virtio_device dev;
    const struct image *image;
    const struct engine_ops *engine_ops;
    struct blk_queue *queues;
    struct blk_thread *threads;
    unsigned nr_threads;
    bool merge;
    bool discard;
    enum virtio_blk_detect detect_zeroes;
    bool writeback; /* the write cache is on; read in the I/O threads, written by the transport */
    enum virtio_blk_on_error rerror, werror;
    void (*stop)(void *opaque, const char *why);
    void *stop_opaque;
    bool stopped; /* atomic; @stop was called */
    bool
        writeback_lost; /* atomic; the host's page cache has dropped data that it could not write */
    unsigned seg_max;
    unsigned block_size; /* the guest's smallest unit, bytes; a power of 2 */
    unsigned host_block; /* what the image takes without a bounce buffer; a power of 2, >= 512 */
    struct blk_busy_blocks busy_blocks;
    struct throttle_group own_group; /* the limits, unless they are shared with other disks */
    struct throttle_group *group;
    char serial[VIRTIO_BLK_SERIAL_MAX];
    char name[24];
    void (*log)(void *opaque, const char *line);
    void (*io_error)(void *opaque, const struct blk_io_error *e);
    void *log_opaque;
};

#endif

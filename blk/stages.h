// SPDX-License-Identifier: MIT
/*
 * A request of the block device, and the data of each stage in the request, in its queue and in its
 * disk. The file beside the name of a stage has the functions.
 *
 * Every request uses the members of struct blk_request up to the first buffers of the chain. They
 * lie in four cache lines, one of which is the engine's. All members behind the chain belong to
 * stages of few requests.
 */
#ifndef POLLUX_BLK_STAGES_H
#define POLLUX_BLK_STAGES_H

#include <linux/virtio_blk.h>
#include <pthread.h>

#include "base/barrier.h"
#include "blk/latency.h"
#include "engine/engine.h"
#include "virtq/iov.h"
#include "virtq/virtqueue.h"

#define BLK_SEG_MAX  (VIRTQ_IOV_MAX - 2) /* a chain is header, segments, status */
#define BLK_SIZE_MAX 0x7ffff000u         /* of a segment: limit of one system call */

struct blk_queue;
struct blk_request;

/* --- parsed: request.c --- */

/* @data and @left shrink while the engine moves the request, perhaps in several pieces. */
struct blk_parsed {
    uint8_t *status;      /* in guest memory */
    struct iov_rest data; /* not moved yet; points into chain.iov */
    uint64_t total;       /* bytes to move */
    uint64_t left;        /* of @total, not moved yet */
};

/* --- merged: merge.c --- */

struct blk_merged {
    struct blk_request *next; /* the adjacent one in the same run; NULL: the last */
};

/* Of a queue: adjacent requests that are submitted as one. @first is NULL: none. */
struct blk_run {
    struct blk_request *first, *last;
    unsigned cnt;   /* buffers of all */
    uint64_t bytes; /* of all */
};

/* --- bounced: bounce.c --- */

#define BLK_BOUNCE_SIZE (64u << 10)
#define BLK_BOUNCE_MAX  16 /* buffers of one queue */

struct blk_bounce {
    uint8_t *buf;     /* valid while the request is @bounced */
    struct iovec iov; /* what the engine moves: whole host blocks of @buf */
    uint32_t skip;    /* bytes of @iov before the guest's first byte */
    uint32_t piece;   /* bytes of the guest in @iov */
};

/* Of a queue. */
struct blk_bounce_pool {
    uint8_t *mem; /* NULL: the image takes any buffer */
    uint8_t *free[BLK_BOUNCE_MAX];
    unsigned nr_free;
    struct list waiting;                   /* requests that wait for a buffer */
    struct aio_deferred resume;            /* some of @waiting can have a buffer */
    void (*submit)(struct blk_request *r); /* a request of @waiting that has its buffer */
};

/* --- split into ranges: range.c --- */

#define BLK_RANGES_MAX      32         /* of one discard or write zeroes */
#define BLK_DISCARD_SECTORS (1u << 23) /* of one range, 4 GiB */
#define BLK_ZEROES_SECTORS  (1u << 18) /* 128 MiB: the host may have to write them */

/* Valid for discard and write zeroes only. */
struct blk_ranges {
    uint16_t nr, next;
    uint32_t sectors_done; /* of list[next] */
    struct virtio_blk_discard_write_zeroes list[BLK_RANGES_MAX];
};

/* --- partial host block: partial.c --- */

/* Valid while the request is in blk_busy_blocks.requests. */
struct blk_partial {
    uint64_t begin, end; /* offsets of the host blocks that the request changes */
    bool in_part;        /* it changes a part of one block, which is read first */
    bool waiting;        /* for another request on one of the blocks; blk_busy_blocks.lock */
    enum engine_op op;   /* operation of the guest; io.op is the read or write of the block */
    void (*cb)(struct engine_req *io, ssize_t res); /* likewise, of io.cb */
    struct list node;                               /* blk_busy_blocks.requests */
};

/* Of a disk. */
struct blk_busy_blocks {
    pthread_mutex_t lock;
    struct list requests; /* requests that hold their host blocks, or wait for them; oldest first */
    unsigned nr_in_part;  /* of @requests: those that change a part of a block */
    unsigned nr_waiting;  /* of @requests: those that wait */
};

/* Of a queue. */
struct blk_grants {
    struct list requests; /* requests that hold their host blocks now; blk_busy_blocks.lock */
    struct aio_bh resume; /* they can continue; any thread schedules it */
};

/* --- held for a retry: hold.c --- */

/* Of a queue. */
struct blk_held {
    struct list requests;
    struct aio_bh retry;
    bool retry_pending; /* atomic; virtio_blk_retry() has scheduled @retry */
    void (*submit)(struct blk_request *r);
};

/* --- timed sample: sample.c --- */

/* ns of the loop's clock; 0: not yet */
struct blk_timing {
    unsigned stride;        /* how many requests this one represents */
    enum blk_latency_op op; /* set when the request completes */
    uint64_t seen_ns;
    uint64_t submitted_ns; /* for the first time */
    uint64_t completed_ns; /* for the last time */
};

/* Of a queue. */
struct blk_sampler {
    unsigned sparse;         /* index of the stride */
    uint64_t seen_ns;        /* when the last batch with a timed request was taken */
    struct blk_timing *used; /* of completed requests that are not published yet */
};

/* --- the request --- */

struct blk_request {
    struct engine_req io;
    struct blk_queue *q;
    struct blk_parsed parsed;
    bool timed;   /* @timing is valid */
    bool bounced; /* @bounce is valid: the data is moved through a bounce buffer */
    struct virtq_chain chain;

    struct list node; /* in the one list where it waits: bounce, grants or held of its queue */
    struct blk_merged merged;
    struct blk_bounce bounce;
    struct blk_partial partial;
    struct blk_timing timing;
    struct blk_ranges ranges;
} __attribute__((aligned(CACHE_LINE)));

/* The part for all requests begins and ends with a cache line: header, one buffer and status. */
_Static_assert(offsetof(struct blk_request, q) == 2 * CACHE_LINE &&
                   offsetof(struct blk_request, chain.iov[3]) == 4 * CACHE_LINE,
               "what every request uses lies in whole cache lines");

#endif

// SPDX-License-Identifier: MIT
/*
 * What the files of the block device share: the device (virtio-blk.c), one of its queues
 * (queue.c), one request (request.c), requests in a row (merge.c), on ranges
 * (range.c), with bounce buffers (bounce.c), on parts of host blocks (partial.c), that
 * failed (hold.c), that are timed (sample.c). Nothing outside blk/ includes it.
 */
#ifndef POLLUX_BLK_INTERNAL_H
#define POLLUX_BLK_INTERNAL_H

#include <linux/virtio_blk.h>
#include <pthread.h>
#include <semaphore.h>

#include "base/barrier.h"
#include "blk/virtio-blk.h"
#include "virtq/iov.h"

#define BLK_SEG_MAX     (VIRTQ_IOV_MAX - 2) /* a chain is header, segments, status */
#define BLK_SIZE_MAX    0x7ffff000u         /* of a segment: what one host call moves at most */
#define BLK_BOUNCE_SIZE (64u << 10)
#define BLK_BOUNCE_MAX  16 /* bounce buffers of one queue */
#define BLK_LOG_MAX     32 /* lines per queue: a guest may fill no log */

#define BLK_RANGES_MAX      32         /* of one discard or write zeroes request */
#define BLK_DISCARD_SECTORS (1u << 23) /* of one range, 4 GiB */
#define BLK_ZEROES_SECTORS  (1u << 18) /* 128 MiB: the host may have to write them */

struct blk_queue;

/* Of a request that is timed; ns of the loop's clock, 0: not yet. */
struct blk_timing {
    unsigned stride;        /* requests that it stands for */
    enum blk_latency_op op; /* set when it is given back */
    uint64_t seen_ns;
    uint64_t submitted_ns; /* for the first time */
    uint64_t completed_ns; /* for the last time */
};

struct blk_request {
    struct engine_req io;
    struct blk_queue *q;
    uint8_t *status;      /* in guest memory */
    struct iov_rest data; /* not moved yet; points into chain.iov */
    uint64_t total;       /* bytes to move */
    uint64_t left;        /* of total */
    uint8_t *bounce;      /* NULL: straight from and to guest memory */
    struct iovec bounce_iov;
    uint32_t skip, piece;     /* what @bounce_iov has of the guest's: @piece bytes, after @skip */
    uint64_t block;           /* offset of the host block that is written in part */
    enum engine_op op;        /* that is done by reading and writing @block */
    struct list partial;      /* blk->partial.busy */
    struct list node;         /* q->waiting, q->held or q->granted */
    struct blk_request *next; /* of the run that it belongs to */
    uint16_t nr_ranges, next_range;
    uint32_t range_done; /* sectors of ranges[next_range] */
    bool timed;
    struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES_MAX];
    struct virtq_chain chain;
    struct blk_timing timing; /* if @timed */
};

/* Requests in a row that go to the host as one; first NULL: none. */
struct blk_run {
    struct blk_request *first, *last;
    unsigned cnt;   /* buffers */
    uint64_t bytes; /* of all */
};

/* Chooses the requests that are timed; what is looked at for all is in the queue itself. */
struct blk_sampler {
    unsigned sparse;         /* step of the stride */
    uint64_t seen_ns;        /* when the last one was seen */
    struct blk_timing *used; /* of requests given back that the driver was not shown yet */
};

/* All but what is marked belongs to the I/O thread. */
struct blk_queue {
    struct blk *blk;
    AioContext *ctx;
    struct trace_track *trace; /* of @ctx */
    struct virtio_queue *vq;
    struct engine *engine;
    struct aio_handler kick;
    struct aio_bh retry;         /* try kept requests again */
    struct aio_bh more;          /* there may be chains in the ring that nobody told of */
    struct aio_deferred publish; /* used elements wait for the end of the turn */
    bool kick_unread;            /* the eventfd has fired; read before the loop blocks again */
    bool stopping;               /* no new chains; the last request out posts @quiet */
    unsigned in_flight;
    unsigned nr_pushed;
    int until_timed;  /* so many requests before the next one that is timed */
    unsigned nr_used; /* in sampler.used */

    /* Free requests, last used first out: its memory is still in the cache. */
    struct blk_request **free;
    unsigned nr_free;
    struct blk_request *requests;

    uint8_t *bounce_mem; /* NULL: the image takes any buffer */
    uint8_t *bounce_free[BLK_BOUNCE_MAX];
    unsigned nr_bounce_free;
    struct list waiting;        /* requests that wait for a bounce buffer */
    struct aio_deferred resume; /* some of them can go on */
    struct list granted;        /* requests that hold their host block now; blk->partial.lock */
    struct aio_bh grant;        /* they can go on; any thread schedules it */
    struct list held;           /* requests that failed, to be tried again */
    bool retry_pending;         /* atomic; virtio_blk_retry() is about to try them again */
    struct blk_run run;         /* grows until the end of the turn */

    struct virtio_blk_stats stats; /* read by any thread */
    struct blk_latency *latency;   /* likewise */
    struct blk_sampler sampler;

    /* Fixed, or of the thread that starts and stops the device. */
    unsigned index;
    struct iothread *iothread;
    bool active; /* started and not stopped */
    struct {
        bool suspect; /* at the last look the queue seemed forgotten */
        uint16_t at;  /* next entry that it would have taken */
        unsigned rescues;
    } watch;     /* of the thread that watches */
    sem_t quiet; /* posted when a stopping queue has nothing in flight any more */
    char name[32];
};

/* An I/O thread that serves some of the queues. */
struct blk_thread {
    struct iothread *iothread;
    struct engine *engine;
    unsigned depth; /* requests of all its queues */
};

/* Host blocks that are written in part. */
struct blk_partial {
    pthread_mutex_t lock;
    struct list busy; /* requests that hold their block, or wait for it */
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
    bool stopped;        /* atomic; @stop was called */
    bool writeback_lost; /* atomic; the host's page cache has dropped what it could not write */
    unsigned seg_max;
    unsigned block_size; /* what the guest is told is the smallest unit; a power of 2 */
    unsigned host_block; /* what the image takes without a bounce buffer; likewise, at least that */
    struct blk_partial partial;
    char serial[VIRTIO_BLK_SERIAL_MAX];
    char name[24];
    void (*log)(void *opaque, const char *line);
    void *log_opaque;
};

/* --- queue.c --- */

/**
 * blk_queue_init - allocate what @q needs to serve @vq; blk, index and iothread are set
 * Return: 0 or -ENOMEM; blk_queue_destroy() frees in both cases.
 */
int blk_queue_init(struct blk_queue *q, struct virtio_queue *vq);
void blk_queue_destroy(struct blk_queue *q);

/**
 * blk_queue_start - begin to serve; a ring that can't be used is reported as a fault, not returned
 * blk_queue_stop - serve no more, wait for what is in flight, forget the ring
 * Context: not the I/O thread. Both may be called on a queue in the wrong state.
 */
int blk_queue_start(struct blk_queue *q);
void blk_queue_ask_stop(struct blk_queue *q);
void blk_queue_await_stop(struct blk_queue *q);

/**
 * blk_queue_complete - give a request back to the driver, @written bytes of its buffers written
 * Context: I/O thread. The request is free afterwards.
 */
void blk_queue_complete(struct blk_request *r, uint32_t written);

/**
 * blk_queue_serve - pop and start the chains in the ring; does nothing on a stopped or broken queue
 * Context: I/O thread.
 * Return: whether the queue is being served.
 */
bool blk_queue_serve(struct blk_queue *q);

void blk_queue_log(struct blk_queue *q, uint64_t nr_before, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* --- request.c --- */

/**
 * blk_request_start - serve the chain that was popped into @r
 * Return: 0, and blk_queue_complete() was called or will be; -EINVAL: the chain is no request, its
 *         queue is broken and the request not in use.
 */
int blk_request_start(struct blk_request *r);

/**
 * blk_request_submit - hand what is left of a request to the engine
 * blk_request_done - the engine's answer, for the callback and for who takes its place
 * Context: I/O thread. The request may be free afterwards.
 */
void blk_request_submit(struct blk_request *r);
void blk_request_done(struct engine_req *io, ssize_t res);

/* blk_request_fail - complete a request with S_IOERR */
void blk_request_fail(struct blk_request *r);

void blk_request_init(struct blk_request *r, struct blk_queue *q);

/* --- bounce.c --- */

/**
 * blk_bounce_init - the bounce buffers of @q, if its image wants any
 * Return: 0 or -ENOMEM. blk_queue_destroy() frees.
 */
int blk_bounce_init(struct blk_queue *q);

/* blk_bounce_needed - does the image's align, over 1, not suit the place or the buffers of @r? */
bool blk_bounce_needed(const struct blk_request *r);

/**
 * blk_bounce_start - submit @r by way of a bounce buffer, as soon as there is one
 */
void blk_bounce_start(struct blk_request *r);

/**
 * blk_bounce_fill - make the bounce buffer of @r what is submitted: the next piece
 * Return: false if the piece is a write of a part of a host block, for blk_partial_start().
 */
bool blk_bounce_fill(struct blk_request *r);

/**
 * blk_bounce_moved - of what the engine has moved, @res, for blk_bounce_fill(): the guest's bytes
 */
ssize_t blk_bounce_moved(struct blk_request *r, ssize_t res);

/* blk_bounce_release - @r has done with its bounce buffer */
void blk_bounce_release(struct blk_request *r);

/* --- partial.c --- */

void blk_partial_init(struct blk_partial *p);
void blk_partial_destroy(struct blk_partial *p);
void blk_partial_init_queue(struct blk_queue *q);

/**
 * blk_partial_start - write @r's piece of a host block, as soon as no other request writes a part
 *                     of that block; blk_request_done() follows
 * Context: I/O thread; @r has a bounce buffer.
 */
void blk_partial_start(struct blk_request *r);

/* blk_in_part - does the next piece of @len bytes at @offset begin or end within a host block? */
static inline bool blk_in_part(const struct blk *blk, uint64_t offset, uint64_t len)
{
    return offset & (blk->host_block - 1) || len < blk->host_block;
}

/* --- range.c --- */

/**
 * blk_range_parse - take the ranges of a discard or write zeroes, as io.op says
 * @out: the list, @len bytes of it
 * Return: S_OK, or the status that the request must fail with: then nothing was changed.
 */
uint8_t blk_range_parse(struct blk_request *r, const struct iov_rest *out, uint64_t len);

/**
 * blk_range_next - set @r up for the next piece of its ranges: whole host blocks, or a part of one
 *                  that is to be zeroed; a part that is to be discarded is left as it is
 * Return: false when there is none left.
 */
bool blk_range_next(struct blk_request *r);

/**
 * blk_range_bytes - of all ranges of @r
 */
uint64_t blk_range_bytes(const struct blk_request *r);

/* blk_range_in_part - is @r, on a range, at a piece that only blk_partial_start() can do? */
bool blk_range_in_part(const struct blk_request *r);

/**
 * blk_range_detect - make @r, a write, a write zeroes if it has nothing but zeroes
 * Return: whether it had.
 */
bool blk_range_detect(struct blk_request *r);

/* --- merge.c --- */

/**
 * blk_merge_add - submit @r, a transfer that was not submitted yet, at the end of the turn at the
 *                 latest, together with others if it goes on where they end
 * blk_merge_submit - the turn ends: submit what blk_merge_add() kept
 */
void blk_merge_add(struct blk_request *r);
void blk_merge_submit(struct blk_queue *q);

/* --- hold.c --- */

/**
 * blk_on_error - what is to be done about @r, which the host failed with @num
 * Return: VIRTIO_BLK_REPORT, _IGNORE or _STOP.
 */
enum virtio_blk_on_error blk_on_error(const struct blk_request *r, int num);

/**
 * blk_flush_failed - the host could not flush
 * Context: any thread. Return: whether that is final, and no later flush of @blk will go well.
 */
bool blk_flush_failed(struct blk *blk);

/**
 * blk_hold - keep @r for virtio_blk_retry(), and ask for the guest to be stopped
 * @what: failed; without the queue's name
 */
void blk_hold(struct blk_request *r, const char *what);

/* blk_retry_kept - the bottom half of virtio_blk_retry() in the thread of the queue @opaque */
void blk_retry_kept(void *opaque);

/* blk_fail_held - the queue stops: fail what it kept */
void blk_fail_held(struct blk_queue *q);

/* --- sample.c; all in the I/O thread --- */

/**
 * blk_sample_seen - some of the @n requests of @batch, which were just taken, are to be timed
 * To be called when until_timed, less @n, has gone below 0.
 */
void blk_sample_seen(struct blk_queue *q, struct blk_request **batch, unsigned n);

/**
 * blk_sample_submitted - a timed request goes to the engine, maybe not for the first time
 * blk_sample_completed - a timed request is back from it, and there is more to do than to give it
 *                        to the driver
 */
void blk_sample_submitted(struct blk_request *r);
void blk_sample_completed(struct blk_request *r);

/**
 * blk_sample_used - a timed request is given back; it is free, and timed no more
 */
void blk_sample_used(struct blk_request *r);

/**
 * blk_sample_shown - the driver was shown all that was given back, at @now
 */
void blk_sample_shown(struct blk_queue *q, uint64_t now);

static inline bool blk_timed(const struct blk_request *r)
{
    return __builtin_expect(r->timed, 0);
}

#endif

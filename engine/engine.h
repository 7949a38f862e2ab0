// SPDX-License-Identifier: MIT
/*
 * Engines: asynchronous reads, writes, flushes and operations on ranges of an image, in one loop.
 *
 * An engine belongs to one AioContext and one image; several engines may be open on the same image,
 * one in each thread. Requests submitted in one turn of the loop go to the kernel together at the
 * end of the turn.
 *
 * Rules for every engine, checked by tests/unit/test_engine.c:
 *  - a submit that returns 0 runs the callback exactly once, in the loop's thread, never before the
 *    submit returns;
 *  - a submit that returns < 0 has changed nothing and never runs the callback;
 *  - a flush covers every write whose callback ran before the flush was submitted;
 *  - a durable write needs no flush: its data is on the medium when its callback runs;
 *  - -EAGAIN and -EINTR of the host are not reported: the engine submits the request again, after a
 *    pause.
 */
#ifndef POLLUX_ENGINE_ENGINE_H
#define POLLUX_ENGINE_ENGINE_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "aio/aio.h"
#include "base/engine-op.h"
#include "engine/image.h"

#define ENGINE_IOV_MAX 1024

/* One request. The caller owns it, its iovec array and its buffers, and keeps them until the
 * callback. */
struct engine_req {
    enum engine_op op;
    int iovcnt; /* of READ and WRITE; else 0 */
    const struct iovec *iov;
    uint64_t offset; /* bytes */
    uint64_t len;    /* DISCARD, WRITE_ZEROES: bytes */
    bool may_unmap;  /* WRITE_ZEROES: the host may free the blocks */
    bool durable;    /* WRITE, WRITE_ZEROES: on the medium when it completes */
    /* @res: bytes moved by a read or write, perhaps fewer than asked for; 0 for other operations;
     * or -errno. Context: owner of the loop. */
    void (*cb)(struct engine_req *req, ssize_t res);

    struct list node; /* private to the engine */
    uint64_t priv[8]; /* private to the engine */
};

/* Faults to inject; rates in parts per million of the requests. */
struct engine_faults {
    uint32_t error_ppm;  /* fail with @error, without any I/O */
    int error;           /* a positive errno */
    uint32_t short_ppm;  /* move about half */
    uint64_t delay_ns;   /* added to the time of every request */
    const char *trigger; /* inject only while this file exists; NULL: always */
    uint64_t seed;       /* of the pseudo-random choice of requests */
};

struct engine_config {
    unsigned depth;                              /* most requests in flight at a time */
    uint64_t delay_ns;                           /* engine null: the time of a request */
    const struct engine_faults *faults;          /* NULL: none; copied */
    const char *name;                            /* of the disk, for @log; copied */
    void (*log)(void *opaque, const char *line); /* a connection is lost, ...; NULL: dropped.
                                                    Context: owner of the loop */
    void *log_opaque;
};

struct engine_ops;

struct engine {
    const struct engine_ops *ops;
    AioContext *ctx;
    const struct image *image;
    unsigned in_flight;       /* requests submitted whose callback has not run yet */
    struct worker_pool *pool; /* private: engine_offload() */
    struct list again;        /* private: requests that @try_again submits again */
    struct aio_timer try_again;
    struct trace_track *trace; /* of @ctx */
};

struct engine_ops {
    const char *name;
    const char *summary; /* one line for --help */
    bool needs_file;     /* false: works on an image without a path */
    bool offloads;       /* needs the worker threads of the loop */

    /* As engine_open(). Context: the loop's owner. */
    int (*open)(AioContext *ctx, const struct image *image, const struct engine_config *config,
                struct engine **out, struct error *err);
    int (*submit)(struct engine *e, struct engine_req *req);
    void (*close)(struct engine *e);
};

extern const struct engine_ops engine_null;
extern const struct engine_ops engine_linux_aio;
extern const struct engine_ops engine_io_uring;
extern const struct engine_ops engine_threads;
extern const struct engine_ops engine_mmap;
extern const struct engine_ops engine_sync;
extern const struct engine_ops engine_nbd; /* of images with a URI only; not of engine_at() */
extern const struct engine_ops engine_rbd; /* of images with @rbd only; not of engine_at() */

/* engine_at - the engines by number, in the order of --help. Return: NULL behind the last one. */
const struct engine_ops *engine_at(unsigned i);

/**
 * engine_open - an engine for @image in @ctx
 * @image: must outlive the engine
 * Context: owner of @ctx.
 * Return: 0 and *@out; or -errno, *@out is NULL and @err says why (fs.aio-max-nr exhausted, ...).
 */
int engine_open(const struct engine_ops *ops, AioContext *ctx, const struct image *image,
                const struct engine_config *config, struct engine **out, struct error *err);

/**
 * engine_submit - start one request
 * Context: owner of the loop. Does not block and, as a rule, makes no system call: that happens at
 *          the end of the turn.
 * Return: 0: req->cb runs exactly once, later. An error changes nothing and never runs req->cb:
 *         -EINVAL: the request is out of range, not aligned to image->align, writes a read-only
 *         image, or has iovcnt beyond ENGINE_IOV_MAX; -EAGAIN: more requests than config->depth are
 *         in flight.
 */
int engine_submit(struct engine *e, struct engine_req *req);

/**
 * engine_close - release an engine
 * Context: owner of the loop, not inside a request's callback; nothing in flight (asserted).
 */
void engine_close(struct engine *e);

#endif

// SPDX-License-Identifier: MIT
/*
 * A loop of completions: each read that completes starts the next one.
 *
 * A run has three parts: warming up, counting, and waiting for the reads in flight. The I/O thread
 * owns the reader from the first submission until it writes done_fd.
 */
#include "bench/run-engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "engine/image.h"
#include "iothread/iothread.h"

#define WARM_UP 8 /* the part of the time that is not counted */

struct slot {
    struct engine_req req;
    struct iovec iov;
    struct reader *reader;
    uint64_t began;
};

enum part {
    WARMING,
    COUNTING,
    ENDING,
};

struct reader {
    const struct image *image;
    const struct engine_ops *ops;
    struct engine *engine;
    AioContext *ctx;
    struct bench_offsets offsets;
    uint8_t *buffer;
    unsigned depth, busy; /* slots; those in flight */
    enum part part;
    bool stop; /* set by another thread */
    int done_fd;
    int ret;
    uint64_t time_ns, count_from, count_until;
    uint64_t began, ended, cpu_began, cpu_ended; /* CPU: of all threads, workers too */
    struct blk_histogram latency;
    uint64_t *reads; /* see struct bench_group; NULL: not wanted */
    struct error *err;
    struct slot slots[];
};

/* --- in the I/O thread --- */

static void read_next(struct reader *r, struct slot *s, uint64_t now)
{
    int ret;

    s->req.offset = bench_offset_next(&r->offsets);
    s->began = now;
    ret = engine_submit(r->engine, &s->req);
    if (ret < 0) {
        r->ret = ret;
    } else {
        r->busy++;
    }
}

static void count(struct reader *r, uint64_t ns)
{
    blk_histogram_add(&r->latency, ns, 1);
    if (r->reads) {
        r->reads[hist_bucket(ns)]++;
    }
}

static void advance(struct reader *r, const struct slot *s, uint64_t now)
{
    if (r->part == COUNTING) {
        count(r, now - s->began);
        if (now >= r->count_until) {
            r->part = ENDING;
            r->ended = now;
            r->cpu_ended = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        }
    } else if (r->part == WARMING && now >= r->count_from) {
        r->part = COUNTING;
        r->began = now;
        r->cpu_began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    }
}

static void read_done(struct engine_req *req, ssize_t res)
{
    struct slot *s = container_of(req, struct slot, req);
    struct reader *r = s->reader;
    uint64_t one = 1, now = aio_now(r->ctx);

    r->busy--;
    if (res != (ssize_t)s->iov.iov_len) {
        r->ret = res < 0 ? (int)res : -EIO;
    }
    advance(r, s, now);
    if (r->part != ENDING && !r->ret && !load_relaxed(&r->stop)) {
        read_next(r, s, now);
    }
    if (!r->busy) {
        while (write(r->done_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

static int open_engine(void *opaque)
{
    struct reader *r = opaque;
    struct engine_config config = {.depth = r->depth};

    return engine_open(r->ops, r->ctx, r->image, &config, &r->engine, r->err);
}

static int start_reading(void *opaque)
{
    struct reader *r = opaque;
    uint64_t now = aio_now(r->ctx), bs = r->offsets.bs;

    r->count_from = now + r->time_ns / WARM_UP;
    r->count_until = now + r->time_ns;
    for (unsigned i = 0; i < r->depth && !r->ret; i++) {
        struct slot *s = &r->slots[i];

        s->reader = r;
        s->iov = (struct iovec){.iov_base = r->buffer + i * bs, .iov_len = bs};
        s->req =
            (struct engine_req){.op = ENGINE_READ, .iov = &s->iov, .iovcnt = 1, .cb = read_done};
        read_next(r, s, now);
    }
    return r->busy ? 0 : r->ret;
}

static int close_engine(void *opaque)
{
    struct reader *r = opaque;

    engine_close(r->engine);
    return 0;
}

/* --- in the caller's thread --- */

static int new_thread(const struct poll_policy_ops *policy, uint64_t max_ns, struct iothread **out,
                      struct error *err)
{
    struct iothread_config config = {.id = "reads"};

    poll_params_default(&config.poll);
    config.poll.policy = policy;
    config.poll.max_ns = max_ns;
    return iothread_new(&config, out, err);
}

int bench_engine_probe(const struct engine_ops *ops, const struct image *image, struct error *err)
{
    struct reader r = {.ops = ops, .image = image, .depth = 1, .err = err};
    struct iothread *io;
    int ret = new_thread(&poll_policy_block, 0, &io, err);

    if (ret < 0) {
        return ret;
    }
    r.ctx = iothread_ctx(io);
    ret = iothread_call(io, open_engine, &r);
    if (ret == 0) {
        iothread_call(io, close_engine, &r);
    }
    iothread_free(io);
    return ret;
}

/* Return: 0 when no read is in flight any more, -EINTR when it was stopped. */
static int wait_done(struct reader *r, int stop_fd)
{
    struct pollfd fds[] = {{.fd = r->done_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    int ret = 0;

    while (!fds[0].revents) {
        poll(fds, 2, -1);
        if (fds[1].revents) {
            store_relaxed(&r->stop, true);
            fds[1].fd = -1;
            ret = -EINTR;
        }
    }
    return ret;
}

static int read_all(struct reader *r, struct iothread *io, int stop_fd)
{
    int ret;

    r->ctx = iothread_ctx(io);
    ret = iothread_call(io, open_engine, r);
    if (ret < 0) {
        return ret;
    }
    ret = iothread_call(io, start_reading, r);
    if (ret == 0) {
        ret = wait_done(r, stop_fd);
    }
    iothread_call(io, close_engine, r);
    return r->ret ? error_set(r->err, r->ret, "engine %s cannot read the disk: %s", r->ops->name,
                              strerror(-r->ret))
                  : ret;
}

static void take_figures(const struct reader *r, struct bench_result *out)
{
    const double elapsed = (double)(r->ended - r->began), n = (double)r->latency.requests;
    const double cpu = (double)(r->cpu_ended - r->cpu_began);

    bench_result_unknown(out);
    bench_result_latency(out, &r->latency);
    out->iops = n * 1e9 / elapsed;
    out->mb_per_s = out->iops * (double)r->offsets.bs / 1e6;
    out->cpu = cpu / elapsed;
    out->cpu_ns = cpu / n;
}

static int run_reader(struct reader *r, const struct bench_variant *variant, int stop_fd,
                      struct bench_result *out)
{
    struct iothread *io;
    int ret = new_thread(variant->policy, variant->max_ns, &io, r->err);

    if (ret < 0) {
        return ret;
    }
    ret = read_all(r, io, stop_fd);
    iothread_free(io);
    if (ret == 0) {
        take_figures(r, out);
    }
    return ret;
}

static int run_engine(const struct bench_config *c, const struct bench_group *group,
                      const struct bench_variant *variant, unsigned run, int stop_fd,
                      struct trace *trace, struct bench_result *out, struct error *err)
{
    const struct bench_disk *d = group->disk;
    struct image_config config = bench_image(d->file);
    struct image image;
    struct reader *r = calloc(1, sizeof(*r) + group->depth * sizeof(r->slots[0]));
    uint8_t *buffer = aligned_alloc(
        IMAGE_ALIGN_MAX, (group->depth * group->bs / IMAGE_ALIGN_MAX + 1) * IMAGE_ALIGN_MAX);
    int fd = eventfd(0, EFD_CLOEXEC), ret = 0;

    config.size = d->file ? 0 : d->size;
    config.readonly = true;
    config.direct = d->direct;

    if (!r || !buffer || fd < 0) {
        ret = error_set(err, -ENOMEM, "out of memory");
    }
    ret = ret < 0 ? ret : image_open(&image, &config, err);
    if (ret == 0) {
        memset(buffer, 0, group->depth * group->bs); /* no page faults while it is measured */
        *r = (struct reader){
            .image = &image,
            .ops = d->engine,
            .offsets = bench_offsets(&image, group->bs, c->order, run),
            .buffer = buffer,
            .depth = group->depth,
            .done_fd = fd,
            .time_ns = c->time_ns,
            .reads = variant->policy == &poll_policy_fixed ? group->reads : NULL,
            .err = err,
        };
        ret = run_reader(r, variant, stop_fd, out);
        image_close(&image);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(buffer);
    free(r);
    return ret;
}

/* Engine sync has no completions to wait for. */
static bool engine_takes(const struct bench_config *c, const struct bench_group *group,
                         const struct bench_variant *variant)
{
    return group->disk->engine != &engine_sync || variant->policy == &poll_policy_block;
}

const struct bench_runner bench_runner_engine = {
    .name = "pollux",
    .takes = engine_takes,
    .run = run_engine,
};

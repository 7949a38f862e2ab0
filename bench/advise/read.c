// SPDX-License-Identifier: MIT
/*
 * Reads of a disk by one engine, in a loop of completions: each one starts the next.
 *
 * A slice has three parts: warming up, counting, and letting what is in flight come home. The
 * reader is the I/O thread's from the first submission until it has said that all is done.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "bench/advise/advise.h"
#include "iothread/iothread.h"

#define DEPTH_MAX    32
#define BUFFER_BYTES (8u << 17) /* 8 * 128 KiB, which is more than 32 * 4 KiB */
#define WARM_UP      8          /* the part of the time that is not counted */
#define SAMPLES      (1u << 18) /* the newest that are kept for percentiles; a power of 2 */
/* Longer than any read takes. */
#define ALWAYS_NS 1000000000

static const struct {
    unsigned depth, bytes;
    bool sequential;
} loads[ADVISE_LOADS] = {
    [ADVISE_RANDOM_1] = {1, 4096, false},
    [ADVISE_RANDOM_32] = {32, 4096, false},
    [ADVISE_SEQUENTIAL] = {8, 128 << 10, true},
};

struct slot {
    struct engine_req req;
    struct iovec iov;
    struct advise_reader *reader;
    uint64_t began;
};

enum part {
    WARMING,
    COUNTING,
    ENDING,
};

struct advise_reader {
    const struct image *image;
    uint8_t *buffer;
    uint32_t *samples; /* ns */
    struct slot slots[DEPTH_MAX];

    /* of one slice */
    const struct engine_ops *ops;
    enum advise_load load;
    struct engine *engine;
    AioContext *ctx;
    unsigned busy; /* slots in flight */
    enum part part;
    bool stop; /* set by another thread */
    int done_fd;
    int error;
    uint64_t time_ns, count_from, count_until;
    uint64_t began, ended, cpu_began, cpu_ended; /* CPU: of all threads, workers too */
    uint64_t nr_reads, sum_ns;
    uint64_t random, next; /* generator; next offset, sequential */
};

struct advise_reader *advise_reader_new(const struct image *image)
{
    struct advise_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        return NULL;
    }
    r->image = image;
    r->random = 88172645463325252u;
    r->buffer = aligned_alloc(IMAGE_ALIGN_MAX, BUFFER_BYTES);
    r->samples = malloc(SAMPLES * sizeof(*r->samples));
    r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!r->buffer || !r->samples || r->done_fd < 0) {
        advise_reader_free(r);
        return NULL;
    }
    memset(r->buffer, 0, BUFFER_BYTES); /* no page faults while it is measured */
    return r;
}

void advise_reader_free(struct advise_reader *r)
{
    if (r) {
        if (r->done_fd >= 0) {
            close(r->done_fd);
        }
        free(r->samples);
        free(r->buffer);
        free(r);
    }
}

/* --- in the I/O thread --- */

static uint64_t next_offset(struct advise_reader *r)
{
    unsigned bytes = loads[r->load].bytes;
    uint64_t blocks = image_size(r->image) / bytes;

    if (loads[r->load].sequential) {
        return r->next++ % blocks * bytes;
    }
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random % blocks * bytes;
}

static void read_next(struct advise_reader *r, struct slot *s, uint64_t now)
{
    int ret;

    s->req.offset = next_offset(r);
    s->began = now;
    ret = engine_submit(r->engine, &s->req);
    if (ret < 0) {
        r->error = ret;
    } else {
        r->busy++;
    }
}

static void count(struct advise_reader *r, uint64_t ns)
{
    r->samples[r->nr_reads++ % SAMPLES] = (uint32_t)(ns < UINT32_MAX ? ns : UINT32_MAX);
    r->sum_ns += ns;
}

static void go_on(struct advise_reader *r, struct slot *s, uint64_t now)
{
    switch (r->part) {
    case WARMING:
        if (now >= r->count_from) {
            r->part = COUNTING;
            r->began = now;
            r->cpu_began = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        }
        break;
    case COUNTING:
        count(r, now - s->began);
        if (now >= r->count_until) {
            r->part = ENDING;
            r->ended = now;
            r->cpu_ended = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        }
        break;
    case ENDING:
        break;
    }
}

static void read_done(struct engine_req *req, ssize_t res)
{
    struct slot *s = container_of(req, struct slot, req);
    struct advise_reader *r = s->reader;
    uint64_t one = 1, now = aio_now(r->ctx);

    r->busy--;
    if (res != (ssize_t)s->iov.iov_len) {
        r->error = res < 0 ? (int)res : -EIO;
    }
    go_on(r, s, now);
    if (r->part != ENDING && !r->error && !load_relaxed(&r->stop)) {
        read_next(r, s, now);
    }
    if (!r->busy) {
        while (write(r->done_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

struct reader_call {
    struct advise_reader *reader;
    struct error *err;
};

static int open_engine(void *opaque)
{
    struct reader_call *call = opaque;
    struct advise_reader *r = call->reader;
    struct engine_config config = {.depth = DEPTH_MAX};

    return engine_open(r->ops, r->ctx, r->image, &config, &r->engine, call->err);
}

static int start_reading(void *opaque)
{
    struct reader_call *call = opaque;
    struct advise_reader *r = call->reader;
    unsigned bytes = loads[r->load].bytes;
    uint64_t now = aio_now(r->ctx);

    r->count_from = now + r->time_ns / WARM_UP;
    r->count_until = now + r->time_ns;
    for (unsigned i = 0; i < loads[r->load].depth && !r->error; i++) {
        struct slot *s = &r->slots[i];

        s->reader = r;
        s->iov = (struct iovec){.iov_base = r->buffer + (size_t)i * bytes, .iov_len = bytes};
        s->req =
            (struct engine_req){.op = ENGINE_READ, .iov = &s->iov, .iovcnt = 1, .cb = read_done};
        read_next(r, s, now);
    }
    return r->busy ? 0 : r->error;
}

static int close_engine(void *opaque)
{
    struct reader_call *call = opaque;

    engine_close(call->reader->engine);
    return 0;
}

/* --- in the caller's --- */

static int new_thread(enum advise_wait wait, struct iothread **out, struct error *err)
{
    static const struct poll_policy_ops *const policies[ADVISE_WAITS] = {
        [ADVISE_BLOCK] = &poll_policy_block,
        [ADVISE_COST] = &poll_policy_cost,
        [ADVISE_POLL] = &poll_policy_fixed,
    };
    struct iothread_config config = {.id = "advise"};

    poll_params_default(&config.poll);
    config.poll.policy = policies[wait];
    if (wait == ADVISE_POLL) {
        config.poll.max_ns = ALWAYS_NS;
    }
    return iothread_new(&config, out, err);
}

int advise_reader_probe(struct advise_reader *r, const struct engine_ops *ops, struct error *err)
{
    struct reader_call call = {.reader = r, .err = err};
    struct iothread *io;
    int ret = new_thread(ADVISE_BLOCK, &io, err);

    if (ret < 0) {
        return ret;
    }
    r->ops = ops;
    r->ctx = iothread_ctx(io);
    ret = iothread_call(io, open_engine, &call);
    if (ret == 0) {
        iothread_call(io, close_engine, &call);
    }
    iothread_free(io);
    return ret;
}

/* Return: 0 when nothing is in flight any more, -EINTR when it was stopped. */
static int wait_done(struct advise_reader *r, int stop_fd)
{
    struct pollfd fds[] = {{.fd = r->done_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    uint64_t value;
    int ret = 0;

    while (!fds[0].revents) {
        poll(fds, 2, -1);
        if (fds[1].revents) {
            store_relaxed(&r->stop, true);
            fds[1].fd = -1;
            ret = -EINTR;
        }
    }
    return read(r->done_fd, &value, sizeof(value)) < 0 ? -errno : ret;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void take_figures(struct advise_reader *r, struct advise_figures *out,
                         uint64_t reads[HIST_BUCKETS])
{
    double n = (double)r->nr_reads;
    size_t kept = r->nr_reads < SAMPLES ? (size_t)r->nr_reads : SAMPLES;

    qsort(r->samples, kept, sizeof(*r->samples), compare);
    *out = (struct advise_figures){
        .iops = n * 1e9 / (double)(r->ended - r->began),
        .mean_ns = (double)r->sum_ns / n,
        .p50_ns = r->samples[(kept - 1) * 50 / 100],
        .p99_ns = r->samples[(kept - 1) * 99 / 100],
        .cpu_ns = (double)(r->cpu_ended - r->cpu_began) / n,
    };
    for (size_t i = 0; reads && i < kept; i++) {
        reads[hist_bucket(r->samples[i])]++;
    }
}

int advise_read(struct advise_reader *r, const struct engine_ops *ops, enum advise_wait wait,
                enum advise_load load, uint64_t time_ns, int stop_fd, struct advise_figures *out,
                uint64_t reads[HIST_BUCKETS], struct error *err)
{
    struct reader_call call = {.reader = r, .err = err};
    struct iothread *io;
    int ret = new_thread(wait, &io, err);

    if (ret < 0) {
        return ret;
    }
    r->ops = ops;
    r->load = load;
    r->ctx = iothread_ctx(io);
    r->part = WARMING;
    r->stop = false;
    r->error = 0;
    r->time_ns = time_ns;
    r->nr_reads = r->sum_ns = 0;
    ret = iothread_call(io, open_engine, &call);
    if (ret == 0) {
        ret = iothread_call(io, start_reading, &call);
        if (ret == 0) {
            ret = wait_done(r, stop_fd);
        }
        iothread_call(io, close_engine, &call);
        if (r->error) {
            ret = error_set(err, r->error, "engine %s cannot read the disk: %s", ops->name,
                            strerror(-r->error));
        }
    }
    iothread_free(io);
    if (ret == 0) {
        take_figures(r, out, reads);
    }
    return ret;
}

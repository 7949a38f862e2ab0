// SPDX-License-Identifier: MIT
/* pread(2) on the host, one at a time on the same file: no VMM, no ring, no second thread. */
#include "bench/run-pread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/workload.h"
#include "blk/latency.h"

#define READS_PER_LOOK 256 /* at the descriptor that stops us */

struct pread_run {
    const struct image *image;
    uint8_t *buffer;
    struct bench_offsets offsets;
    uint64_t requests;
    struct blk_histogram latency;
};

static bool stopped(int stop_fd)
{
    struct pollfd fd = {.fd = stop_fd, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

static int read_until(struct pread_run *r, uint64_t deadline, int stop_fd)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    while (now < deadline) {
        ssize_t n =
            pread(r->image->fd, r->buffer, r->offsets.bs, (off_t)bench_offset_next(&r->offsets));
        uint64_t begin = now;

        if (n != (ssize_t)r->offsets.bs) {
            return n < 0 ? -errno : -EIO;
        }
        now = clock_ns(CLOCK_MONOTONIC);
        blk_histogram_add(&r->latency, now - begin, 1);
        if (++r->requests % READS_PER_LOOK == 0 && stopped(stop_fd)) {
            return -EINTR;
        }
    }
    return 0;
}

static int measure(struct pread_run *r, uint64_t time_ns, int stop_fd, struct bench_result *out)
{
    uint64_t begin = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    int ret = read_until(r, begin + time_ns, stop_fd);
    double elapsed = (double)(clock_ns(CLOCK_MONOTONIC) - begin);

    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    bench_result_unknown(out);
    out->iops = 1e9 * (double)r->requests / elapsed;
    out->mb_per_s = out->iops * (double)r->offsets.bs / 1e6;
    bench_result_latency(out, &r->latency);
    out->cpu = (double)cpu / elapsed;
    out->cpu_ns = r->requests ? (double)cpu / (double)r->requests : 0;
    return ret;
}

static int run_pread(const struct bench_config *c, const struct bench_group *group,
                     const struct bench_variant *variant, unsigned run, int stop_fd,
                     struct trace *trace, struct bench_result *out, struct error *err)
{
    const struct image_config config = {
        .path = group->disk->file, .readonly = true, .direct = group->disk->direct};
    struct image image;
    int ret = image_open(&image, &config, err);
    struct pread_run *r;

    if (ret < 0) {
        return ret;
    }
    r = calloc(1, sizeof(*r));
    if (r) {
        r->image = &image;
        r->offsets = bench_offsets(&image, group->bs, c->order, run);
        r->buffer = aligned_alloc(4096, (group->bs + 4095) & ~4095ull);
    }
    if (!r || !r->buffer) {
        ret = error_set(err, -ENOMEM, "out of memory");
    } else {
        memset(r->buffer, 1, group->bs);
        ret = measure(r, c->time_ns, stop_fd, out);
        if (ret < 0) {
            error_set(err, ret, "cannot read '%s': %s", group->disk->file, strerror(-ret));
        }
    }
    free(r ? r->buffer : NULL);
    free(r);
    image_close(&image);
    return ret;
}

static bool pread_takes(const struct bench_config *c, const struct bench_group *group,
                        const struct bench_variant *variant)
{
    return bench_host_takes(c, group) && group->depth == 1 && !strcmp(c->rw, "read");
}

const struct bench_runner bench_runner_pread = {
    .name = "pread",
    .takes = pread_takes,
    .run = run_pread,
};

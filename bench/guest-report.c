// SPDX-License-Identifier: MIT
/* The command line of the bench guest, and its report. */
#include "bench/guest-report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/workload.h"
#include "blk/virtio-blk.h"
#include "guest-images/bench/bench-guest.h"

/* Memory of the guest, in whole huge pages, with a reserve. */
#define MEMORY_ALIGN (2ull << 20)
#define MEMORY_SPARE (16ull << 20)

unsigned bench_queue_size(const struct bench_group *group)
{
    return 4 * group->depth > VIRTIO_BLK_QUEUE_SIZE_DEFAULT ? 2 * VIRTIO_BLK_QUEUE_SIZE_DEFAULT
                                                            : VIRTIO_BLK_QUEUE_SIZE_DEFAULT;
}

uint64_t bench_guest_memory(const struct bench_config *c, const struct bench_group *group)
{
    uint64_t buffers = group->depth * (group->bs + 4096) * c->disks * c->queues;

    return (BENCH_BUFFERS_START + buffers + MEMORY_SPARE) & ~(MEMORY_ALIGN - 1);
}

void bench_guest_append(const struct bench_config *c, const struct bench_group *group,
                        const struct bench_variant *variant, unsigned run, char *buf, size_t size)
{
    snprintf(buf, size,
             "depth=%u queues=%" PRIu64 " bs=%" PRIu64
             " rw=%s order=%s pause=%s wait=%s time=%" PRIu64
             "ns seed=%u ring=%s flush_every=%" PRIu64,
             group->depth, c->queues, group->bs, c->rw, c->order ? "seq" : "random", group->pause,
             c->wait ? "irq" : "poll", c->time_ns, run + 1, variant->packed ? "packed" : "split",
             c->fsync);
}

const char *bench_guest_value(const char *report, const char *key)
{
    size_t len = strlen(key);

    for (const char *line = report; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, len) && line[len] == '=') {
            return line + len + 1;
        }
    }
    return NULL;
}

static int guest_number(const char *report, const char *key, double *out, struct error *err)
{
    const char *text = bench_guest_value(report, key);

    if (!text) {
        return error_set(err, -EPROTO, "the bench guest did not report '%s'", key);
    }
    *out = strtod(text, NULL);
    return 0;
}

int bench_guest_report(const char *report, const struct bench_clocks *clocks,
                       struct bench_result *out, struct error *err)
{
    double requests = 0, kicks = 0, interrupts = 0, bs = 0;
    const struct bench_figure *f;
    const char *text;

    if (guest_number(report, "requests", &requests, err) < 0 ||
        guest_number(report, "kicks", &kicks, err) < 0 ||
        guest_number(report, "interrupts", &interrupts, err) < 0 ||
        guest_number(report, "bs", &bs, err) < 0) {
        return -EPROTO;
    }
    if (requests < 1 || !clocks->elapsed_ns) {
        return error_set(err, -EPROTO, "the bench guest made no request; give it more --time");
    }
    bench_result_unknown(out);
    for (unsigned i = 0; (f = bench_figure_at(i)); i++) {
        text = bench_guest_value(report, f->name);
        if (text) {
            *bench_figure(out, f) = strtod(text, NULL);
        }
    }
    out->mb_per_s = out->iops * bs / 1e6;
    out->cpu = (double)clocks->iothread_ns / (double)clocks->elapsed_ns;
    out->cpu_ns = (double)clocks->iothread_ns / requests;
    out->kicks = kicks / requests;
    out->interrupts = interrupts / requests;
    out->vcpu_exits = (double)clocks->exits / requests;
    return 0;
}

int bench_guest_failure(const char *report, struct error *err)
{
    const char *why = bench_guest_value(report, "error");

    return why ? error_set(err, -EIO, "the bench guest failed: %.*s", (int)strcspn(why, "\n"), why)
               : 0;
}

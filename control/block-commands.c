// SPDX-License-Identifier: MIT
/* Commands about disks, by their names: disk0, disk1, ... */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json-text.h"
#include "control/command.h"

/* --- query-block --- */

static const char *filename(const struct image_config *config)
{
    const char *place = image_place(config);

    return place ? place : "null";
}

static const char *format(const struct image_config *config)
{
    return config->format ? config->format : "raw";
}

static json_t *image(const struct disk *d)
{
    const struct image_config *config = &d->config->image;

    return json_pack("{s:o,s:s,s:I,s:b}", "filename", json_text(filename(config)), "format",
                     format(config), "virtual-size", (json_int_t)image_size(&d->image),
                     "dirty-flag", false);
}

int qmp_find_disk(const struct qmp_call *call, const char *key, const char *other,
                  struct error *err)
{
    const struct qmp_target *t = &call->server->target;
    const char *one = qmp_text(call, key), *two = qmp_text(call, other);
    const char *name = one ? one : two;

    if (!one == !two) {
        return error_set(err, -EINVAL, "one of '%s' and '%s' must be given", key, other);
    }
    for (unsigned i = 0; i < t->nr_disks; i++) {
        if (!strcmp(t->disks[i]->config->name, name)) {
            return (int)i;
        }
    }
    return error_set(err, -ENODEV, "Device '%.80s' not found", name);
}

static json_t *inserted(const struct disk *d)
{
    const struct image_config *config = &d->config->image;
    static const char *const detect[] = {
        [VIRTIO_BLK_DETECT_OFF] = "off",
        [VIRTIO_BLK_DETECT_ON] = "on",
        [VIRTIO_BLK_DETECT_UNMAP] = "unmap",
    };

    json_t *object = json_pack(
        "{s:o,s:s,s:b,s:s,s:b,s:i,s:s,s:{s:b,s:b,s:b},s:o,s:i}", "file",
        json_text(filename(config)), "node-name", d->config->name, "ro", config->readonly, "drv",
        format(config), "encrypted", false, "backing_file_depth", 0, "detect_zeroes",
        detect[d->config->device.detect_zeroes], "cache", "writeback", !config->writethrough,
        "direct", config->direct, "no-flush", false, "image", image(d), "write_threshold", 0);
    struct throttle_limits limits = virtio_blk_get_limits(d->dev);

    qmp_add_limits(object, &limits);
    return object;
}

static int query_block(struct qmp_call *call, struct error *err)
{
    const struct qmp_target *t = &call->server->target;

    call->result = json_array();
    for (unsigned i = 0; i < t->nr_disks; i++) {
        const struct disk *d = t->disks[i];
        struct virtio_blk_stats stats;

        virtio_blk_get_stats(d->dev, &stats);
        json_array_append_new(
            call->result, json_pack("{s:s,s:s,s:b,s:b,s:s,s:o}", "device", d->config->name, "type",
                                    "unknown", "removable", false, "locked", false, "io-status",
                                    stats.held ? "failed" : "ok", "inserted", inserted(d)));
    }
    return 0;
}

/* --- query-blockstats --- */

/*
 * Only the bounds around bins that count something: bin i counts the times from boundary i - 1 to
 * boundary i, the first one those below all boundaries, the last one those from the last boundary.
 */
static json_t *histogram(const struct blk_histogram *h)
{
    json_t *boundaries = json_array(), *bins = json_array();
    uint64_t end = 0; /* of the last bin */

    for (unsigned i = 0; i < BLK_HISTOGRAM_BUCKETS; i++) {
        uint64_t low = blk_histogram_bound(i);

        if (!h->n[i]) {
            continue;
        }
        if (low > end) {
            json_array_append_new(boundaries, json_integer((json_int_t)low));
            json_array_append_new(bins, json_integer(0));
        }
        end = blk_histogram_bound(i + 1);
        json_array_append_new(boundaries, json_integer((json_int_t)end));
        json_array_append_new(bins, json_integer((json_int_t)h->n[i]));
    }
    json_array_append_new(bins, json_integer(0));
    return json_pack("{s:o,s:o}", "boundaries", boundaries, "bins", bins);
}

static json_t *counters(const struct virtio_blk_stats *s)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "rd_operations",
        (json_int_t)s->reads, "rd_bytes", (json_int_t)s->read_bytes, "wr_operations",
        (json_int_t)s->writes, "wr_bytes", (json_int_t)s->write_bytes, "flush_operations",
        (json_int_t)s->flushes, "unmap_operations", (json_int_t)s->discards, "unmap_bytes",
        (json_int_t)s->discard_bytes, "x-pollux-write-zeroes", (json_int_t)s->write_zeroes,
        "x-pollux-errors", (json_int_t)s->errors, "x-pollux-kicks", (json_int_t)s->kicks,
        "x-pollux-interrupts", (json_int_t)s->interrupts, "x-pollux-merged", (json_int_t)s->merged,
        "x-pollux-in-flight", (json_int_t)s->in_flight, "x-pollux-held", (json_int_t)s->held);
}

static void add_latency(json_t *stats, const struct blk_latency *latency)
{
    static const struct {
        enum blk_latency_op op;
        const char *histogram, *total;
    } ops[] = {
        {BLK_LATENCY_READ, "rd_latency_histogram", "rd_total_time_ns"},
        {BLK_LATENCY_WRITE, "wr_latency_histogram", "wr_total_time_ns"},
        {BLK_LATENCY_FLUSH, "flush_latency_histogram", "flush_total_time_ns"},
        {BLK_LATENCY_RANGES, "x-pollux-ranges-latency-histogram", "unmap_total_time_ns"},
    };

    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        const struct blk_histogram *h = &latency->of[ops[i].op][BLK_SEEN_TO_USED];

        json_object_set_new(stats, ops[i].total, json_integer((json_int_t)h->sum_ns));
        if (h->timed) {
            json_object_set_new(stats, ops[i].histogram, histogram(h));
        }
    }
}

static uint64_t requests(const struct virtio_blk_stats *s)
{
    return s->reads + s->writes + s->flushes + s->discards + s->write_zeroes;
}

/* What each I/O thread that serves queues of the disk has done for the disk. */
static json_t *shares(const struct disk *d)
{
    const char *const *ids = d->config->iothreads;
    unsigned nr_threads = 0;
    json_t *list = json_array();

    while (nr_threads < VIRTIO_BLK_QUEUES_MAX && ids[nr_threads]) {
        nr_threads++;
    }
    for (unsigned i = 0; i < nr_threads && i < d->dev->nr_queues; i++) {
        struct virtio_blk_stats sum = {0}, queue;

        for (unsigned j = i; j < d->dev->nr_queues; j += nr_threads) {
            virtio_blk_get_queue_stats(d->dev, j, &queue);
            blk_stats_add(&sum, &queue);
        }
        json_array_append_new(list, json_pack("{s:s,s:I,s:I,s:I,s:I}", "id", ids[i], "operations",
                                              (json_int_t)requests(&sum), "bytes",
                                              (json_int_t)(sum.read_bytes + sum.write_bytes),
                                              "kicks", (json_int_t)sum.kicks, "interrupts",
                                              (json_int_t)sum.interrupts));
    }
    return list;
}

static int query_blockstats(struct qmp_call *call, struct error *err)
{
    const struct qmp_target *t = &call->server->target;
    struct blk_latency *latency = malloc(sizeof(*latency));

    if (!latency) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    call->result = json_array();
    for (unsigned i = 0; i < t->nr_disks; i++) {
        const struct disk *d = t->disks[i];
        struct virtio_blk_stats s;
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        json_t *stats;

        virtio_blk_get_stats(d->dev, &s);
        virtio_blk_get_latency(d->dev, latency);
        stats = counters(&s);
        add_latency(stats, latency);
        json_object_set_new(stats, "x-pollux-iothreads", shares(d));
        json_object_set_new(stats, "x-pollux-time-ns", json_integer((json_int_t)now));
        json_array_append_new(call->result,
                              json_pack("{s:s,s:s,s:o}", "device", d->config->name, "node-name",
                                        d->config->name, "stats", stats));
    }
    free(latency);
    return 0;
}

/* --- block_resize --- */

static int block_resize(struct qmp_call *call, struct error *err)
{
    const struct qmp_target *t = &call->server->target;
    json_int_t size = json_integer_value(json_object_get(call->args, "size"));
    int i = qmp_find_disk(call, "device", "node-name", err), ret;

    if (i < 0) {
        return i;
    }
    if (size < 0) {
        return error_set(err, -EINVAL, "Parameter 'size' expects a size that is not negative");
    }
    ret = image_resize(&t->disks[i]->image, (uint64_t)size, t->disks[i]->config->name, err);
    if (ret == 0) {
        ret = t->resized(t->opaque, (unsigned)i, err);
    }
    return ret < 0 ? ret : 0;
}

const struct qmp_command qmp_block_commands[] = {
    {.name = "query-block", .run = query_block},
    {.name = "query-blockstats", .run = query_blockstats},
    {.name = "block_resize",
     .args = {{.name = "device", .optional = true},
              {.name = "node-name", .optional = true},
              {.name = "size", .type = QMP_INTEGER}},
     .run = block_resize},
    {.name = NULL},
};

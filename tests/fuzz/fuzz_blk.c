// SPDX-License-Identifier: MIT
/*
 * The block device under a driver that breaks rules: see device.h for what is checked at every
 * step. At the end everything is settled, the device is reset, and must work.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/fuzz/device.h"

enum code {
    REQUEST,
    REQUEST_TOO,
    REQUEST_AND_KICK,
    KICK,
    STEP,
    STEP_POLLING,
    BREAK,
    HOLD,
    ANSWER,
    RESET,
    QUEUE_RESET,
    WATCH,
    CONFIG,
    NR_CODES,
};

static int kick_fds[DEVICE_QUEUES], call_fd;

static void config_changed(void *opaque)
{
}

static const struct virtio_transport_ops transport_ops = {.config_changed = config_changed};

static void kick(void *opaque, unsigned i)
{
    eventfd_write(kick_fds[i], 1);
}

static void ring_set_up(struct fuzz_device *f, unsigned i, const struct fuzz_op *op)
{
    struct virtio_queue *q = &f->dev->queues[i];

    device_ring(f, i, op);
    q->kick_fd = kick_fds[i];
    q->call_fd = call_fd;
    q->vq.size = f->drv[i].size;
    q->vq.desc_gpa = f->drv[i].desc;
    q->vq.avail_gpa = f->drv[i].avail;
    q->vq.used_gpa = f->drv[i].used;
}

/* @a: features that are not accepted. @b: sizes. @c, seldom: a ring in a wrong place. */
static void go_live(struct fuzz_device *f, const struct fuzz_op *op)
{
    uint64_t features = f->dev->device_features;
    uint8_t s = 0;

    features &= op->a & 1 ? UINT64_MAX : ~(1ull << VIRTIO_F_RING_PACKED);
    features &= op->a & 2 ? UINT64_MAX : ~(1ull << VIRTIO_RING_F_EVENT_IDX);
    features &= op->a & 4 ? ~(1ull << VIRTIO_RING_F_INDIRECT_DESC) : UINT64_MAX;
    virtio_set_status(f->dev, s);
    FUZZ_CHECK(virtio_status(f->dev) == 0, "a reset leaves 0x%x", virtio_status(f->dev));
    device_look(f); /* from here on it writes nothing */
    virtio_set_status(f->dev, s |= VIRTIO_CONFIG_S_ACKNOWLEDGE);
    virtio_set_status(f->dev, s |= VIRTIO_CONFIG_S_DRIVER);
    virtio_set_features(f->dev, 0, (uint32_t)features);
    virtio_set_features(f->dev, 1, (uint32_t)(features >> 32));
    virtio_set_status(f->dev, s |= VIRTIO_CONFIG_S_FEATURES_OK);
    FUZZ_CHECK(virtio_status(f->dev) == s, "features 0x%llx are refused",
               (unsigned long long)features);
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        ring_set_up(f, i, op);
        f->dev->queues[i].vq.desc_gpa += (op->c & 0xff) == 0x77 ? op->c >> 8 : 0;
        virtio_queue_set_ready(f->dev, i, true);
    }
    virtio_set_status(f->dev, s | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void reset_queue(struct fuzz_device *f, unsigned i, const struct fuzz_op *op)
{
    if (!(f->dev->driver_features & (1ull << VIRTIO_F_RING_RESET))) {
        return;
    }
    virtio_queue_reset(f->dev, i);
    FUZZ_CHECK(!f->dev->queues[i].vq.ready, "a queue that was reset is ready");
    device_look(f);
    if (op->a & 1) {
        ring_set_up(f, i, op);
        virtio_queue_set_ready(f->dev, i, true);
    }
}

static void config(struct fuzz_device *f, const struct fuzz_op *op)
{
    uint8_t data[64], expected[64];
    unsigned len = op->a % 9;

    memset(data, 0xa5, sizeof(data));
    memset(expected, 0xa5, sizeof(expected));
    virtio_config_read(f->dev, op->b, data, len);
    FUZZ_CHECK(!memcmp(data + len, expected, sizeof(data) - len), "read past the end");
    if (op->b >= f->dev->config_size) {
        memset(expected, 0xff, len);
        FUZZ_CHECK(!memcmp(data, expected, len), "what is not there reads as 0xff");
    }
    virtio_config_write(f->dev, op->b, &op->c, len < 4 ? len : 4);
}

static void step(struct fuzz_device *f, const struct fuzz_op *op)
{
    unsigned i = (op->c >> 31) % f->dev->nr_queues;

    switch (op->code % NR_CODES) {
    case REQUEST:
    case REQUEST_TOO:
        device_request(f, i, op);
        break;
    case REQUEST_AND_KICK:
        device_request(f, i, op);
        kick(NULL, i);
        break;
    case KICK:
        kick(NULL, i);
        break;
    case STEP:
        device_step(f, false);
        break;
    case STEP_POLLING:
        device_step(f, true);
        break;
    case BREAK:
        driver_break(&f->drv[i], op);
        break;
    case HOLD:
        f->hold = op->a & 1;
        break;
    case ANSWER:
        device_answer(f, op->a);
        break;
    case RESET:
        go_live(f, op);
        break;
    case QUEUE_RESET:
        reset_queue(f, i, op);
        break;
    case WATCH:
        virtio_blk_watch(f->dev);
        break;
    default:
        config(f, op);
        break;
    }
}

static void run(const uint8_t *data, size_t size)
{
    static const struct fuzz_op plain = {.a = 0};
    struct fuzz_op ops[FUZZ_OPS_MAX];
    unsigned n = fuzz_ops(data, size, ops);
    struct fuzz_device *f = device_init(n ? &ops[0] : &plain);
    struct virtio_blk_stats stats;

    if (!call_fd) {
        call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
            kick_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        }
    }
    f->dev->transport = &transport_ops;
    go_live(f, n > 1 ? &ops[1] : &plain);
    for (unsigned i = 2; i < n; i++) {
        step(f, &ops[i]);
    }
    device_settle(f);
    virtio_blk_get_stats(f->dev, &stats);
    FUZZ_CHECK(stats.in_flight == 0, "%u in flight", (unsigned)stats.in_flight);
    FUZZ_CHECK(!(virtio_status(f->dev) & VIRTIO_CONFIG_S_NEEDS_RESET) || stats.faults,
               "a fault that is not counted");
    go_live(f, &(struct fuzz_op){.a = n > 1 ? ops[1].a : 0});
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        device_works(f, i, kick, NULL);
    }
    device_end(f);
}

/* --- inputs --- */

#define LIFE(device, live)                                                                         \
    {.a = (device)}, {.a = (live)}, {REQUEST, 0, 1, 1}, {REQUEST, 0x21, 10, 2}, {KICK}, {STEP},    \
        {REQUEST_AND_KICK, 4, 0}, {STEP}, {HOLD, 1}, {REQUEST, 1, 0x41, 9}, {KICK}, {STEP},        \
        {ANSWER, 1}, {STEP}, {HOLD}, {REQUEST_AND_KICK, 0x1d, 2, 3}, {STEP_POLLING}, {WATCH},      \
        {CONFIG, 8, 20}, {REQUEST_AND_KICK, 0, 1, 0x80000001}, {STEP}, {BREAK, 1, 0, 4}, {KICK},   \
        {STEP}, {RESET, live}, {REQUEST_AND_KICK, 5, 1}, {STEP}, {QUEUE_RESET, 1},                 \
        {REQUEST_AND_KICK, 7, 1},                                                                  \
    {                                                                                              \
        STEP                                                                                       \
    }

static const struct fuzz_op seeds[][30] = {{LIFE(0, 0)}, {LIFE(7, 2)}, {LIFE(3, 1)}, {LIFE(15, 3)}};

const struct fuzz_target fuzz_target = {FUZZ_OPS(seeds, NR_CODES), .run = run};

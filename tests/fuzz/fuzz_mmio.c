// SPDX-License-Identifier: MIT
/*
 * The registers of virtio-mmio, with a block device behind them. Whatever is written in whatever
 * order, the status follows the rules, a queue's set-up holds while it is ready, and a driver that
 * begins anew by the book gets a device that works.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kvm/virtio-mmio.h"
#include "kvm/vm-events.h"
#include "tests/fuzz/device.h"

enum code {
    WRITE,
    WRITE_TOO,
    READ,
    ODD_ACCESS,
    NEGOTIATE,
    SET_UP,
    GO,
    REQUEST,
    KICK,
    STEP,
    STEP_POLLING,
    BREAK,
    HOLD,
    ANSWER,
    NR_CODES,
};

#define QUEUE_RESET 0x0c0

static const uint16_t registers[] = {
    VIRTIO_MMIO_STATUS,          VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_STATUS,          VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_NUM,       VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_READY,     VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
    VIRTIO_MMIO_QUEUE_USED_LOW,  VIRTIO_MMIO_QUEUE_USED_HIGH,
    VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_INTERRUPT_ACK,   VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_QUEUE_NOTIFY,    QUEUE_RESET,
};

static struct virtio_mmio mmio;
static struct fuzz_device *f;

/* --- KVM, that is not there --- */

static const struct vm no_vm = {.kvm_fd = -1, .fd = -1};

int vm_irqfd(const struct vm *vm, int fd, unsigned gsi)
{
    return 0;
}

int vm_ioeventfd(const struct vm *vm, int fd, uint64_t gpa, uint32_t value)
{
    return 0;
}

int vm_doorbell(const struct vm *vm, int fd, uint64_t gpa)
{
    return 0;
}

/* --- accesses --- */

static uint32_t get(unsigned offset)
{
    uint32_t value;

    virtio_mmio_access(&mmio, offset, &value, sizeof(value), false);
    return value;
}

/* What a write may not change, and what may not come of it. */
static void put(unsigned offset, uint32_t value)
{
    uint8_t before = virtio_status(f->dev), after;
    struct virtqueue *vq = &f->dev->queues[mmio.common.queue_sel % f->dev->nr_queues].vq;
    uint64_t desc = vq->desc_gpa, avail = vq->avail_gpa, used = vq->used_gpa;
    uint16_t size = vq->size;
    bool ready = vq->ready;

    virtio_mmio_access(&mmio, offset, &value, sizeof(value), true);
    device_look(f);
    after = virtio_status(f->dev);
    if (offset == VIRTIO_MMIO_STATUS && (uint8_t)value == 0) {
        FUZZ_CHECK(after == 0 && get(VIRTIO_MMIO_INTERRUPT_STATUS) == 0, "a reset leaves 0x%x",
                   after);
        for (unsigned i = 0; i < f->dev->nr_queues; i++) {
            FUZZ_CHECK(!f->dev->queues[i].vq.ready, "a reset leaves queue %u ready", i);
        }
        return;
    }
    FUZZ_CHECK((after & before) == before, "status 0x%x became 0x%x", before, after);
    FUZZ_CHECK(!(after & VIRTIO_CONFIG_S_DRIVER_OK) || (after & VIRTIO_CONFIG_S_FEATURES_OK),
               "live without features");
    if (after & VIRTIO_CONFIG_S_FEATURES_OK) {
        uint64_t features = f->dev->driver_features;

        FUZZ_CHECK(!(features & ~f->dev->device_features) &&
                       (features & (1ull << VIRTIO_F_VERSION_1)),
                   "features 0x%llx are accepted", (unsigned long long)features);
    }
    FUZZ_CHECK(!ready || !vq->ready ||
                   (vq->size == size && vq->desc_gpa == desc && vq->avail_gpa == avail &&
                    vq->used_gpa == used),
               "the set-up of a ready queue changed");
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        FUZZ_CHECK(f->dev->queues[i].vq.size <= f->dev->queues[i].size_max, "queue %u has size %u",
                   i, f->dev->queues[i].vq.size);
    }
}

static void check_fixed(void)
{
    FUZZ_CHECK(get(VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976 && get(VIRTIO_MMIO_VERSION) == 2 &&
                   get(VIRTIO_MMIO_DEVICE_ID) == 2,
               "this is no virtio block device any more");
    FUZZ_CHECK(get(VIRTIO_MMIO_STATUS) == virtio_status(f->dev), "two statuses");
}

static void odd_access(const struct fuzz_op *op)
{
    uint8_t data[16], size = 1u << (op->a & 3);
    bool write = op->a & 4;

    memset(data, 0xa5, sizeof(data));
    virtio_mmio_access(&mmio, op->b % 4096, data, size, write);
    for (unsigned i = write ? 0 : size; i < sizeof(data); i++) {
        FUZZ_CHECK(data[i] == 0xa5, "%u bytes at 0x%x: byte %u was touched", size, op->b % 4096, i);
    }
    device_look(f);
}

/* --- by the book --- */

/* @a: features that are not accepted, as in fuzz_blk.c */
static void negotiate(const struct fuzz_op *op)
{
    uint64_t features = f->dev->device_features;
    uint8_t s = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

    features &= op->a & 1 ? UINT64_MAX : ~(1ull << VIRTIO_F_RING_PACKED);
    features &= op->a & 2 ? UINT64_MAX : ~(1ull << VIRTIO_RING_F_EVENT_IDX);
    put(VIRTIO_MMIO_STATUS, 0);
    put(VIRTIO_MMIO_STATUS, s);
    for (unsigned half = 0; half < 2; half++) {
        put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
        put(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * half)));
    }
    put(VIRTIO_MMIO_STATUS, s | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void set_up(unsigned i, const struct fuzz_op *op)
{
    const struct fuzz_driver *d = &f->drv[i];

    device_ring(f, i, op);
    put(VIRTIO_MMIO_QUEUE_SEL, i);
    put(VIRTIO_MMIO_QUEUE_NUM, d->size);
    put(VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)d->desc);
    put(VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(d->desc >> 32));
    put(VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)d->avail);
    put(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(d->avail >> 32));
    put(VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)d->used);
    put(VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(d->used >> 32));
    put(VIRTIO_MMIO_QUEUE_READY, 1);
}

static void go(void)
{
    put(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void kick(void *opaque, unsigned i)
{
    eventfd_write(f->dev->queues[i].kick_fd, 1);
}

static uint32_t value_of(const struct fuzz_op *op)
{
    static const uint32_t values[] = {
        0, 1, 3, 7, 11, 15, 64, 65, 4, 2, 0x10000, 0x11000, 0xffff, 0x40, 0x80, UINT32_MAX,
    };

    return op->c < 64 ? values[op->c % 16] : op->c;
}

static void step(const struct fuzz_op *op)
{
    unsigned i = (op->c >> 31) % f->dev->nr_queues;

    switch (op->code % NR_CODES) {
    case WRITE:
    case WRITE_TOO:
        put(registers[op->a % (sizeof(registers) / sizeof(registers[0]))], value_of(op));
        break;
    case READ:
        get(op->b % 0x200 * 4);
        break;
    case ODD_ACCESS:
        odd_access(op);
        break;
    case NEGOTIATE:
        negotiate(op);
        break;
    case SET_UP:
        set_up(i, op);
        break;
    case GO:
        go();
        break;
    case REQUEST:
        if (f->drv[i].g) {
            device_request(f, i, op);
        }
        break;
    case KICK:
        kick(NULL, i);
        break;
    case STEP:
    case STEP_POLLING:
        device_step(f, op->code % NR_CODES == STEP_POLLING);
        break;
    case BREAK:
        if (f->drv[i].g) {
            driver_break(&f->drv[i], op);
        }
        break;
    case HOLD:
        f->hold = op->a & 1;
        break;
    default:
        device_answer(f, op->a);
        break;
    }
}

static void run(const uint8_t *data, size_t size)
{
    static const struct fuzz_op plain = {.a = 0};
    struct fuzz_op ops[FUZZ_OPS_MAX];
    unsigned n = fuzz_ops(data, size, ops);
    struct error err = {""};

    f = device_init(n ? &ops[0] : &plain);
    f->drv[0].g = f->drv[1].g = NULL;
    FUZZ_CHECK(virtio_mmio_init(&mmio, &no_vm, f->dev, 0xd0000000, 5, &err) == 0, "%s", err.msg);
    for (unsigned i = 1; i < n; i++) {
        step(&ops[i]);
        check_fixed();
    }
    device_settle(f);
    negotiate(n ? &ops[0] : &plain);
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        set_up(i, &plain);
    }
    go();
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        device_works(f, i, kick, NULL);
    }
    virtio_transport_stop(&mmio.common);
    virtio_mmio_destroy(&mmio);
    device_end(f);
}

/* --- inputs --- */

#define LIFE(device, features)                                                                     \
    {.a = (device)}, {NEGOTIATE, features}, {SET_UP, 0, 0}, {SET_UP, 0, 1, 0x80000000}, {GO},      \
        {REQUEST, 0, 1, 1}, {KICK}, {STEP}, {REQUEST, 0x21, 10, 2}, {KICK}, {STEP_POLLING},        \
        {READ, 0, 24}, {READ, 0, 64}, {ODD_ACCESS, 0, 0x104}, {WRITE, 3, 0, 1}, {WRITE, 5, 0, 0},  \
        {WRITE, 17, 0, 1}, {SET_UP, 0, 2}, {WRITE, 0, 0, 0}, {WRITE, 12, 0, 5}, {WRITE, 0, 0, 5},  \
    {                                                                                              \
        WRITE, 4, 0, 6                                                                             \
    }

static const struct fuzz_op seeds[][22] = {{LIFE(0, 0)}, {LIFE(7, 3)}, {LIFE(1, 2)}};

const struct fuzz_target fuzz_target = {FUZZ_OPS(seeds, NR_CODES), .run = run};

// SPDX-License-Identifier: MIT
/* Registers of the transport. Section numbers are those of virtio 1.3. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "kvm/virtio-mmio.h"
#include "kvm/vm-events.h"

#define MAGIC       0x74726976 /* "virt" */
#define VERSION     2
#define VENDOR      0x584c4c50 /* "PLLX" */
#define NO_REGISTER 0xffffffffu
#define QUEUE_RESET 0x0c0 /* missing in the header of Linux */

static void config_changed(void *opaque)
{
    struct virtio_mmio *t = opaque;

    eventfd_write(t->irqfd, 1);
}

static const struct virtio_transport_ops transport_ops = {.config_changed = config_changed};

static uint32_t read_register(struct virtio_mmio *t, unsigned offset)
{
    struct virtio_device *dev = t->common.dev;
    struct virtio_queue *q = virtio_transport_queue(&t->common);

    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return MAGIC;
    case VIRTIO_MMIO_VERSION:
        return VERSION;
    case VIRTIO_MMIO_DEVICE_ID:
        return dev->device_id;
    case VIRTIO_MMIO_VENDOR_ID:
        return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return virtio_transport_features(dev->device_features, t->common.device_features_sel);
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return q ? q->size_max : 0;
    case VIRTIO_MMIO_QUEUE_READY:
        return q && q->vq.ready;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        return load_acquire(&dev->isr);
    case VIRTIO_MMIO_STATUS:
        return virtio_status(dev);
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        return NO_REGISTER; /* 4.2.2: no such shared memory region */
    case VIRTIO_MMIO_CONFIG_GENERATION:
        return load_acquire(&dev->config_generation);
    default:
        return 0; /* write-only or not a register */
    }
}

/*
 * Set-up of the selected queue. Size and addresses can change only while the queue is not ready
 * (4.2.2.2). QUEUE_RESET completes within the write, so the register always reads as 0.
 */
static void write_queue_register(struct virtio_mmio *t, unsigned offset, uint32_t value)
{
    struct virtio_queue *q = virtio_transport_queue(&t->common);

    if (!q) {
        return;
    }
    if (offset == VIRTIO_MMIO_QUEUE_READY) {
        virtio_queue_set_ready(t->common.dev, t->common.queue_sel, value & 1);
        return;
    }
    if (offset == QUEUE_RESET) {
        if (value == 1) {
            virtio_queue_reset(t->common.dev, t->common.queue_sel);
        }
        return;
    }
    if (q->vq.ready) {
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        if (value > 0 && value <= q->size_max) {
            q->vq.size = (uint16_t)value;
        }
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
        virtio_transport_set_half(&q->vq.desc_gpa, 0, value);
        break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        virtio_transport_set_half(&q->vq.desc_gpa, 1, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
        virtio_transport_set_half(&q->vq.avail_gpa, 0, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        virtio_transport_set_half(&q->vq.avail_gpa, 1, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
        virtio_transport_set_half(&q->vq.used_gpa, 0, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        virtio_transport_set_half(&q->vq.used_gpa, 1, value);
        break;
    default:
        break;
    }
}

static void write_register(struct virtio_mmio *t, unsigned offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        t->common.device_features_sel = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        virtio_set_features(t->common.dev, t->common.driver_features_sel, value);
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        t->common.driver_features_sel = value;
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        t->common.queue_sel = value;
        break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
        virtio_isr_ack(t->common.dev, value);
        break;
    case VIRTIO_MMIO_STATUS:
        virtio_set_status(t->common.dev, (uint8_t)value);
        break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        break; /* KVM handles the write for existing queues */
    default:
        write_queue_register(t, offset, value);
        break;
    }
}

static void access_register(struct virtio_mmio *t, unsigned offset, void *data, unsigned size,
                            bool write)
{
    uint32_t value = NO_REGISTER;

    if (size != sizeof(value) || offset % sizeof(value)) {
        if (!write) {
            memset(data, 0xff, size);
        }
        return;
    }
    if (write) {
        memcpy(&value, data, sizeof(value));
        write_register(t, offset, value);
    } else {
        value = read_register(t, offset);
        memcpy(data, &value, sizeof(value));
    }
}

void virtio_mmio_access(struct virtio_mmio *t, unsigned offset, void *data, unsigned size,
                        bool write)
{
    pthread_mutex_lock(&t->common.lock);
    if (offset < VIRTIO_MMIO_CONFIG) {
        access_register(t, offset, data, size, write);
    } else if (write) {
        virtio_config_write(t->common.dev, offset - VIRTIO_MMIO_CONFIG, data, size);
    } else {
        virtio_config_read(t->common.dev, offset - VIRTIO_MMIO_CONFIG, data, size);
    }
    pthread_mutex_unlock(&t->common.lock);
}

/* All queues have one notification register. With a single queue any value is its kick: a doorbell,
 * which KVM matches without decoding the instruction. */
static int connect_queues(struct virtio_mmio *t, const struct vm *vm)
{
    uint64_t notify = t->base + VIRTIO_MMIO_QUEUE_NOTIFY;
    unsigned nr = t->common.dev->nr_queues;
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < nr; i++) {
        struct virtio_queue *q = &t->common.dev->queues[i];

        q->call_fd = t->irqfd;
        ret =
            nr == 1 ? vm_doorbell(vm, q->kick_fd, notify) : vm_ioeventfd(vm, q->kick_fd, notify, i);
    }
    return ret;
}

int virtio_mmio_init(struct virtio_mmio *t, const struct vm *vm, struct virtio_device *dev,
                     uint64_t base, unsigned gsi, struct error *err)
{
    int ret;

    *t = (struct virtio_mmio){.base = base, .irqfd = -1};
    ret = virtio_transport_init(&t->common, dev, &transport_ops, t);
    if (ret == 0) {
        t->irqfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        ret = t->irqfd < 0 ? -errno : vm_irqfd(vm, t->irqfd, gsi);
    }
    if (ret == 0) {
        ret = connect_queues(t, vm);
    }
    if (ret < 0) {
        virtio_mmio_destroy(t);
        return error_set(err, ret, "/dev/kvm: eventfds: %s", strerror(-ret));
    }
    return 0;
}

void virtio_mmio_destroy(struct virtio_mmio *t)
{
    if (!t->common.dev) {
        return;
    }
    virtio_transport_destroy(&t->common);
    if (t->irqfd >= 0) {
        close(t->irqfd);
    }
}

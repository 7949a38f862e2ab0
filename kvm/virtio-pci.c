// SPDX-License-Identifier: MIT
/* Section numbers are those of virtio 1.3. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/barrier.h"
#include "kvm/virtio-pci.h"

#define VENDOR       0x1af4
#define DEVICE(type) (0x1040 + (type)) /* 4.1.2 */
#define SUBSYSTEM    0x0040            /* at least 0x40: no transitional device (4.1.2.1) */
#define CLASS        0x018000          /* other mass storage */
#define REVISION     1

/* Of the common configuration; the headers of Linux before 6.8 lack the last. */
#define QUEUE_RESET 0x3a

#define REGION_SIZE 0x1000u

/* --- interrupts --- */

static void config_changed(void *opaque)
{
    struct virtio_pci *t = opaque;
    int fd = msix_eventfd(&t->msix, load_relaxed(&t->config_vector));

    if (fd >= 0) {
        eventfd_write(fd, 1);
    }
}

static const struct virtio_transport_ops transport_ops = {.config_changed = config_changed};

/* A vector that is not there becomes none, which the driver reads back (4.1.5.1.2). */
static uint16_t valid_vector(const struct virtio_pci *t, uint16_t vector)
{
    return vector < t->msix.nr ? vector : VIRTIO_PCI_NO_VECTOR;
}

static void set_queue_vector(struct virtio_pci *t, unsigned i, uint16_t vector)
{
    t->queues[i].vector = valid_vector(t, vector);
    t->common.dev->queues[i].call_fd = msix_eventfd(&t->msix, t->queues[i].vector);
}

static void forget_vectors(struct virtio_pci *t)
{
    store_relaxed(&t->config_vector, VIRTIO_PCI_NO_VECTOR);
    for (unsigned i = 0; i < t->common.dev->nr_queues; i++) {
        set_queue_vector(t, i, VIRTIO_PCI_NO_VECTOR);
    }
    msix_clear_pending(&t->msix);
}

/* --- common configuration (4.1.4.3) --- */

/* Width of the register at @offset, in bytes; 0: no register begins there. A 64-bit address is two
 * registers of 32 bits (4.1.3.1). */
static unsigned register_width(unsigned offset)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
    case VIRTIO_PCI_COMMON_DF:
    case VIRTIO_PCI_COMMON_GFSELECT:
    case VIRTIO_PCI_COMMON_GF:
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI:
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return 4;
    case VIRTIO_PCI_COMMON_MSIX:
    case VIRTIO_PCI_COMMON_NUMQ:
    case VIRTIO_PCI_COMMON_Q_SELECT:
    case VIRTIO_PCI_COMMON_Q_SIZE:
    case VIRTIO_PCI_COMMON_Q_MSIX:
    case VIRTIO_PCI_COMMON_Q_ENABLE:
    case VIRTIO_PCI_COMMON_Q_NOFF:
    case QUEUE_RESET:
        return 2;
    case VIRTIO_PCI_COMMON_STATUS:
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return 1;
    default:
        return 0;
    }
}

/* A queue that the device does not have reads as zeroes: its size says so (4.1.4.3.1). */
static uint32_t read_queue_register(struct virtio_pci *t, unsigned offset)
{
    const struct virtio_queue *q = virtio_transport_queue(&t->common);

    if (!q) {
        return 0;
    }
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return q->vq.size;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        return t->queues[t->common.queue_sel].vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        return q->vq.ready;
    case VIRTIO_PCI_COMMON_Q_NOFF:
        return t->common.queue_sel;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
        return (uint32_t)q->vq.desc_gpa;
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        return (uint32_t)(q->vq.desc_gpa >> 32);
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
        return (uint32_t)q->vq.avail_gpa;
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        return (uint32_t)(q->vq.avail_gpa >> 32);
    case VIRTIO_PCI_COMMON_Q_USEDLO:
        return (uint32_t)q->vq.used_gpa;
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return (uint32_t)(q->vq.used_gpa >> 32);
    default:
        return 0; /* QUEUE_RESET: a reset completes within the write */
    }
}

static uint32_t read_register(struct virtio_pci *t, unsigned offset)
{
    struct virtio_device *dev = t->common.dev;

    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        return t->common.device_features_sel;
    case VIRTIO_PCI_COMMON_DF:
        return virtio_transport_features(dev->device_features, t->common.device_features_sel);
    case VIRTIO_PCI_COMMON_GFSELECT:
        return t->common.driver_features_sel;
    case VIRTIO_PCI_COMMON_GF:
        return virtio_transport_features(dev->driver_features, t->common.driver_features_sel);
    case VIRTIO_PCI_COMMON_MSIX:
        return load_relaxed(&t->config_vector);
    case VIRTIO_PCI_COMMON_NUMQ:
        return dev->nr_queues;
    case VIRTIO_PCI_COMMON_STATUS:
        return virtio_status(dev);
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return load_acquire(&dev->config_generation);
    case VIRTIO_PCI_COMMON_Q_SELECT:
        return t->common.queue_sel;
    default:
        return read_queue_register(t, offset);
    }
}

/*
 * Size and addresses change between FEATURES_OK and DRIVER_OK, while the queue is not enabled
 * (3.1.1, 4.1.4.3.2); later only if the queue can be reset and set up anew (2.6.1).
 */
static bool can_set_up(const struct virtio_pci *t, const struct virtio_queue *q)
{
    const struct virtio_device *dev = t->common.dev;
    uint8_t status = virtio_status(dev);
    bool can_reset = dev->driver_features & (1ull << VIRTIO_F_RING_RESET);

    return !q->vq.ready && (status & VIRTIO_CONFIG_S_FEATURES_OK) &&
           (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || can_reset);
}

static void set_up_queue(struct virtio_pci *t, struct virtio_queue *q, unsigned offset,
                         uint32_t value)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        if (value > 0 && value <= q->size_max) {
            q->vq.size = (uint16_t)value;
        }
        break;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        if (value == 1) { /* 0 is none of the driver's values (4.1.4.3.2) */
            virtio_queue_set_ready(t->common.dev, t->common.queue_sel, true);
        }
        break;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        virtio_transport_set_half(&q->vq.desc_gpa, offset / 4 % 2, value);
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        virtio_transport_set_half(&q->vq.avail_gpa, offset / 4 % 2, value);
        break;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        virtio_transport_set_half(&q->vq.used_gpa, offset / 4 % 2, value);
        break;
    default:
        break;
    }
}

static void write_queue_register(struct virtio_pci *t, unsigned offset, uint32_t value)
{
    struct virtio_device *dev = t->common.dev;
    struct virtio_queue *q = virtio_transport_queue(&t->common);

    if (!q) {
        return;
    }
    if (offset == VIRTIO_PCI_COMMON_Q_MSIX) {
        if (!(dev->started && q->vq.ready)) { /* else an I/O thread reads call_fd */
            set_queue_vector(t, t->common.queue_sel, (uint16_t)value);
        }
    } else if (offset == QUEUE_RESET) {
        if (value == 1 && (dev->driver_features & (1ull << VIRTIO_F_RING_RESET))) {
            virtio_queue_reset(dev, t->common.queue_sel);
            set_queue_vector(t, t->common.queue_sel, VIRTIO_PCI_NO_VECTOR);
        }
    } else if (can_set_up(t, q)) {
        set_up_queue(t, q, offset, value);
    }
}

static void write_status(struct virtio_pci *t, uint8_t status)
{
    virtio_set_status(t->common.dev, status);
    if (status == 0) {
        forget_vectors(t);
    }
}

static void write_register(struct virtio_pci *t, unsigned offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        t->common.device_features_sel = value;
        break;
    case VIRTIO_PCI_COMMON_GFSELECT:
        t->common.driver_features_sel = value;
        break;
    case VIRTIO_PCI_COMMON_GF:
        virtio_set_features(t->common.dev, t->common.driver_features_sel, value);
        break;
    case VIRTIO_PCI_COMMON_MSIX:
        store_relaxed(&t->config_vector, valid_vector(t, (uint16_t)value));
        break;
    case VIRTIO_PCI_COMMON_STATUS:
        write_status(t, (uint8_t)value);
        break;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        t->common.queue_sel = value;
        break;
    default:
        write_queue_register(t, offset, value);
        break;
    }
}

/* Registers are accessed with their own width only (4.1.3.1). */
static void access_common(struct virtio_pci *t, unsigned offset, void *data, unsigned size,
                          bool write)
{
    uint32_t value = 0;

    if (size != register_width(offset)) {
        if (!write) {
            memset(data, 0xff, size);
        }
    } else if (write) {
        memcpy(&value, data, size);
        write_register(t, offset, value);
    } else {
        value = read_register(t, offset);
        memcpy(data, &value, size);
    }
}

/* --- the BAR --- */

/* A read of the ISR status clears it (4.1.4.5). */
static void read_isr(struct virtio_pci *t, unsigned offset, void *data, unsigned size)
{
    memset(data, 0xff, size);
    if (offset == 0 && size == 1) {
        *(uint8_t *)data = (uint8_t)virtio_isr_take(t->common.dev);
    }
}

/* Reached where KVM has no doorbell: the window of 4.1.4.9, and a BAR that overlaps another. */
static void kick(struct virtio_pci *t, unsigned offset)
{
    unsigned i = offset / VIRTIO_PCI_DOORBELL_SIZE;

    if (offset % VIRTIO_PCI_DOORBELL_SIZE == 0 && i < t->common.dev->nr_queues) {
        eventfd_write(t->common.dev->queues[i].kick_fd, 1);
    }
}

/* Under the lock. Each region checks @offset and @size against what it has at its begin. */
static void access_bar(struct virtio_pci *t, unsigned at, void *data, unsigned size, bool write)
{
    unsigned offset = at % REGION_SIZE;

    switch (at - offset) {
    case VIRTIO_PCI_AT_COMMON:
        access_common(t, offset, data, size, write);
        return;
    case VIRTIO_PCI_AT_DEVICE:
        if (write) {
            virtio_config_write(t->common.dev, offset, data, size);
        } else {
            virtio_config_read(t->common.dev, offset, data, size);
        }
        return;
    case VIRTIO_PCI_AT_MSIX_TABLE:
        msix_table_access(&t->msix, offset, data, size, write);
        return;
    default:
        break;
    }
    if (write) {
        if (at - offset == VIRTIO_PCI_AT_NOTIFY) {
            kick(t, offset);
        }
        return;
    }
    memset(data, 0xff, size);
    if (at - offset == VIRTIO_PCI_AT_ISR) {
        read_isr(t, offset, data, size);
    } else if (at - offset == VIRTIO_PCI_AT_MSIX_PBA) {
        msix_pending_read(&t->msix, offset, data, size);
    }
}

static bool on_memory(void *opaque, uint64_t gpa, void *data, unsigned size, bool write)
{
    struct virtio_pci *t = opaque;
    uint64_t base = load_acquire(&t->base);

    if (base == PCI_BAR_NONE || gpa - base >= VIRTIO_PCI_BAR_SIZE) {
        return false;
    }
    pthread_mutex_lock(&t->common.lock);
    access_bar(t, (unsigned)(gpa - base), data, size, write);
    pthread_mutex_unlock(&t->common.lock);
    return true;
}

/* Moves the doorbells with the BAR. Where KVM refuses one, the guest's write exits to kick(). */
static void move_bar(struct virtio_pci *t)
{
    uint64_t old = load_relaxed(&t->base), base = pci_config_bar(&t->config);

    if (old == base) {
        return;
    }
    store_release(&t->base, base); /* pairs with on_memory() */
    for (unsigned i = 0; i < t->common.dev->nr_queues; i++) {
        uint64_t offset = VIRTIO_PCI_AT_NOTIFY + (uint64_t)i * VIRTIO_PCI_DOORBELL_SIZE;
        int fd = t->common.dev->queues[i].kick_fd;

        if (t->queues[i].doorbell) {
            vm_doorbell_remove(t->vm, fd, old + offset);
        }
        t->queues[i].doorbell = base != PCI_BAR_NONE && vm_doorbell(t->vm, fd, base + offset) == 0;
    }
}

/* --- configuration space --- */

static bool touches(unsigned offset, unsigned size, unsigned field, unsigned len)
{
    return offset < field + len && field < offset + size;
}

/* The window: its last four bytes stand for up to four bytes of the BAR (4.1.4.9). */
static void access_window(struct virtio_pci *t, bool write)
{
    unsigned cap = t->window_cap;
    uint32_t bar = pci_config_get(&t->config, cap + offsetof(struct virtio_pci_cap, bar), 1);
    uint32_t at = pci_config_get(&t->config, cap + offsetof(struct virtio_pci_cap, offset), 4);
    uint32_t len = pci_config_get(&t->config, cap + offsetof(struct virtio_pci_cap, length), 4);

    if (bar == 0 && (len == 1 || len == 2 || len == 4) && at % len == 0 &&
        at < VIRTIO_PCI_BAR_SIZE) {
        access_bar(t, at, t->config.bytes + cap + sizeof(struct virtio_pci_cap), len, write);
    }
}

static void config_written(struct virtio_pci *t, unsigned offset, unsigned size)
{
    if (touches(offset, size, PCI_COMMAND, 1) || touches(offset, size, PCI_BASE_ADDRESS_0, 8)) {
        move_bar(t);
    }
    if (touches(offset, size, t->msix_cap + PCI_MSIX_FLAGS, 2)) {
        msix_set_control(&t->msix,
                         (uint16_t)pci_config_get(&t->config, t->msix_cap + PCI_MSIX_FLAGS, 2));
    }
}

static void on_config(void *opaque, unsigned offset, void *data, unsigned size, bool write)
{
    struct virtio_pci *t = opaque;
    bool window;

    pthread_mutex_lock(&t->common.lock);
    window = touches(offset, size, t->window_cap + sizeof(struct virtio_pci_cap), 4);
    if (window && !write) {
        access_window(t, false);
    }
    if (write) {
        pci_config_write(&t->config, offset, data, size);
        config_written(t, offset, size);
    } else {
        pci_config_read(&t->config, offset, data, size);
    }
    if (window && write) {
        access_window(t, true);
    }
    pthread_mutex_unlock(&t->common.lock);
}

const struct pci_function_ops virtio_pci_ops = {.config = on_config, .memory = on_memory};

/* @len: of the capability. Return: its offset. */
static unsigned add_virtio_cap(struct pci_config *c, unsigned len, uint8_t type, uint32_t offset,
                               uint32_t length)
{
    unsigned at = pci_config_add_capability(c, PCI_CAP_ID_VNDR, len);

    pci_config_set(c, at + offsetof(struct virtio_pci_cap, cap_len), 1, len, 0);
    pci_config_set(c, at + offsetof(struct virtio_pci_cap, cfg_type), 1, type, 0);
    pci_config_set(c, at + offsetof(struct virtio_pci_cap, offset), 4, offset, 0);
    pci_config_set(c, at + offsetof(struct virtio_pci_cap, length), 4, length, 0);
    return at;
}

static void add_window(struct virtio_pci *t)
{
    struct pci_config *c = &t->config;
    unsigned at =
        add_virtio_cap(c, sizeof(struct virtio_pci_cfg_cap), VIRTIO_PCI_CAP_PCI_CFG, 0, 0);

    pci_config_set(c, at + offsetof(struct virtio_pci_cap, bar), 1, 0, UINT8_MAX);
    pci_config_set(c, at + offsetof(struct virtio_pci_cap, offset), 4, 0, UINT32_MAX);
    pci_config_set(c, at + offsetof(struct virtio_pci_cap, length), 4, 0, UINT32_MAX);
    pci_config_set(c, at + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data), 4, 0, UINT32_MAX);
    t->window_cap = at;
}

static void add_msix(struct virtio_pci *t)
{
    struct pci_config *c = &t->config;
    unsigned at = pci_config_add_capability(c, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

    pci_config_set(c, at + PCI_MSIX_FLAGS, 2, t->msix.nr - 1,
                   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    pci_config_set(c, at + PCI_MSIX_TABLE, 4, VIRTIO_PCI_AT_MSIX_TABLE, 0); /* of BAR 0 */
    pci_config_set(c, at + PCI_MSIX_PBA, 4, VIRTIO_PCI_AT_MSIX_PBA, 0);
    t->msix_cap = at;
}

static void make_config(struct virtio_pci *t, uint64_t bar)
{
    const struct virtio_device *dev = t->common.dev;
    struct pci_config *c = &t->config;
    unsigned at;

    pci_config_init(c, VENDOR, (uint16_t)DEVICE(dev->device_id), CLASS, REVISION);
    pci_config_set(c, PCI_SUBSYSTEM_VENDOR_ID, 2, VENDOR, 0);
    pci_config_set(c, PCI_SUBSYSTEM_ID, 2, SUBSYSTEM, 0);
    pci_config_set(c, PCI_INTERRUPT_LINE, 1, 0, UINT8_MAX);
    pci_config_set_bar(c, bar, VIRTIO_PCI_BAR_SIZE);
    add_msix(t);
    add_virtio_cap(c, sizeof(struct virtio_pci_cap), VIRTIO_PCI_CAP_COMMON_CFG,
                   VIRTIO_PCI_AT_COMMON, QUEUE_RESET + 2);
    at = add_virtio_cap(c, sizeof(struct virtio_pci_notify_cap), VIRTIO_PCI_CAP_NOTIFY_CFG,
                        VIRTIO_PCI_AT_NOTIFY, dev->nr_queues * VIRTIO_PCI_DOORBELL_SIZE);
    pci_config_set(c, at + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier), 4,
                   VIRTIO_PCI_DOORBELL_SIZE, 0);
    add_virtio_cap(c, sizeof(struct virtio_pci_cap), VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_AT_ISR, 1);
    add_virtio_cap(c, sizeof(struct virtio_pci_cap), VIRTIO_PCI_CAP_DEVICE_CFG,
                   VIRTIO_PCI_AT_DEVICE, dev->config_size);
    add_window(t);
}

int virtio_pci_init(struct virtio_pci *t, const struct vm *vm, struct msi_routes *routes,
                    struct virtio_device *dev, uint64_t bar, struct error *err)
{
    int ret;

    *t = (struct virtio_pci){.vm = vm, .base = PCI_BAR_NONE};
    ret = virtio_transport_init(&t->common, dev, &transport_ops, t);
    if (ret == 0) {
        ret = msix_init(&t->msix, vm, routes, dev->nr_queues + 1);
    }
    if (ret == 0) {
        t->queues = calloc(dev->nr_queues, sizeof(t->queues[0]));
        ret = t->queues ? 0 : -ENOMEM;
    }
    if (ret < 0) {
        virtio_pci_destroy(t);
        return error_set(err, ret, "virtio-pci: eventfds and memory: %s", strerror(-ret));
    }
    forget_vectors(t);
    make_config(t, bar);
    return 0;
}

void virtio_pci_destroy(struct virtio_pci *t)
{
    if (t->common.dev) {
        virtio_transport_destroy(&t->common);
        msix_destroy(&t->msix);
        free(t->queues);
        t->queues = NULL;
    }
}

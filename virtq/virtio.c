// SPDX-License-Identifier: MIT
/*
 * Common to all virtio devices: status, features, interrupt status, configuration space (virtio
 * 1.3, sections 2.1 to 2.5 and 3.1).
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "virtq/virtio.h"

/* InterruptStatus, 4.2.2 */
#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

static bool has_feature(const struct virtio_device *dev, unsigned bit)
{
    return dev->driver_features & (1ull << bit);
}

void virtio_set_features(struct virtio_device *dev, unsigned half, uint32_t value)
{
    unsigned shift = half * 32;

    if (half > 1 || (virtio_status(dev) & VIRTIO_CONFIG_S_FEATURES_OK)) {
        return;
    }
    dev->driver_features &= ~(0xffffffffull << shift);
    dev->driver_features |= (uint64_t)value << shift;
}

uint8_t virtio_status(const struct virtio_device *dev)
{
    return load_relaxed(&dev->status);
}

static void reset_queue(struct virtio_queue *q)
{
    virtq_stop(&q->vq);
    q->vq.size = q->size_max;
    q->vq.desc_gpa = q->vq.avail_gpa = q->vq.used_gpa = 0;
}

static void reset(struct virtio_device *dev)
{
    if (dev->started) {
        dev->ops->stop(dev);
        dev->started = false;
    }
    if (dev->ops->reset) {
        dev->ops->reset(dev);
    }
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        struct virtqueue *vq = &dev->queues[i].vq;

        reset_queue(&dev->queues[i]);
        vq->event_idx = vq->indirect = vq->packed = false;
    }
    dev->driver_features = 0;
    store_relaxed(&dev->isr, 0);
    store_release(&dev->status, 0);
}

static void start(struct virtio_device *dev)
{
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        dev->queues[i].vq.event_idx = has_feature(dev, VIRTIO_RING_F_EVENT_IDX);
        dev->queues[i].vq.indirect = has_feature(dev, VIRTIO_RING_F_INDIRECT_DESC);
        dev->queues[i].vq.packed = has_feature(dev, VIRTIO_F_RING_PACKED);
        dev->queues[i].vq.base = 0;
    }
    dev->started = true;
    if (dev->ops->start(dev) < 0) {
        virtio_set_needs_reset(dev);
    }
}

static bool features_acceptable(const struct virtio_device *dev)
{
    return !(dev->driver_features & ~dev->device_features) && has_feature(dev, VIRTIO_F_VERSION_1);
}

void virtio_set_status(struct virtio_device *dev, uint8_t status)
{
    uint8_t old = virtio_status(dev), added;

    if (status == 0) {
        reset(dev);
        return;
    }
    added = status & ~old & ~VIRTIO_CONFIG_S_NEEDS_RESET;
    if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && !features_acceptable(dev)) {
        added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    }
    /* The device does not start without FEATURES_OK, or while it needs a reset (3.1.1). */
    if (!((old | added) & VIRTIO_CONFIG_S_FEATURES_OK) || (old & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        added &= ~VIRTIO_CONFIG_S_DRIVER_OK;
    }
    fetch_or_acq_rel(&dev->status, added);
    if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
        start(dev);
    }
}

void virtio_set_needs_reset(struct virtio_device *dev)
{
    uint8_t old = fetch_or_acq_rel(&dev->status, VIRTIO_CONFIG_S_NEEDS_RESET);

    /* No notification before DRIVER_OK (2.1.2), and only one. */
    if ((old & VIRTIO_CONFIG_S_DRIVER_OK) && !(old & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        fetch_or_acq_rel(&dev->isr, ISR_CONFIG);
        dev->transport->config_changed(dev->transport_opaque);
    }
}

/* --- one queue --- */

void virtio_queue_set_ready(struct virtio_device *dev, unsigned i, bool ready)
{
    struct virtqueue *vq = &dev->queues[i].vq;

    if (vq->ready == ready) {
        return;
    }
    if (!dev->started) {
        vq->ready = ready;
    } else if (!ready) {
        dev->ops->queue_stop(dev, i);
        virtq_stop(vq);
    } else {
        virtio_queue_resume(dev, i, 0);
    }
}

void virtio_queue_resume(struct virtio_device *dev, unsigned i, uint32_t base)
{
    struct virtqueue *vq = &dev->queues[i].vq;

    if (virtio_status(dev) & VIRTIO_CONFIG_S_NEEDS_RESET) {
        return;
    }
    vq->base = base;
    vq->ready = true;
    if (dev->ops->queue_start(dev, i) < 0) {
        virtio_set_needs_reset(dev);
    }
}

void virtio_queue_reset(struct virtio_device *dev, unsigned i)
{
    if (has_feature(dev, VIRTIO_F_RING_RESET)) {
        virtio_queue_set_ready(dev, i, false);
        reset_queue(&dev->queues[i]);
    }
}

void virtio_config_changed(struct virtio_device *dev)
{
    uint8_t status = virtio_status(dev);

    store_release(&dev->config_generation, dev->config_generation + 1);
    if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && !(status & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        fetch_or_acq_rel(&dev->isr, ISR_CONFIG);
        dev->transport->config_changed(dev->transport_opaque);
    }
}

void virtio_isr_ack(struct virtio_device *dev, uint32_t bits)
{
    fetch_and_acq_rel(&dev->isr, ~bits);
}

uint32_t virtio_isr_take(struct virtio_device *dev)
{
    return exchange_acq_rel(&dev->isr, 0);
}

void virtio_queue_interrupt(struct virtio_device *dev, struct virtio_queue *q)
{
    uint64_t one = 1;
    ssize_t n;

    fetch_or_acq_rel(&dev->isr, ISR_QUEUE);
    if (q->call_fd < 0) {
        return;
    }
    do {
        n = write(q->call_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so an interrupt is pending. */
}

/* --- configuration space --- */

void virtio_config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len)
{
    unsigned inside = offset < dev->config_size ? dev->config_size - offset : 0;

    if (inside > len) {
        inside = len;
    }
    if (inside) {
        dev->ops->config_read(dev, offset, data, inside);
    }
    memset((uint8_t *)data + inside, 0xff, len - inside);
}

void virtio_config_write(struct virtio_device *dev, unsigned offset, const void *data, unsigned len)
{
    if (len && dev->ops->config_write && offset < dev->config_size &&
        len <= dev->config_size - offset) {
        dev->ops->config_write(dev, offset, data, len);
    }
}

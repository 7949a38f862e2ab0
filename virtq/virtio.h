// SPDX-License-Identifier: MIT
/*
 * A virtio device without its transport (virtio 1.3, chapter 2).
 *
 * The transport (virtio-mmio, virtio-pci, vhost-user) owns the registers and the event descriptors;
 * the device owns queues, features, status and configuration space. The transport calls from a vCPU
 * or server thread, one call at a time; the device reaches its I/O threads by iothread_call(). The
 * data path has no calls of this header but virtio_queue_interrupt().
 */
#ifndef POLLUX_VIRTQ_VIRTIO_H
#define POLLUX_VIRTQ_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/barrier.h"
#include "virtq/guest-memory.h"
#include "virtq/virtqueue.h"

struct virtio_device;

/* The functions of a transport that a device calls. */
struct virtio_transport_ops {
    /* Raise the configuration change interrupt; its bit in isr is set. Context: any thread. */
    void (*config_changed)(void *opaque);
};

/*
 * One queue as transport and device know it. The transport owns the file descriptors and sets them
 * before DRIVER_OK. It sets vq.size (1..size_max) and the addresses of vq while vq is not ready.
 */
struct virtio_queue {
    struct virtqueue vq;
    uint16_t size_max;
    int kick_fd; /* non-blocking eventfd, readable when the driver kicked */
    int call_fd; /* eventfd, write 1 to interrupt the driver; -1: the driver wants no interrupt */
};

struct virtio_device_ops {
    /* The driver has set DRIVER_OK: begin to serve the queues that are ready.
     * Return: 0, or -errno: then DEVICE_NEEDS_RESET is set. */
    int (*start)(struct virtio_device *dev);

    /* Stop serving and wait for requests in flight. After the return no thread of the device uses
     * guest memory. No effect on a device that was not started. */
    void (*stop)(struct virtio_device *dev);

    /* The same for one queue of a started device: queue_start serves it, since it is ready now;
     * queue_stop waits for its requests and forgets its ring. Other queues are not affected. */
    int (*queue_start)(struct virtio_device *dev, unsigned i);
    void (*queue_stop)(struct virtio_device *dev, unsigned i);

    /* The driver has reset the device, which is stopped: restore the initial configuration. May be
     * NULL. */
    void (*reset)(struct virtio_device *dev);

    /* Configuration space. @offset + @len is inside config_size. write may be NULL. */
    void (*config_read)(struct virtio_device *dev, unsigned offset, void *data, unsigned len);
    void (*config_write)(struct virtio_device *dev, unsigned offset, const void *data,
                         unsigned len);
    void (*free)(struct virtio_device *dev);
};

struct virtio_device {
    const struct virtio_device_ops *ops;
    uint32_t device_id; /* virtio 1.3, chapter 5: 2 is block */
    unsigned config_size;
    uint64_t device_features; /* offered */
    uint64_t driver_features; /* accepted so far */
    uint8_t status;           /* virtio 1.3, 2.1; DEVICE_NEEDS_RESET may be set by any thread */
    uint32_t config_generation;
    bool started;
    unsigned nr_queues;
    struct virtio_queue *queues;
    const struct guest_memory *mem;

    const struct virtio_transport_ops *transport;
    void *transport_opaque;

    /* Interrupt status (4.1.4.5, 4.2.2): bit 0 used buffer, bit 1 configuration change; atomic.
     * Written at each interrupt, so no member that a request reads has the same cache line. */
    uint8_t before_isr[CACHE_LINE - sizeof(uint32_t)];
    uint32_t isr;
    uint8_t after_isr[CACHE_LINE - sizeof(uint32_t)];
};

/**
 * virtio_set_features - the driver writes 32 bits of its features
 * @half: 0 or 1, anything else is ignored. Ignored too after FEATURES_OK.
 */
void virtio_set_features(struct virtio_device *dev, unsigned half, uint32_t value);

/**
 * virtio_set_status - the driver writes the status register (2.1, 3.1)
 * 0 resets: stops the device, forgets queues and features, and returns when that is done.
 * FEATURES_OK sticks only if every accepted feature was offered and VERSION_1 is among them.
 * DRIVER_OK starts the device. Bits cannot be cleared but by reset.
 */
void virtio_set_status(struct virtio_device *dev, uint8_t status);

/**
 * virtio_set_needs_reset - the device is broken until the driver resets it (2.1.1)
 * Context: any thread.
 */
void virtio_set_needs_reset(struct virtio_device *dev);

/**
 * virtio_config_changed - notify the driver that the configuration space has changed
 * Context: serialised with the calls of the transport, so that a driver that reads one half of a
 *          field before the change and the other half after it sees another generation.
 */
void virtio_config_changed(struct virtio_device *dev);

uint8_t virtio_status(const struct virtio_device *dev);

/**
 * virtio_queue_set_ready - the driver writes QueueReady of queue @i (4.2.2)
 * Before DRIVER_OK the value is only stored. On a started device, true starts the queue, and false
 * stops it as queue_stop() does.
 */
void virtio_queue_set_ready(struct virtio_device *dev, unsigned i, bool ready);

/**
 * virtio_queue_resume - as virtio_queue_set_ready(true) on a live device, for a ring that was served
 * before, perhaps by another process
 * @base: where it was stopped, see struct virtqueue
 */
void virtio_queue_resume(struct virtio_device *dev, unsigned i, uint32_t base);

/**
 * virtio_queue_reset - stop queue @i and forget its size and addresses (2.6.1)
 * No effect unless VIRTIO_F_RING_RESET was negotiated.
 */
void virtio_queue_reset(struct virtio_device *dev, unsigned i);

/**
 * virtio_isr_take - read all interrupt bits and clear them (4.1.4.5)
 */
uint32_t virtio_isr_take(struct virtio_device *dev);

/**
 * virtio_isr_ack - the driver acknowledges interrupt bits
 */
void virtio_isr_ack(struct virtio_device *dev, uint32_t bits);

/**
 * virtio_queue_interrupt - interrupt the driver for used buffers
 * Sets the status bit and writes the call descriptor. Context: any thread.
 */
void virtio_queue_interrupt(struct virtio_device *dev, struct virtio_queue *q);

/**
 * virtio_config_* - configuration space access of any length and offset; out of range reads give
 * 0xff bytes, out of range writes nothing
 */
void virtio_config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len);
void virtio_config_write(struct virtio_device *dev, unsigned offset, const void *data,
                         unsigned len);

#endif

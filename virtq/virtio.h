// SPDX-License-Identifier: MIT
/*
 * A virtio device without its transport (virtio 1.3, chapter 2).
 *
 * The transport (virtio-mmio now; virtio-pci and vhost-user later) owns the registers and the event
 * descriptors; the device owns queues, features, status and configuration space. Transport calls
 * come from vCPU threads and are serialised by the transport; the device moves to its I/O threads
 * by itself, with iothread_call(). No data path goes through here.
 */
#ifndef POLLUX_VIRTQ_VIRTIO_H
#define POLLUX_VIRTQ_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtq/guest-memory.h"
#include "virtq/virtqueue.h"

struct virtio_device;

/* What the device asks of its transport. */
struct virtio_transport_ops {
    /* Raise the configuration change interrupt; its bit in isr is set. Context: any thread. */
    void (*config_changed)(void *opaque);
};

/*
 * One queue as both sides know it. The descriptors are the transport's; set before DRIVER_OK. Of
 * vq, the transport sets size (1..size_max) and the addresses while it is not ready.
 */
struct virtio_queue {
    struct virtqueue vq;
    uint16_t size_max;
    int kick_fd; /* non-blocking eventfd, readable when the driver kicked */
    int call_fd; /* eventfd, write 1 to interrupt the driver */
};

struct virtio_device_ops {
    /* Negotiation is done, DRIVER_OK was set: begin to serve the queues that are ready.
     * Return: 0, or -errno: then DEVICE_NEEDS_RESET is set. */
    int (*start)(struct virtio_device *dev);

    /* Stop serving: in-flight requests are waited for, and when it returns nothing of the device
     * touches guest memory any more. Safe on a device that was not started. */
    void (*stop)(struct virtio_device *dev);

    /* The same for one queue of a live device: serve it, now that it is ready; and stop it, wait
     * for its requests, and forget its rings, while the others go on. As start and stop else. */
    int (*queue_start)(struct virtio_device *dev, unsigned i);
    void (*queue_stop)(struct virtio_device *dev, unsigned i);

    /* The driver reset the device, which is stopped: its configuration is as it was at first. May
     * be NULL. */
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

    /* InterruptStatus (4.2.2): bit 0 used buffer, bit 1 configuration change; atomic */
    uint32_t isr;

    const struct virtio_transport_ops *transport;
    void *transport_opaque;
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
 * virtio_config_changed - the configuration space is another one than before: tell the driver
 * Context: as all calls of the transport, serialised with them: so no driver reads one half of a
 *          field before and the other after the change without another generation in between.
 */
void virtio_config_changed(struct virtio_device *dev);

uint8_t virtio_status(const struct virtio_device *dev);

/**
 * virtio_queue_set_ready - the driver has set queue @i up, or takes it back (QueueReady, 4.2.2)
 * Before DRIVER_OK it is only noted. On a live device the queue is served from now on, or is not
 * any more: its requests are waited for, and then nothing of it touches guest memory.
 */
void virtio_queue_set_ready(struct virtio_device *dev, unsigned i, bool ready);

/**
 * virtio_queue_resume - as virtio_queue_set_ready(true) on a live device, for a ring that was served
 * before, perhaps by another process
 * @base: where it was stopped, see struct virtqueue
 */
void virtio_queue_resume(struct virtio_device *dev, unsigned i, uint32_t base);

/**
 * virtio_queue_reset - take queue @i back and forget its set-up (2.6.1)
 * Nothing happens unless VIRTIO_F_RING_RESET was negotiated.
 */
void virtio_queue_reset(struct virtio_device *dev, unsigned i);

/**
 * virtio_isr_ack - the driver acknowledges interrupt bits
 */
void virtio_isr_ack(struct virtio_device *dev, uint32_t bits);

/**
 * virtio_queue_interrupt - tell the driver that used buffers are there
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

// SPDX-License-Identifier: MIT
/*
 * What virtio-mmio and virtio-pci have in common: the lock, the selector registers, the kick
 * descriptors, changes of the configuration space, the stop.
 */
#ifndef POLLUX_KVM_VIRTIO_TRANSPORT_H
#define POLLUX_KVM_VIRTIO_TRANSPORT_H

#include <pthread.h>
#include <stdint.h>

#include "virtq/virtio.h"

struct virtio_transport {
    struct virtio_device *dev; /* NULL: not initialised */
    pthread_mutex_t lock;      /* protects the selectors, and all calls that change the device */
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint32_t queue_sel;
};

/**
 * virtio_transport_init - attach @dev, and create a kick descriptor for each queue
 * @ops, @opaque: of the transport that contains @t; queues get no call descriptor yet
 * Return: 0 or -errno; virtio_transport_destroy() releases in both cases.
 */
int virtio_transport_init(struct virtio_transport *t, struct virtio_device *dev,
                          const struct virtio_transport_ops *ops, void *opaque);

/**
 * virtio_transport_destroy - close the kick descriptors of a stopped device
 * No effect if @t is not initialised.
 */
void virtio_transport_destroy(struct virtio_transport *t);

/**
 * virtio_transport_queue - the selected queue
 * Context: under the lock. Return: NULL if the device has no such queue.
 */
struct virtio_queue *virtio_transport_queue(struct virtio_transport *t);

/**
 * virtio_transport_features - the half of @features that @sel selects; 0 for any other @sel
 */
uint32_t virtio_transport_features(uint64_t features, uint32_t sel);

/**
 * virtio_transport_set_half - the driver writes one half of a ring address
 * @half: 0 for the low, 1 for the high 32 bits
 */
void virtio_transport_set_half(uint64_t *addr, unsigned half, uint32_t value);

/**
 * virtio_transport_change_config - change the data of the configuration space
 * @change: called while no vCPU can read the space; returns 1 if the driver must be notified, 0 if
 *          the data did not change, or -errno
 * Context: any thread but the I/O threads.
 * Return: the result of @change, or -ETIMEDOUT if a vCPU waits in the device, as in a reset while
 * a request hangs.
 */
int virtio_transport_change_config(struct virtio_transport *t, int (*change)(void *opaque),
                                   void *opaque);

/**
 * virtio_transport_stop - reset the device: waits for its requests, touches no guest memory
 * afterwards. No effect if @t is not initialised.
 */
void virtio_transport_stop(struct virtio_transport *t);

#endif

// SPDX-License-Identifier: MIT
/*
 * The virtio-mmio transport (virtio 1.3, 4.2, version 2 registers).
 *
 * KVM handles kicks and interrupts through eventfds; a vCPU accesses registers here only to set up
 * the device. The lock serialises register accesses of one device.
 */
#ifndef POLLUX_KVM_VIRTIO_MMIO_H
#define POLLUX_KVM_VIRTIO_MMIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kvm/vm.h"
#include "virtq/virtio.h"

struct virtio_mmio {
    struct virtio_device *dev; /* NULL: not initialised */
    uint64_t base;
    int irqfd;
    pthread_mutex_t lock; /* protects the selectors, and all calls that change the device */
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint32_t queue_sel;
};

/**
 * virtio_mmio_init - put @dev at guest address @base with edge interrupt @gsi
 * Creates the eventfds and registers them with KVM and the device. The caller frees @dev after the
 * transport.
 * Return: 0, or -errno and @err.
 */
int virtio_mmio_init(struct virtio_mmio *t, const struct vm *vm, struct virtio_device *dev,
                     uint64_t base, unsigned gsi, struct error *err);

/**
 * virtio_mmio_access - the guest reads or writes @size bytes at @offset from the base
 * Context: any vCPU thread.
 */
void virtio_mmio_access(struct virtio_mmio *t, unsigned offset, void *data, unsigned size,
                        bool write);

/**
 * virtio_mmio_change_config - change the data of the configuration space
 * @change: called while no vCPU can read the space; returns 1 if the driver must be notified, 0 if
 *          the data did not change, or -errno
 * Context: any thread but the I/O threads.
 * Return: the result of @change, or -ETIMEDOUT if a vCPU waits in the device, as in a reset while
 * a request hangs.
 */
int virtio_mmio_change_config(struct virtio_mmio *t, int (*change)(void *opaque), void *opaque);

/**
 * virtio_mmio_stop - reset the device: waits for its requests, touches no guest memory afterwards
 */
void virtio_mmio_stop(struct virtio_mmio *t);

/**
 * virtio_mmio_destroy - close the eventfds of a stopped device
 */
void virtio_mmio_destroy(struct virtio_mmio *t);

#endif

// SPDX-License-Identifier: MIT
/*
 * The virtio-mmio transport (virtio 1.3, 4.2, version 2 registers).
 *
 * Kicks and interrupts go through event descriptors inside the kernel; a vCPU comes here only to
 * set the device up. Register accesses of one device are serialised by its lock.
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
    struct virtio_device *dev; /* NULL: not there */
    uint64_t base;
    int irqfd;
    pthread_mutex_t lock; /* the selectors, and all calls of the device's that change it */
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint32_t queue_sel;
};

/**
 * virtio_mmio_init - put @dev at guest address @base with edge interrupt @gsi
 * Makes its event descriptors and hands them to KVM and the device. @dev stays the caller's and
 * must outlive the transport.
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
 * virtio_mmio_change_config - change what the configuration space is made from
 * @change: run while no vCPU can look; returns 1 if the driver must be told, 0 if nothing changed,
 *          or -errno
 * Context: any thread but the I/O threads.
 * Return: what @change returned, or -ETIMEDOUT if a vCPU waits in the device, as in a reset while
 * a request hangs.
 */
int virtio_mmio_change_config(struct virtio_mmio *t, int (*change)(void *opaque), void *opaque);

/**
 * virtio_mmio_stop - reset the device: waits for its requests, then it touches no guest memory
 */
void virtio_mmio_stop(struct virtio_mmio *t);

/**
 * virtio_mmio_destroy - close the event descriptors; the device was stopped
 */
void virtio_mmio_destroy(struct virtio_mmio *t);

#endif

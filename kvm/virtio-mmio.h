// SPDX-License-Identifier: MIT
/*
 * The virtio-mmio transport (virtio 1.3, 4.2, version 2 registers).
 *
 * KVM handles kicks and interrupts through eventfds; a vCPU accesses registers here only to set up
 * the device. The lock of @common serialises register accesses of one device.
 */
#ifndef POLLUX_KVM_VIRTIO_MMIO_H
#define POLLUX_KVM_VIRTIO_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kvm/virtio-transport.h"
#include "kvm/vm.h"

struct virtio_mmio {
    struct virtio_transport common;
    uint64_t base;
    int irqfd;
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
 * virtio_mmio_destroy - close the eventfds of a stopped device
 */
void virtio_mmio_destroy(struct virtio_mmio *t);

#endif

// SPDX-License-Identifier: MIT
/*
 * MSI-X of one function (PCI Local Bus 3.0, 6.8.2): the vector table, the pending bits, and an
 * eventfd for each vector.
 *
 * A device interrupts by a write to the eventfd, whether or not the vector is masked. While the
 * vector is unmasked the eventfd is an irqfd on the vector's own GSI, so that KVM sends the message
 * of its route. While the vector is masked no irqfd reads the eventfd, and it stays readable: that
 * is the pending bit. KVM looks at the eventfd when it becomes an irqfd again, and sends what is
 * pending.
 *
 * Calls are serialised by the owner's lock. Only writes to an eventfd may come from any thread.
 */
#ifndef POLLUX_KVM_MSIX_H
#define POLLUX_KVM_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/msi-routes.h"

#define MSIX_VECTORS_MAX 256

struct msix_vector {
    int eventfd;
    uint32_t entry[4]; /* address low, address high, data, control: bit 0 masks */
    bool connected;    /* @eventfd is an irqfd */
    bool routed;       /* KVM has @route */
    struct vm_msi_route route;
};

struct msix {
    const struct vm *vm;
    struct msi_routes *routes;
    uint16_t control; /* message control: bit 15 enables, bit 14 masks all vectors */
    unsigned nr;
    struct msix_vector *vectors; /* NULL: not initialised */
};

/**
 * msix_init - make @nr masked vectors, 1..MSIX_VECTORS_MAX
 * Return: 0 or -errno; msix_destroy() releases in both cases.
 */
int msix_init(struct msix *m, const struct vm *vm, struct msi_routes *routes, unsigned nr);
void msix_destroy(struct msix *m);

/**
 * msix_eventfd - what a device writes 1 to for vector @i
 * Return: a descriptor that is valid as long as @m, or -1 if there is no such vector.
 */
int msix_eventfd(const struct msix *m, unsigned i);

/* msix_set_control - the guest writes message control */
void msix_set_control(struct msix *m, uint16_t control);

/* msix_clear_pending - the device was reset: forget interrupts that masked vectors hold */
void msix_clear_pending(struct msix *m);

/**
 * msix_table_access - the guest accesses the vector table
 * 4 or 8 aligned bytes; any other access reads ones and writes nothing.
 */
void msix_table_access(struct msix *m, unsigned offset, void *data, unsigned size, bool write);

/* msix_pending_read - the guest reads pending bits, in the same way */
void msix_pending_read(const struct msix *m, unsigned offset, void *data, unsigned size);

#endif

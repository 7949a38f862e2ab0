// SPDX-License-Identifier: MIT
/* Eventfds that KVM signals or waits for in place of the process, and the routes of MSIs. */
#ifndef POLLUX_KVM_VM_EVENTS_H
#define POLLUX_KVM_VM_EVENTS_H

#include <stdint.h>

#include "kvm/vm.h"

#define VM_FIRST_MSI_GSI 24 /* the GSIs below are the inputs of the I/O APIC */

/* The message that KVM sends for a GSI. */
struct vm_msi_route {
    uint32_t gsi;
    uint32_t address; /* in the lower 4 GiB, where the local APICs are */
    uint32_t data;
};

/**
 * vm_irqfd - let a write to @eventfd raise interrupt @gsi: a pulse of a pin, or the MSI of its route
 * vm_irqfd_remove - and no longer; when the call returns, each earlier write has raised it
 * If @eventfd is readable at the call of vm_irqfd(), KVM raises the interrupt.
 * Return: 0 or -errno.
 */
int vm_irqfd(const struct vm *vm, int eventfd, unsigned gsi);
int vm_irqfd_remove(const struct vm *vm, int eventfd, unsigned gsi);

/**
 * vm_ioeventfd - let a 32-bit write of @value to @gpa signal @eventfd without leaving the kernel
 * Return: 0 or -errno.
 */
int vm_ioeventfd(const struct vm *vm, int eventfd, uint64_t gpa, uint32_t value);

/**
 * vm_doorbell - the same for a write of any size and value: KVM looks at the address only
 * vm_doorbell_remove - and no longer
 * Return: 0 or -errno.
 */
int vm_doorbell(const struct vm *vm, int eventfd, uint64_t gpa);
int vm_doorbell_remove(const struct vm *vm, int eventfd, uint64_t gpa);

/**
 * vm_set_routes - replace the routes of all MSIs; those of the interrupt controllers' pins stay
 * Return: 0 or -errno; then the former routes hold.
 */
int vm_set_routes(const struct vm *vm, const struct vm_msi_route *routes, unsigned nr);

#endif

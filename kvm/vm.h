// SPDX-License-Identifier: MIT
/* A KVM virtual machine: capabilities, interrupt controllers, timer, memory slots. */
#ifndef POLLUX_KVM_VM_H
#define POLLUX_KVM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kvm/ram.h"

struct vm {
    int kvm_fd;
    int fd;
    int run_size; /* bytes of struct kvm_run and its data */
};

/* A KVM capability, checked by vm_init() and by `pollux doctor`. */
struct vm_capability {
    int number;
    const char *name;
    const char *why;
    bool required;
};

/**
 * vm_capability_at - get the @i-th capability that Pollux checks
 * Return: NULL past the last one.
 */
const struct vm_capability *vm_capability_at(unsigned i);

/**
 * vm_open_kvm - open /dev/kvm and check its API version
 * Return: a descriptor that the caller closes, or -errno and @err: missing, no permission, ...
 */
int vm_open_kvm(struct error *err);

/**
 * vm_init - create a virtual machine for @cpus vCPUs with @ram as its memory
 * Creates the interrupt controllers (8259s masked, as after firmware) and the PIT.
 * @ram: must outlive the VM
 * Return: 0, or -errno and @err; vm_destroy() releases.
 */
int vm_init(struct vm *vm, unsigned cpus, const struct ram *ram, struct error *err);
void vm_destroy(struct vm *vm);

/**
 * vm_irq_line - drive an interrupt line
 * Context: any thread.
 */
void vm_irq_line(const struct vm *vm, unsigned gsi, bool level);

#endif

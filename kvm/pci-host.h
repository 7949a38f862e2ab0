// SPDX-License-Identifier: MIT
/*
 * The PCI host bridge: bus 0 with function 0 of up to 32 devices, the first of which is the bridge
 * itself. The guest reaches configuration space by ports 0xcf8 and 0xcfc and by ECAM (PCI Express
 * 5.0, 7.2.2), and device memory where it has put the BARs.
 */
#ifndef POLLUX_KVM_PCI_HOST_H
#define POLLUX_KVM_PCI_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/pci-config.h"

#define PCI_HOST_SLOTS 32

/* Context: any vCPU thread. */
struct pci_function_ops {
    /* @size 1, 2 or 4, inside an aligned double word; @offset + @size up to 4096 */
    void (*config)(void *opaque, unsigned offset, void *data, unsigned size, bool write);
    /* Return: false if the function has no memory at @gpa. */
    bool (*memory)(void *opaque, uint64_t gpa, void *data, unsigned size, bool write);
};

struct pci_host {
    struct pci_config bridge;
    uint32_t address; /* register 0xcf8; atomic */
    unsigned nr;      /* slots in use; the first is the bridge's */
    struct {
        const struct pci_function_ops *ops;
        void *opaque;
    } slots[PCI_HOST_SLOTS];
};

void pci_host_init(struct pci_host *h);

/**
 * pci_host_add - put a function into the next slot; before the vCPUs run
 * Return: the slot, or -ENOSPC.
 */
int pci_host_add(struct pci_host *h, const struct pci_function_ops *ops, void *opaque);

/**
 * pci_host_port - the guest accesses port @port with 1, 2 or 4 bytes
 * Return: false if the port is none of the host bridge's.
 */
bool pci_host_port(struct pci_host *h, uint16_t port, void *data, unsigned size, bool write);

/**
 * pci_host_memory - the guest accesses device memory
 * Return: false if neither ECAM nor a BAR is at @gpa.
 */
bool pci_host_memory(struct pci_host *h, uint64_t gpa, void *data, unsigned size, bool write);

#endif

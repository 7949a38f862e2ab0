// SPDX-License-Identifier: MIT
/*
 * The virtio-pci transport (virtio 1.3, 4.1): a modern device without I/O ports and without INTx.
 * One 64-bit BAR has all registers:
 *
 *     0x0000  common configuration      0x3000  doorbells, 4 bytes for each queue
 *     0x1000  ISR status                0x4000  MSI-X table
 *     0x2000  device configuration      0x5000  MSI-X pending bits
 *
 * KVM handles kicks and interrupts through eventfds: a doorbell for each queue at the address that
 * the BAR has, and an MSI-X vector for each queue and one for configuration changes. The lock of
 * @common serialises all accesses of one device: of configuration space, BAR and MSI-X.
 */
#ifndef POLLUX_KVM_VIRTIO_PCI_H
#define POLLUX_KVM_VIRTIO_PCI_H

#include "base/error.h"
#include "kvm/msix.h"
#include "kvm/pci-config.h"
#include "kvm/pci-host.h"
#include "kvm/virtio-transport.h"

#define VIRTIO_PCI_BAR_SIZE      0x8000u
#define VIRTIO_PCI_NO_VECTOR     0xffff
#define VIRTIO_PCI_AT_COMMON     0x0000u
#define VIRTIO_PCI_AT_ISR        0x1000u
#define VIRTIO_PCI_AT_DEVICE     0x2000u
#define VIRTIO_PCI_AT_NOTIFY     0x3000u
#define VIRTIO_PCI_AT_MSIX_TABLE 0x4000u
#define VIRTIO_PCI_AT_MSIX_PBA   0x5000u
#define VIRTIO_PCI_DOORBELL_SIZE 4u /* bytes between the doorbells of two queues */

struct virtio_pci_queue {
    uint16_t vector;
    bool doorbell; /* KVM signals the kick descriptor */
};

struct virtio_pci {
    struct virtio_transport common;
    const struct vm *vm;
    struct pci_config config;
    unsigned window_cap; /* offset of the capability that accesses the BAR (4.1.4.9) */
    unsigned msix_cap;
    struct msix msix;
    uint64_t base; /* where the BAR answers, or PCI_BAR_NONE; atomic */
    /* atomic: a configuration change interrupts from any thread */
    uint16_t config_vector;
    struct virtio_pci_queue *queues; /* NULL: not initialised */
};

/* For pci_host_add(), with the struct virtio_pci. */
extern const struct pci_function_ops virtio_pci_ops;

/**
 * virtio_pci_init - make @dev a PCI function whose BAR is at @bar, with memory decoding off
 * @bar: a multiple of VIRTIO_PCI_BAR_SIZE
 * The caller frees @dev after the transport.
 * Return: 0, or -errno and @err.
 */
int virtio_pci_init(struct virtio_pci *t, const struct vm *vm, struct msi_routes *routes,
                    struct virtio_device *dev, uint64_t bar, struct error *err);

/**
 * virtio_pci_destroy - close the eventfds of a stopped device
 * No effect if @t is not initialised.
 */
void virtio_pci_destroy(struct virtio_pci *t);

#endif

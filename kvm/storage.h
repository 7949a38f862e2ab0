// SPDX-License-Identifier: MIT
/*
 * The disks of a machine with their transports, the I/O threads that serve them, and the PCI bus if
 * a disk is on it.
 */
#ifndef POLLUX_KVM_STORAGE_H
#define POLLUX_KVM_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/acpi.h"
#include "kvm/machine-config.h"
#include "kvm/msi-routes.h"
#include "kvm/pci-host.h"
#include "kvm/virtio-mmio.h"
#include "kvm/virtio-pci.h"
#include "kvm/vm.h"

struct storage_disk {
    struct disk disk;
    struct virtio_mmio mmio; /* the one of the two that config->transport names is initialised */
    struct virtio_pci pci;
};

struct storage {
    struct iothread_set iothreads;
    unsigned nr_disks;
    struct storage_disk disks[MACHINE_DISKS_MAX];
    unsigned nr_mmio; /* virtio-mmio disks in their order, and what ACPI says about each */
    struct virtio_mmio *mmio[MACHINE_MMIO_MAX];
    struct acpi_device resources[MACHINE_MMIO_MAX];
    bool has_pci; /* without a PCI disk the guest finds no PCI bus */
    struct pci_host pci;
    struct msi_routes routes;
};

/**
 * storage_init - open images, start I/O threads, create devices and connect them to @vm
 * @stopped: a disk holds a failed request, see virtio_blk_options.stop
 * Return: 0, or -errno and @err; then all parts are released. storage_destroy() releases.
 */
int storage_init(struct storage *s, const struct machine_config *config, const struct vm *vm,
                 const struct guest_memory *mem, void (*stopped)(void *opaque, const char *why),
                 void *opaque, struct error *err);

/**
 * storage_access - the guest reads or writes device memory
 * Context: any vCPU thread.
 * Return: false if no device is at @gpa.
 */
bool storage_access(struct storage *s, uint64_t gpa, void *data, unsigned size, bool write);

/**
 * storage_port - the guest reads or writes a port
 * Context: any vCPU thread.
 * Return: false if no device has the port.
 */
bool storage_port(struct storage *s, uint16_t port, void *data, unsigned size, bool write);

/**
 * storage_parameters - write virtio_mmio.device= parameters of all virtio-mmio disks, separated by
 * blanks
 */
void storage_parameters(const struct storage *s, char *out, size_t size);

/**
 * storage_retry - retry the failed requests that disks hold
 * Context: any thread but the I/O threads.
 */
void storage_retry(struct storage *s);

/**
 * storage_resize - notify the guest if the image of disk @i has grown or shrunk
 * @name: of the image, for the message
 * Context: one thread at a time, none of the I/O threads.
 * Return: 1 if the size changed, 0 if not, or -errno and @err.
 */
int storage_resize(struct storage *s, unsigned i, const char *name, struct error *err);

/**
 * storage_stop - wait for requests in flight; afterwards no disk touches guest memory
 * Context: the thread that called storage_init(); no vCPU runs.
 */
void storage_stop(struct storage *s);
void storage_destroy(struct storage *s);

#endif

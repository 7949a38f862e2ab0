// SPDX-License-Identifier: MIT
/* The disks of a machine, from image to interrupt, and the I/O threads that serve them. */
#ifndef POLLUX_KVM_STORAGE_H
#define POLLUX_KVM_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/acpi.h"
#include "kvm/machine-config.h"
#include "kvm/virtio-mmio.h"
#include "kvm/vm.h"

struct storage_disk {
    struct disk disk;
    struct virtio_mmio transport;
    struct acpi_device place;
};

struct storage {
    struct iothread_set iothreads;
    unsigned nr_disks;
    struct storage_disk disks[MACHINE_DISKS_MAX];
};

/**
 * storage_init - open images, start I/O threads, make devices and connect them to @vm
 * @stopped: a disk keeps a request that failed, see virtio_blk_options.stop
 * Return: 0, or -errno and @err; then nothing is left. storage_destroy() releases.
 */
int storage_init(struct storage *s, const struct machine_config *config, const struct vm *vm,
                 const struct guest_memory *mem, void (*stopped)(void *opaque, const char *why),
                 void *opaque, struct error *err);

/**
 * storage_access - the guest reads or writes device memory
 * Context: any vCPU thread.
 * Return: false if nothing is there.
 */
bool storage_access(struct storage *s, uint64_t gpa, void *data, unsigned size, bool write);

/**
 * storage_parameters - virtio_mmio.device= parameters for all disks, with blanks between
 */
void storage_parameters(const struct storage *s, char *out, size_t size);

/**
 * storage_retry - try again what disks have kept
 * Context: any thread but the I/O threads.
 */
void storage_retry(struct storage *s);

/**
 * storage_resize - look whether the image of disk @i has grown or shrunk, and tell the guest
 * @name: for the message
 * Context: one thread at a time, none of the I/O threads.
 * Return: 1 it has, 0 it has not, or -errno and @err.
 */
int storage_resize(struct storage *s, unsigned i, const char *name, struct error *err);

/**
 * storage_stop - wait for what is in flight; afterwards no guest memory is touched
 * Context: the thread that called storage_init(); no vCPU runs.
 */
void storage_stop(struct storage *s);
void storage_destroy(struct storage *s);

#endif

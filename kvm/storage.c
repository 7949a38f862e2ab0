// SPDX-License-Identifier: MIT
/*
 * The i-th virtio-mmio disk has the i-th register page of the MMIO range and the i-th interrupt of
 * disk_gsi. The i-th virtio-pci disk is device i + 1 of PCI bus 0, and has the i-th BAR of the
 * window.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/layout.h"
#include "kvm/storage.h"

/*
 * Interrupts below 16 come first: a guest without ACPI has only the 8259s, with 16 inputs. A PC
 * guest expects other devices at the missing ones: timer, keyboard, cascade, serial port, clock,
 * coprocessor.
 */
static const uint8_t disk_gsi[] = {5, 10, 11, 9,  7,  6,  12, 14, 15,
                                   3, 16, 17, 18, 19, 20, 21, 22, 23};

_Static_assert(sizeof(disk_gsi) == MACHINE_MMIO_MAX, "an interrupt for each disk");

_Static_assert(MACHINE_DISKS_MAX < PCI_HOST_SLOTS, "a slot for each disk");
_Static_assert((uint64_t)MACHINE_DISKS_MAX *VIRTIO_PCI_BAR_SIZE <= LAYOUT_PCI_WINDOW_SIZE,
               "a BAR for each disk");

static struct virtio_transport *transport_of(struct storage_disk *d)
{
    return d->pci.common.dev ? &d->pci.common : &d->mmio.common;
}

static int add_mmio(struct storage *s, struct storage_disk *d, const struct vm *vm,
                    struct error *err)
{
    unsigned i = s->nr_mmio;
    struct acpi_device resources;

    if (i == MACHINE_MMIO_MAX) {
        return error_set(err, -EINVAL,
                         "a machine has interrupts for %d disks with transport=mmio at most",
                         MACHINE_MMIO_MAX);
    }
    resources = (struct acpi_device){
        .base = (uint32_t)(LAYOUT_VIRTIO_MMIO + i * LAYOUT_VIRTIO_MMIO_SIZE),
        .size = LAYOUT_VIRTIO_MMIO_SIZE,
        .gsi = disk_gsi[i],
    };
    s->resources[i] = resources;
    s->mmio[i] = &d->mmio;
    s->nr_mmio++;
    return virtio_mmio_init(&d->mmio, vm, d->disk.dev, resources.base, resources.gsi, err);
}

static int add_pci(struct storage *s, struct storage_disk *d, const struct vm *vm,
                   struct error *err)
{
    int slot = pci_host_add(&s->pci, &virtio_pci_ops, &d->pci);
    uint64_t bar = LAYOUT_PCI_WINDOW + (uint64_t)(slot - 1) * VIRTIO_PCI_BAR_SIZE;

    s->has_pci = true;
    return virtio_pci_init(&d->pci, vm, &s->routes, d->disk.dev, bar, err);
}

static int connect_disk(struct storage *s, struct storage_disk *d, const struct vm *vm,
                        struct error *err)
{
    int ret = d->disk.config->transport == DISK_TRANSPORT_PCI ? add_pci(s, d, vm, err)
                                                              : add_mmio(s, d, vm, err);

    return ret < 0 ? error_prefix(err, ret, "disk %s: ", d->disk.config->name) : 0;
}

int storage_init(struct storage *s, const struct machine_config *config, const struct vm *vm,
                 const struct guest_memory *mem, void (*stopped)(void *opaque, const char *why),
                 void *opaque, struct error *err)
{
    const struct disk_log log = {
        .line = config->log, .io_error = config->io_error, .opaque = config->opaque};
    int ret = 0;

    *s = (struct storage){0};
    if (config->nr_disks > MACHINE_DISKS_MAX) {
        return error_set(err, -EINVAL, "%u disks: a machine has room for %d at most",
                         config->nr_disks, MACHINE_DISKS_MAX);
    }
    pci_host_init(&s->pci);
    msi_routes_init(&s->routes, vm);
    s->nr_disks = config->nr_disks;
    /* Images first: most errors of a configuration are found there. */
    for (unsigned i = 0; ret == 0 && i < s->nr_disks; i++) {
        ret = disk_open(&s->disks[i].disk, &config->disks[i], &log, err);
    }
    if (ret == 0) {
        ret = iothread_set_start(&s->iothreads, config->iothreads, config->nr_iothreads,
                                 config->trace, err);
    }
    for (unsigned i = 0; ret == 0 && i < s->nr_disks; i++) {
        struct storage_disk *d = &s->disks[i];

        ret = disk_make(&d->disk, &s->iothreads, mem, stopped, opaque, &log, err);
        if (ret == 0) {
            ret = connect_disk(s, d, vm, err);
        }
    }
    if (ret < 0) {
        storage_destroy(s);
    }
    return ret;
}

static bool mmio_access(struct storage *s, uint64_t gpa, void *data, unsigned size, bool write)
{
    uint64_t at = gpa - LAYOUT_VIRTIO_MMIO;
    uint64_t offset = at % LAYOUT_VIRTIO_MMIO_SIZE;

    if (at / LAYOUT_VIRTIO_MMIO_SIZE >= s->nr_mmio || offset + size > LAYOUT_VIRTIO_MMIO_SIZE) {
        return false;
    }
    virtio_mmio_access(s->mmio[at / LAYOUT_VIRTIO_MMIO_SIZE], (unsigned)offset, data, size, write);
    return true;
}

bool storage_access(struct storage *s, uint64_t gpa, void *data, unsigned size, bool write)
{
    return mmio_access(s, gpa, data, size, write) ||
           (s->has_pci && pci_host_memory(&s->pci, gpa, data, size, write));
}

bool storage_port(struct storage *s, uint16_t port, void *data, unsigned size, bool write)
{
    return s->has_pci && pci_host_port(&s->pci, port, data, size, write);
}

void storage_parameters(const struct storage *s, char *out, size_t size)
{
    size_t len = 0;

    *out = '\0';
    for (unsigned i = 0; i < s->nr_mmio && len < size; i++) {
        const struct acpi_device *p = &s->resources[i];

        len += (size_t)snprintf(out + len, size - len,
                                "%svirtio_mmio.device=%" PRIu32 "K@0x%" PRIx32 ":%" PRIu32,
                                i ? " " : "", p->size >> 10, p->base, p->gsi);
    }
}

void storage_retry(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        if (s->disks[i].disk.is_virtio_blk) {
            virtio_blk_retry(s->disks[i].disk.dev);
        }
    }
}

struct resize {
    struct storage_disk *disk;
    const char *name;
    struct error *err;
};

static int update_size(void *opaque)
{
    struct resize *r = opaque;

    return image_update_size(&r->disk->disk.image, r->name, r->err);
}

int storage_resize(struct storage *s, unsigned i, const char *name, struct error *err)
{
    struct resize r = {.disk = &s->disks[i], .name = name, .err = err};

    int ret = virtio_transport_change_config(transport_of(r.disk), update_size, &r);

    return ret == -ETIMEDOUT
               ? error_set(err, ret, "the disk does not answer; its size is unchanged")
               : ret;
}

void storage_stop(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        virtio_transport_stop(transport_of(&s->disks[i]));
    }
}

void storage_destroy(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        struct storage_disk *d = &s->disks[i];

        virtio_transport_stop(transport_of(d));
        virtio_mmio_destroy(&d->mmio);
        virtio_pci_destroy(&d->pci);
        disk_free_device(&d->disk);
    }
    msi_routes_destroy(&s->routes);
    iothread_set_stop(&s->iothreads);
    for (unsigned i = 0; i < s->nr_disks; i++) {
        disk_close(&s->disks[i].disk);
    }
    memset(s, 0, sizeof(*s));
}

// SPDX-License-Identifier: MIT
/* Disk i has the i-th register page of the MMIO range and the i-th interrupt of disk_gsi. */
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

_Static_assert(sizeof(disk_gsi) == MACHINE_DISKS_MAX, "an interrupt for each disk");

int storage_init(struct storage *s, const struct machine_config *config, const struct vm *vm,
                 const struct guest_memory *mem, void (*stopped)(void *opaque, const char *why),
                 void *opaque, struct error *err)
{
    const struct disk_log log = {
        .line = config->log, .io_error = config->io_error, .opaque = config->opaque};
    int ret = 0;

    *s = (struct storage){0};
    if (config->nr_disks > MACHINE_DISKS_MAX) {
        return error_set(err, -EINVAL, "%u disks: a machine has interrupts for %d disks at most",
                         config->nr_disks, MACHINE_DISKS_MAX);
    }
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

        d->resources = (struct acpi_device){
            .base = (uint32_t)(LAYOUT_VIRTIO_MMIO + i * LAYOUT_VIRTIO_MMIO_SIZE),
            .size = LAYOUT_VIRTIO_MMIO_SIZE,
            .gsi = disk_gsi[i],
        };
        ret = disk_make(&d->disk, &s->iothreads, mem, stopped, opaque, &log, err);
        if (ret == 0) {
            ret = virtio_mmio_init(&d->transport, vm, d->disk.dev, d->resources.base,
                                   d->resources.gsi, err);
            if (ret < 0) {
                error_prefix(err, ret, "disk %s: ", config->disks[i].name);
            }
        }
    }
    if (ret < 0) {
        storage_destroy(s);
    }
    return ret;
}

bool storage_access(struct storage *s, uint64_t gpa, void *data, unsigned size, bool write)
{
    uint64_t at = gpa - LAYOUT_VIRTIO_MMIO;
    uint64_t offset = at % LAYOUT_VIRTIO_MMIO_SIZE;

    if (at / LAYOUT_VIRTIO_MMIO_SIZE >= s->nr_disks || offset + size > LAYOUT_VIRTIO_MMIO_SIZE) {
        return false;
    }
    virtio_mmio_access(&s->disks[at / LAYOUT_VIRTIO_MMIO_SIZE].transport, (unsigned)offset, data,
                       size, write);
    return true;
}

void storage_parameters(const struct storage *s, char *out, size_t size)
{
    size_t len = 0;

    *out = '\0';
    for (unsigned i = 0; i < s->nr_disks && len < size; i++) {
        const struct acpi_device *p = &s->disks[i].resources;

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

    int ret = virtio_transport_change_config(&s->disks[i].transport.common, update_size, &r);

    return ret == -ETIMEDOUT
               ? error_set(err, ret, "the disk does not answer; its size is unchanged")
               : ret;
}

void storage_stop(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        virtio_transport_stop(&s->disks[i].transport.common);
    }
}

void storage_destroy(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        struct storage_disk *d = &s->disks[i];

        virtio_transport_stop(&d->transport.common);
        virtio_mmio_destroy(&d->transport);
        disk_free_device(&d->disk);
    }
    iothread_set_stop(&s->iothreads);
    for (unsigned i = 0; i < s->nr_disks; i++) {
        disk_close(&s->disks[i].disk);
    }
    memset(s, 0, sizeof(*s));
}

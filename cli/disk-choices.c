// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "blk/disk.h"
#include "cli/disk-choices.h"

const char *disk_cache_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_CACHE_NONE] = "none",
        [DISK_CACHE_WRITEBACK] = "writeback",
        [DISK_CACHE_WRITETHROUGH] = "writethrough",
        [DISK_CACHE_DIRECTSYNC] = "directsync",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

const char *disk_cache_about(unsigned i)
{
    static const char *const about[] = {
        [DISK_CACHE_NONE] =
            "around the host's page cache (O_DIRECT); durable when the guest flushes",
        [DISK_CACHE_WRITEBACK] = "through the page cache; durable when the guest flushes",
        [DISK_CACHE_WRITETHROUGH] = "through the page cache; each write is durable at once",
        [DISK_CACHE_DIRECTSYNC] = "around the page cache; each write is durable at once",
    };

    return about[i];
}

const char *disk_format_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_FORMAT_RAW] = "raw",
        "qcow2",
        "qcow",
        "qed",
        "vmdk",
        "vhdx",
        "vpc",
        "vdi",
        "parallels",
        "bochs",
        "dmg",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

const char *disk_format_about(unsigned i)
{
    return i == DISK_FORMAT_RAW
               ? "the guest gets the file as it is, even if it looks like qcow2 or another format"
               : "served by qemu-nbd";
}

const char *disk_discard_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_DISCARD_IGNORE] = "ignore",
        [DISK_DISCARD_UNMAP] = "unmap",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

const char *disk_discard_about(unsigned i)
{
    static const char *const about[] = {
        [DISK_DISCARD_IGNORE] = "the guest cannot discard",
        [DISK_DISCARD_UNMAP] = "what the guest discards is freed in the image",
    };

    return about[i];
}

const char *disk_detect_name(unsigned i)
{
    static const char *const names[] = {
        [VIRTIO_BLK_DETECT_OFF] = "off",
        [VIRTIO_BLK_DETECT_ON] = "on",
        [VIRTIO_BLK_DETECT_UNMAP] = "unmap",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

const char *disk_detect_about(unsigned i)
{
    static const char *const about[] = {
        [VIRTIO_BLK_DETECT_OFF] = "the zeroes are written",
        [VIRTIO_BLK_DETECT_ON] = "the host is asked for zeroes, which may be faster",
        [VIRTIO_BLK_DETECT_UNMAP] = "the blocks are freed; needs discard=unmap",
    };

    return about[i];
}

const char *disk_werror_name(unsigned i)
{
    static const char *const names[] = {
        [VIRTIO_BLK_REPORT] = "report",
        [VIRTIO_BLK_IGNORE] = "ignore",
        [VIRTIO_BLK_STOP] = "stop",
        [VIRTIO_BLK_ENOSPC] = "enospc",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

/* A read needs no space. */
const char *disk_rerror_name(unsigned i)
{
    return i < VIRTIO_BLK_ENOSPC ? disk_werror_name(i) : NULL;
}

const char *disk_error_about(unsigned i)
{
    static const char *const about[] = {
        [VIRTIO_BLK_REPORT] = "the guest gets an I/O error",
        [VIRTIO_BLK_IGNORE] = "the guest is told that all is well",
        [VIRTIO_BLK_STOP] =
            "the request waits, and the machine of pollux run pauses; SIGCONT tries again",
        [VIRTIO_BLK_ENOSPC] = "stop when the host's disk is full, else report",
    };

    return about[i];
}

const char *disk_transport_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_TRANSPORT_MMIO] = "mmio",
        [DISK_TRANSPORT_PCI] = "pci",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

const char *disk_transport_about(unsigned i)
{
    static const char *const about[] = {
        [DISK_TRANSPORT_MMIO] =
            "virtio-mmio; all queues of a disk share an interrupt of the I/O APIC",
        [DISK_TRANSPORT_PCI] = "virtio-pci; each queue has an MSI-X interrupt of its own",
    };

    return about[i];
}

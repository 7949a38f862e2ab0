// SPDX-License-Identifier: MIT
/* Placement of kernel, command line and initrd in guest memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "kvm/boot-bzimage.h"
#include "kvm/boot-file.h"
#include "kvm/boot-pvh.h"
#include "kvm/boot.h"
#include "kvm/cmdline.h"
#include "kvm/layout.h"

#define PAGE 4096ull

/* Device parameters go first: the kernel does not read options after a lone "--". */
static int place_cmdline(const struct ram *ram, const struct boot_config *config,
                         enum boot_protocol protocol, uint32_t max, struct error *err)
{
    const char *append = config->append ? config->append : "";
    bool add = protocol == BOOT_PVH || cmdline_has(append, "acpi=off");
    const char *devices = add && config->devices ? config->devices : "";
    const char *space = *devices && *append ? " " : "";
    size_t len = strlen(devices) + strlen(space) + strlen(append);
    char *to;

    if (max > LAYOUT_CMDLINE_MAX - 1) {
        max = LAYOUT_CMDLINE_MAX - 1;
    }
    if (len > max) {
        return error_set(err, -E2BIG,
                         "kernel command line of %zu characters, %zu of them for disks: this "
                         "kernel takes %" PRIu32 "; shorten --append",
                         len, strlen(devices), max);
    }
    to = guest_memory_at(&ram->mem, LAYOUT_CMDLINE, len + 1);
    to = stpcpy(to, devices);
    to = stpcpy(to, space);
    stpcpy(to, append);
    return 0;
}

static bool fits_between(uint64_t begin, uint64_t end, uint64_t size)
{
    return size <= end && (end - size) / PAGE * PAGE >= begin;
}

/* The initrd lies as high as kernel and memory allow: the kernel unpacks itself below. */
static int place_initrd(const struct ram *ram, const char *path, const struct boot_image *image,
                        struct boot_data *data, struct error *err)
{
    /* The highest end address, whatever the size of guest memory. */
    uint64_t limit = image->initrd_max < LAYOUT_HOLE ? image->initrd_max + 1 : LAYOUT_HOLE;
    uint64_t top = limit < ram->low ? limit : ram->low;
    struct boot_file b;
    int ret = boot_file_open(&b, "initrd", path, err);

    if (ret < 0) {
        return ret;
    }
    if (!fits_between(image->end, limit, b.size)) {
        ret = error_set(err, -EFBIG,
                        "initrd %s: its %" PRIu64 " MiB do not fit between the kernel and %" PRIu64
                        " MiB, where it must end; more memory does not help: use a smaller one, "
                        "or a disk (root=/dev/vda)",
                        path, (b.size >> 20) + 1, limit >> 20);
    } else if (!fits_between(image->end, top, b.size)) {
        ret = error_set(err, -ENOMEM,
                        "initrd %s: its %" PRIu64 " MiB do not fit beside the kernel; give the "
                        "guest more memory (--memory)",
                        path, (b.size >> 20) + 1);
    } else {
        data->initrd = (top - b.size) / PAGE * PAGE;
        data->initrd_size = b.size;
        ret = boot_file_read(&b, 0, guest_memory_at(&ram->mem, data->initrd, b.size), b.size);
        if (ret < 0) {
            error_set(err, ret, "initrd %s: cannot be read: %s", path,
                      ret == -ENODATA ? "it became shorter" : strerror(-ret));
        }
    }
    boot_file_close(&b);
    return ret;
}

static int load(const struct ram *ram, const struct boot_config *config,
                const struct boot_file *kernel, struct boot_entry *entry, struct error *err)
{
    struct boot_data data = {.cmdline = LAYOUT_CMDLINE, .rsdp = config->rsdp};
    struct boot_image image;
    int ret;

    entry->protocol = BOOT_PVH;
    entry->info = LAYOUT_START_INFO;
    ret = pvh_load(ram, kernel, &image, err);
    if (ret == -ENOEXEC) {
        entry->protocol = BOOT_LINUX64;
        entry->info = LAYOUT_ZERO_PAGE;
        ret = bzimage_load(ram, kernel, &image, err);
    }
    if (ret == -ENOEXEC) {
        return error_set(err, -ENOEXEC,
                         "kernel %s: neither a bzImage nor an ELF file; use the "
                         "/boot/vmlinuz of a distribution",
                         kernel->name);
    }
    if (ret < 0) {
        return ret;
    }
    entry->rip = image.entry;
    ret = place_cmdline(ram, config, entry->protocol, image.cmdline_max, err);
    if (ret == 0 && config->initrd) {
        ret = place_initrd(ram, config->initrd, &image, &data, err);
    }
    if (ret < 0) {
        return ret;
    }
    if (entry->protocol == BOOT_PVH) {
        pvh_finish(ram, &data);
        return 0;
    }
    ret = bzimage_finish(ram, kernel, &data);
    return ret < 0
               ? error_set(err, ret, "kernel %s: cannot be read: %s", kernel->name, strerror(-ret))
               : 0;
}

int boot_load(const struct ram *ram, const struct boot_config *config, struct boot_entry *entry,
              struct error *err)
{
    struct boot_file kernel;
    int ret;

    if (config->kernel) {
        ret = boot_file_open(&kernel, "kernel", config->kernel, err);
    } else {
        ret = boot_file_init(&kernel, "(built in)", config->kernel_data, config->kernel_size, err);
    }
    if (ret < 0) {
        return ret;
    }
    ret = load(ram, config, &kernel, entry, err);
    boot_file_close(&kernel);
    return ret;
}

// SPDX-License-Identifier: MIT
/*
 * Loading of a guest: boot protocol, contents of guest memory, entry state of the first vCPU.
 *
 * The ACPI tables always describe the disks. virtio_mmio.device= parameters on the command line
 * describe the disks as well if the guest may not use ACPI: an ELF kernel (a bare-metal guest reads
 * no tables), or a bzImage with acpi=off. A Linux that is booted as ELF reads both descriptions.
 * Its driver claims the registers of a disk once and refuses the second description.
 */
#ifndef POLLUX_KVM_BOOT_H
#define POLLUX_KVM_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kvm/ram.h"

enum boot_protocol {
    BOOT_LINUX64, /* Documentation/arch/x86/boot.rst, "64-bit boot protocol" */
    BOOT_PVH,     /* xen/include/public/arch-x86/hvm/start_info.h */
};

struct boot_config {
    const char *kernel; /* a path; NULL: @kernel_data */
    const void *kernel_data;
    size_t kernel_size;
    const char *initrd;  /* NULL: none */
    const char *append;  /* NULL: empty */
    const char *devices; /* virtio_mmio.device= parameters; may be empty */
    uint64_t rsdp;       /* guest address of the ACPI root pointer */
};

/* Entry state of the first vCPU. */
struct boot_entry {
    enum boot_protocol protocol;
    uint64_t rip;
    uint64_t info; /* guest address of the zero page (in rsi) or start info (in ebx) */
};

/**
 * boot_load - load kernel and initrd, write the tables of the boot protocol
 * @ram: all bytes are 0
 * Return: 0, or -errno and @err: one line with the file and the cause.
 */
int boot_load(const struct ram *ram, const struct boot_config *config, struct boot_entry *entry,
              struct error *err);

#endif

// SPDX-License-Identifier: MIT
/*
 * Loading a guest: which protocol, what goes where in its memory, and how its first vCPU begins.
 *
 * How guests learn of their disks: the ACPI tables always describe them. On the command line they
 * stand as virtio_mmio.device= parameters when the guest can be expected to lack ACPI: an ELF
 * kernel (a bare-metal guest has none), or a bzImage that is told acpi=off. A Linux that is booted
 * as ELF and reads both finds each disk once: its driver claims the registers for the first and
 * refuses the second.
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
    const char *devices; /* virtio_mmio.device= parameters, may be empty */
    uint64_t rsdp;       /* guest address of the ACPI root pointer */
};

/* How the first vCPU begins. */
struct boot_entry {
    enum boot_protocol protocol;
    uint64_t rip;
    uint64_t info; /* guest address of the zero page (in rsi) or start info (in ebx) */
};

/**
 * boot_load - load kernel and initrd, lay out everything they expect to find
 * @ram:  fresh: all zero
 * Return: 0, or -errno and @err: one line that names the file and what is wrong with it.
 */
int boot_load(const struct ram *ram, const struct boot_config *config, struct boot_entry *entry,
              struct error *err);

#endif

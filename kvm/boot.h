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

#include <stdint.h>

#include "base/error.h"
#include "kvm/boot-file.h"
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

/* --- between the parts of the loader --- */

#define BOOT_RANGE_RAM      1
#define BOOT_RANGE_RESERVED 2
#define BOOT_RANGES_MAX     8

struct boot_range {
    uint64_t addr, size;
    uint32_t type;
};

/**
 * boot_memory_map - the guest's memory, ascending
 * Return: how many of @out were filled.
 */
unsigned boot_memory_map(const struct ram *ram, struct boot_range out[BOOT_RANGES_MAX]);

/* What a loader hands on. */
struct boot_image {
    uint64_t entry;
    uint64_t end;         /* first address that the kernel does not need */
    uint64_t initrd_max;  /* last address that the initrd may use */
    uint32_t cmdline_max; /* characters, without the final 0 */
};

/* Where boot_load() put the rest. */
struct boot_placed {
    uint64_t initrd, initrd_size; /* size 0: none */
    uint64_t cmdline;
    uint64_t rsdp;
};

/* -ENOEXEC: not this kind of file; then @err is not filled. */
int bzimage_load(const struct ram *ram, const struct boot_file *kernel, struct boot_image *image,
                 struct error *err);
int bzimage_finish(const struct ram *ram, const struct boot_file *kernel,
                   const struct boot_placed *placed);
int pvh_load(const struct ram *ram, const struct boot_file *kernel, struct boot_image *image,
             struct error *err);
void pvh_finish(const struct ram *ram, const struct boot_placed *placed);

#endif

// SPDX-License-Identifier: MIT
/* The guest's physical memory map, as either boot protocol hands it to the kernel. */
#ifndef POLLUX_KVM_BOOT_MEMORY_MAP_H
#define POLLUX_KVM_BOOT_MEMORY_MAP_H

#include <stdint.h>

#include "kvm/ram.h"

/* Range types; the numbers of E820 and of PVH are the same. */
#define BOOT_RANGE_RAM      1
#define BOOT_RANGE_RESERVED 2
#define BOOT_RANGES_MAX     8

struct boot_range {
    uint64_t addr, size;
    uint32_t type;
};

/**
 * boot_memory_map - list the ranges of guest memory in ascending order
 * Return: the number of ranges written to @out.
 */
unsigned boot_memory_map(const struct ram *ram, struct boot_range out[BOOT_RANGES_MAX]);

#endif

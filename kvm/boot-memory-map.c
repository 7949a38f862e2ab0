// SPDX-License-Identifier: MIT
/* The map has no entry for the device hole; boot data lies in RAM below 1 MiB. */
#include "kvm/boot-memory-map.h"
#include "kvm/layout.h"

unsigned boot_memory_map(const struct ram *ram, struct boot_range out[BOOT_RANGES_MAX])
{
    unsigned n = 0;

    out[n++] = (struct boot_range){0, LAYOUT_LOW_END, BOOT_RANGE_RAM};
    out[n++] =
        (struct boot_range){LAYOUT_LOW_END, LAYOUT_HIGH - LAYOUT_LOW_END, BOOT_RANGE_RESERVED};
    out[n++] = (struct boot_range){LAYOUT_HIGH, ram->low - LAYOUT_HIGH, BOOT_RANGE_RAM};
    if (ram->high) {
        out[n++] = (struct boot_range){LAYOUT_HOLE_END, ram->high, BOOT_RANGE_RAM};
    }
    return n;
}

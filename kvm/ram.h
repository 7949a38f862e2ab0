// SPDX-License-Identifier: MIT
/* The guest's RAM: one host mapping, seen by the guest below and above the device hole. */
#ifndef POLLUX_KVM_RAM_H
#define POLLUX_KVM_RAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtq/guest-memory.h"

struct ram {
    uint64_t size;
    uint64_t low;  /* bytes at guest address 0 */
    uint64_t high; /* bytes at LAYOUT_HOLE_END; 0 if guest memory fits below the hole */
    uint8_t *hva;  /* host address of both parts, low first; NULL: not mapped */
    int memfd;     /* -1 if not shared */
    struct guest_memory mem;
};

/**
 * ram_init - map @size bytes and fill @ram->mem
 * @size:   bytes, a multiple of 4096
 * @shared: from a memfd, so that another process can map it
 * Return: 0, or -errno and @err; ram_destroy() releases.
 */
int ram_init(struct ram *ram, uint64_t size, bool shared, struct error *err);

/**
 * ram_destroy - unmap; has no effect if @ram is all zeroes or was destroyed
 */
void ram_destroy(struct ram *ram);

#endif

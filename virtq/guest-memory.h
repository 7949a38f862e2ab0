// SPDX-License-Identifier: MIT
/*
 * Guest physical memory as the host sees it.
 *
 * A guest address is translated together with a length and never in part: what does not lie wholly
 * inside one region does not exist. The table is filled before the first vCPU or I/O thread looks
 * at it and does not change afterwards, so reading it needs no lock.
 */
#ifndef POLLUX_VIRTQ_GUEST_MEMORY_H
#define POLLUX_VIRTQ_GUEST_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GUEST_MEMORY_REGIONS 8

struct guest_region {
    uint64_t gpa;
    uint64_t size;
    uint8_t *hva;
};

/* All zeroes before the first region is added: a region of size 0 has nothing. */
struct guest_memory {
    unsigned nr;
    struct guest_region regions[GUEST_MEMORY_REGIONS]; /* the largest, or most used, first */
};

/**
 * guest_memory_add - add a region
 * Return: 0, -EINVAL if it is empty, wraps around or overlaps another, -ENOSPC if the table is
 * full.
 */
int guest_memory_add(struct guest_memory *mem, uint64_t gpa, uint64_t size, void *hva);

/* Does it have @len > 0 bytes at @off? What is below the region has wrapped to a large @off. */
static inline bool guest_region_has(const struct guest_region *r, uint64_t off, uint64_t len)
{
    return off < r->size && len - 1 < r->size - off;
}

/* guest_memory_find - guest_memory_at() for what is not in the first region */
void *guest_memory_find(const struct guest_memory *mem, uint64_t gpa, uint64_t len);

/**
 * guest_memory_at - the host address of @len bytes at guest address @gpa
 * Context: any thread.
 * Return: the address, valid as long as @mem; NULL if any of the bytes is not guest memory, or
 *         gpa + len overflows, or @len is 0.
 */
static inline void *guest_memory_at(const struct guest_memory *mem, uint64_t gpa, uint64_t len)
{
    const struct guest_region *r = mem->regions;
    uint64_t off = gpa - r->gpa;

    if (__builtin_expect(guest_region_has(r, off, len), 1)) {
        return r->hva + off;
    }
    return guest_memory_find(mem, gpa, len);
}

/**
 * guest_memory_copy - take a private copy of what the guest wrote
 * Never reads @src again once it has returned, whatever the compiler thinks of that: what is
 * checked in the copy stays checked.
 */
static inline void guest_memory_copy(void *dst, const void *src, size_t len)
{
    memcpy(dst, src, len);
    atomic_signal_fence(memory_order_seq_cst);
}

#endif

// SPDX-License-Identifier: MIT
/*
 * Guest physical memory as the host sees it.
 *
 * A guest address is translated together with a length: the whole range must be inside one region.
 * Reading the table needs no lock: it is changed only while no vCPU and no I/O thread looks at it.
 */
#ifndef POLLUX_VIRTQ_GUEST_MEMORY_H
#define POLLUX_VIRTQ_GUEST_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GUEST_MEMORY_REGIONS 64

struct guest_region {
    uint64_t gpa;
    uint64_t size;
    uint8_t *hva;
};

/* All zeroes before the first region is added: a region of size 0 has nothing. */
struct guest_memory {
    unsigned nr;
    struct guest_region regions[GUEST_MEMORY_REGIONS];
};

/**
 * guest_memory_add - add a region
 * Return: 0, -EINVAL if it is empty, wraps around or overlaps another, -ENOSPC if the table is
 * full.
 */
int guest_memory_add(struct guest_memory *mem, uint64_t gpa, uint64_t size, void *hva);

/* Does it have @len > 0 bytes at @off? An address below the region has wrapped to a large @off. */
static inline bool guest_region_has(const struct guest_region *r, uint64_t off, uint64_t len)
{
    return off < r->size && len - 1 < r->size - off;
}

/**
 * guest_memory_remove - take out the region that begins at @gpa and has @size bytes
 * Return: 0, or -ENOENT if there is none.
 */
int guest_memory_remove(struct guest_memory *mem, uint64_t gpa, uint64_t size);

/**
 * guest_memory_find - the region that has all of @len bytes at @gpa
 * Return: NULL if there is none.
 */
const struct guest_region *guest_memory_find(const struct guest_memory *mem, uint64_t gpa,
                                             uint64_t len);

/**
 * guest_memory_at - the host address of @len bytes at guest address @gpa
 * Context: any thread.
 * Return: the address, valid as long as @mem; NULL if any of the bytes is not guest memory, or
 *         gpa + len overflows, or @len is 0.
 */
static inline void *guest_memory_at(const struct guest_memory *mem, uint64_t gpa, uint64_t len)
{
    const struct guest_region *r = guest_memory_find(mem, gpa, len);

    return r ? r->hva + (gpa - r->gpa) : NULL;
}

/**
 * guest_memory_lookup - guest_memory_at() for frequent use
 * @cache: the region of the last answer; a queue has its own, so that no two threads write it. It
 *         begins as mem->regions, also after @mem has changed.
 */
static inline void *guest_memory_lookup(const struct guest_memory *mem,
                                        const struct guest_region **cache, uint64_t gpa,
                                        uint64_t len)
{
    const struct guest_region *r = *cache;
    uint64_t off = gpa - r->gpa;

    if (__builtin_expect(!guest_region_has(r, off, len), 0)) {
        r = guest_memory_find(mem, gpa, len);
        if (!r) {
            return NULL;
        }
        *cache = r;
        off = gpa - r->gpa;
    }
    return r->hva + off;
}

/**
 * guest_memory_copy - take a private copy of what the guest wrote
 * The compiler cannot read @src again after the call, so a check of the copy stays valid.
 */
static inline void guest_memory_copy(void *dst, const void *src, size_t len)
{
    memcpy(dst, src, len);
    atomic_signal_fence(memory_order_seq_cst);
}

#endif

// SPDX-License-Identifier: MIT
#include <errno.h>

#include "virtq/guest-memory.h"

int guest_memory_add(struct guest_memory *mem, uint64_t gpa, uint64_t size, void *hva)
{
    if (size == 0 || size - 1 > UINT64_MAX - gpa) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < mem->nr; i++) {
        const struct guest_region *r = &mem->regions[i];

        if (gpa <= r->gpa + (r->size - 1) && r->gpa <= gpa + (size - 1)) {
            return -EINVAL;
        }
    }
    if (mem->nr == GUEST_MEMORY_REGIONS) {
        return -ENOSPC;
    }
    mem->regions[mem->nr++] = (struct guest_region){.gpa = gpa, .size = size, .hva = hva};
    return 0;
}

int guest_memory_remove(struct guest_memory *mem, uint64_t gpa, uint64_t size)
{
    for (unsigned i = 0; i < mem->nr; i++) {
        struct guest_region *r = &mem->regions[i];

        if (r->gpa == gpa && r->size == size) {
            *r = mem->regions[--mem->nr];
            mem->regions[mem->nr] = (struct guest_region){0};
            return 0;
        }
    }
    return -ENOENT;
}

const struct guest_region *guest_memory_find(const struct guest_memory *mem, uint64_t gpa,
                                             uint64_t len)
{
    for (unsigned i = 0; i < mem->nr; i++) {
        const struct guest_region *r = &mem->regions[i];

        if (guest_region_has(r, gpa - r->gpa, len)) {
            return r;
        }
    }
    return NULL;
}

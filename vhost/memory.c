// SPDX-License-Identifier: MIT
/* The table of memory regions that a front end has given. */
#include <errno.h>
#include <inttypes.h>

#include "vhost/memory.h"

#define PAGE 4096u

static bool overlaps_user(const struct vhost_memory *m, const struct vhost_region *region)
{
    for (unsigned i = 0; i < m->nr; i++) {
        const struct vhost_region *r = &m->regions[i].at;

        if (region->user_addr <= r->user_addr + (r->size - 1) &&
            r->user_addr <= region->user_addr + (region->size - 1)) {
            return true;
        }
    }
    return false;
}

int vhost_memory_add(struct vhost_memory *m, const struct vhost_region *region, int fd, int wake_fd,
                     struct error *err)
{
    struct vhost_memory_region *r = &m->regions[m->nr];
    int ret;

    if (m->nr == GUEST_MEMORY_REGIONS) {
        return error_set(err, -ENOSPC, "more than %d memory regions", GUEST_MEMORY_REGIONS);
    }
    if (region->size == 0 || region->size - 1 > UINT64_MAX - region->user_addr ||
        overlaps_user(m, region)) {
        return error_set(err, -EINVAL,
                         "memory region at 0x%" PRIx64 " of the front end overlaps another one",
                         region->user_addr);
    }
    /* A ring that is aligned in the guest has to be aligned here. */
    if ((region->gpa ^ region->mmap_offset) % PAGE) {
        return error_set(err, -EINVAL,
                         "memory region at guest address 0x%" PRIx64 " is at 0x%" PRIx64
                         " of its file, which is another place in a page",
                         region->gpa, region->mmap_offset);
    }
    ret = shared_map_open(&r->map, fd, region->mmap_offset, region->size, wake_fd, err);
    if (ret < 0) {
        return ret;
    }
    ret = guest_memory_add(&m->guest, region->gpa, region->size, r->map.data);
    if (ret < 0) {
        shared_map_close(&r->map);
        return error_set(err, ret, "memory region at guest address 0x%" PRIx64 " overlaps another",
                         region->gpa);
    }
    r->at = *region;
    m->nr++;
    return 0;
}

static void remove_at(struct vhost_memory *m, unsigned i)
{
    struct vhost_memory_region *r = &m->regions[i];

    guest_memory_remove(&m->guest, r->at.gpa, r->at.size);
    shared_map_close(&r->map);
    *r = m->regions[--m->nr];
    m->regions[m->nr] = (struct vhost_memory_region){0};
}

int vhost_memory_remove(struct vhost_memory *m, const struct vhost_region *region,
                        struct error *err)
{
    for (unsigned i = 0; i < m->nr; i++) {
        const struct vhost_region *at = &m->regions[i].at;

        if (at->gpa == region->gpa && at->size == region->size &&
            at->user_addr == region->user_addr) {
            remove_at(m, i);
            return 0;
        }
    }
    return error_set(err, -ENOENT, "there is no memory region at guest address 0x%" PRIx64,
                     region->gpa);
}

void vhost_memory_clear(struct vhost_memory *m)
{
    while (m->nr) {
        remove_at(m, m->nr - 1);
    }
}

bool vhost_memory_to_gpa(const struct vhost_memory *m, uint64_t user_addr, uint64_t *gpa)
{
    for (unsigned i = 0; i < m->nr; i++) {
        const struct vhost_region *r = &m->regions[i].at;

        if (user_addr - r->user_addr < r->size) {
            *gpa = r->gpa + (user_addr - r->user_addr);
            return true;
        }
    }
    return false;
}

bool vhost_memory_lost(const struct vhost_memory *m)
{
    for (unsigned i = 0; i < m->nr; i++) {
        if (shared_map_lost(&m->regions[i].map)) {
            return true;
        }
    }
    return false;
}

// SPDX-License-Identifier: MIT
/*
 * The guest memory that a front end has given: regions of files, each with its guest address, which
 * the guest uses, and its address in the front end, which messages about rings use.
 */
#ifndef POLLUX_VHOST_MEMORY_H
#define POLLUX_VHOST_MEMORY_H

#include "vhost/protocol.h"
#include "vhost/shared-map.h"
#include "virtq/guest-memory.h"

struct vhost_memory_region {
    struct vhost_region at;
    struct shared_map map;
};

/* All zeroes before the first region. */
struct vhost_memory {
    struct guest_memory guest;
    unsigned nr;
    struct vhost_memory_region regions[GUEST_MEMORY_REGIONS];
};

/*
 * All queues are stopped while one of these changes the memory.
 * Context: the session's thread.
 */

/**
 * vhost_memory_add - map a region of the file @fd, which can be closed afterwards
 * Return: 0, or -errno and @err: as shared_map_open(), or it overlaps another one in the guest or
 *         in the front end, or the table is full.
 */
int vhost_memory_add(struct vhost_memory *m, const struct vhost_region *region, int fd, int wake_fd,
                     struct error *err);

/**
 * vhost_memory_remove - unmap the region with these addresses and this size
 * Return: 0, or -ENOENT and @err.
 */
int vhost_memory_remove(struct vhost_memory *m, const struct vhost_region *region,
                        struct error *err);

void vhost_memory_clear(struct vhost_memory *m);

/**
 * vhost_memory_to_gpa - the guest address of an address in the front end
 * Return: whether there is one; then it is in @gpa.
 */
bool vhost_memory_to_gpa(const struct vhost_memory *m, uint64_t user_addr, uint64_t *gpa);

/**
 * vhost_memory_lost - has the file of a region been cut?
 */
bool vhost_memory_lost(const struct vhost_memory *m);

#endif

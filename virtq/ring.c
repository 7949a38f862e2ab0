// SPDX-License-Identifier: MIT
/* Host addresses of the parts of a ring and of indirect tables. */
#include "virtq/ring.h"

void *virtq_ring_at(struct virtqueue *vq, uint64_t gpa, uint64_t align, uint64_t size,
                    const char *what)
{
    void *hva = gpa % align ? NULL : guest_memory_at(vq->mem, gpa, size);

    if (!hva) {
        virtq_broken(vq, what, 0, 0, gpa);
    }
    return hva;
}

const void *virtq_indirect_table(struct virtqueue *vq, uint16_t head, uint16_t i, uint64_t addr,
                                 uint32_t len)
{
    const void *table;

    _Static_assert(sizeof(struct vring_desc) == sizeof(struct vring_packed_desc),
                   "indirect tables of both formats have entries of the same size");
    if (!vq->indirect) {
        virtq_broken(vq, "indirect descriptor without the feature", head, i, addr);
        return NULL;
    }
    if (len == 0 || len % sizeof(struct vring_desc)) {
        virtq_broken(vq, "size of an indirect table is wrong", head, i, len);
        return NULL;
    }
    table = guest_memory_lookup(vq->mem, &vq->region, addr, len);
    if (!table) {
        virtq_broken(vq, "indirect table outside memory", head, i, addr);
    }
    return table;
}

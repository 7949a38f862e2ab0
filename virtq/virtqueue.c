// SPDX-License-Identifier: MIT
/* What a virtqueue does in the same way whatever its format. */
#include "base/barrier.h"
#include "virtq/ring.h"

int virtq_broken(struct virtqueue *vq, const char *what, uint16_t head, uint16_t desc,
                 uint64_t addr)
{
    if (!vq->fault.what) {
        vq->fault = (struct virtq_fault){.what = what, .head = head, .desc = desc, .addr = addr};
    }
    return -EINVAL;
}

int virtq_break(struct virtqueue *vq, const char *what, uint16_t head)
{
    return virtq_broken(vq, what, head, head, 0);
}

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
                   "tables of both formats have entries of one size");
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

int virtq_start(struct virtqueue *vq, const struct guest_memory *mem)
{
    int r;

    vq->mem = mem;
    vq->region = mem->regions;
    vq->fault = (struct virtq_fault){0};
    r = vq->packed ? virtq_packed_start(vq) : virtq_split_start(vq);
    if (r == 0) {
        virtq_unsuppress(vq);
    }
    return r;
}

void virtq_stop(struct virtqueue *vq)
{
    if (vq->desc) {
        vq->base = virtq_split_position(vq);
    } else if (vq->packed_ring.next) {
        vq->base = virtq_packed_position(vq);
    }
    vq->ready = false;
    vq->desc = NULL;
    store_relaxed(&vq->avail, NULL);
    vq->used = NULL;
    virtq_packed_stop(vq);
    vq->fault = (struct virtq_fault){0};
}

bool virtq_not_taken(const struct virtqueue *vq, uint16_t *at)
{
    *at = load_relaxed(&vq->last_avail);
    return !load_relaxed(&vq->suppressed) &&
           (virtq_split_not_taken(vq, *at) || virtq_packed_not_taken(vq));
}

// SPDX-License-Identifier: MIT
/* Start, stop and faults of a virtqueue of either format. */
#include <errno.h>

#include "base/barrier.h"
#include "virtq/virtqueue.h"

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

int virtq_start(struct virtqueue *vq, const struct guest_memory *mem)
{
    int ret;

    vq->mem = mem;
    vq->region = mem->regions;
    vq->fault = (struct virtq_fault){0};
    ret = vq->packed ? virtq_packed_start(vq) : virtq_split_start(vq);
    if (ret == 0) {
        virtq_unsuppress(vq);
    }
    return ret;
}

void virtq_stop(struct virtqueue *vq)
{
    if (vq->avail) {
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

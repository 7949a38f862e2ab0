// SPDX-License-Identifier: MIT
/*
 * What both formats of the ring share: checks of guest addresses, and how a queue breaks. For
 * split.c and packed.c only.
 */
#ifndef POLLUX_VIRTQ_RING_H
#define POLLUX_VIRTQ_RING_H

#include <errno.h>
#include <linux/virtio_ring.h>

#include "virtq/virtqueue.h"

/**
 * virtq_broken - keep the queue's first fault; fields as in struct virtq_fault
 * Return: -EINVAL.
 */
int virtq_broken(struct virtqueue *vq, const char *what, uint16_t head, uint16_t desc,
                 uint64_t addr);

/**
 * virtq_ring_at - the host address of a part of the ring
 * Return: NULL if it is not aligned or not wholly in guest memory; the queue is broken with @what.
 */
void *virtq_ring_at(struct virtqueue *vq, uint64_t gpa, uint64_t align, uint64_t size,
                    const char *what);

/**
 * virtq_indirect_table - the host address of an indirect table, whole descriptors of guest memory
 * Return: NULL if it is none, or was not negotiated; the queue is broken.
 */
const void *virtq_indirect_table(struct virtqueue *vq, uint16_t head, uint16_t i, uint64_t addr,
                                 uint32_t len);

/**
 * virtq_add_buffer - check the copy of a descriptor and add its buffer to the chain
 * @i: where it was found
 * Return: 0 or -EINVAL: the queue is broken.
 */
static inline int virtq_add_buffer(struct virtqueue *vq, struct virtq_chain *chain, uint16_t i,
                                   uint64_t addr, uint32_t len, uint16_t flags)
{
    unsigned n = chain->nr_out + chain->nr_in;
    bool in = flags & VRING_DESC_F_WRITE;
    void *hva;

    if (n == VIRTQ_IOV_MAX) {
        return virtq_broken(vq, "chain has too many buffers", chain->head, i, 0);
    }
    if (!in && chain->nr_in) {
        return virtq_broken(vq, "readable buffer after a writable one", chain->head, i, 0);
    }
    if (len == 0) {
        return virtq_broken(vq, "empty buffer", chain->head, i, addr);
    }
    hva = guest_memory_at(vq->mem, addr, len);
    if (!hva) {
        return virtq_broken(vq, "buffer outside memory", chain->head, i, addr);
    }
    chain->iov[n] = (struct iovec){.iov_base = hva, .iov_len = len};
    if (in) {
        chain->nr_in++;
    } else {
        chain->nr_out++;
    }
    return 0;
}

#endif

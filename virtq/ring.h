// SPDX-License-Identifier: MIT
/*
 * Shared by split.c and packed.c: the checks of guest addresses, and the gathering of a chain's
 * buffers.
 */
#ifndef POLLUX_VIRTQ_RING_H
#define POLLUX_VIRTQ_RING_H

#include <errno.h>
#include <linux/virtio_ring.h>

#include "virtq/virtqueue.h"

/**
 * virtq_ring_at - the host address of a part of the ring
 * @size: bytes
 * Return: NULL if @gpa is not aligned or the part is not wholly in guest memory; the queue is
 *         broken with @what.
 */
void *virtq_ring_at(struct virtqueue *vq, uint64_t gpa, uint64_t align, uint64_t size,
                    const char *what);

/**
 * virtq_indirect_table - the host address of the indirect table of descriptor @i
 * @len: bytes
 * Return: NULL if @len is no multiple of a descriptor's size, the table is not wholly in guest
 *         memory, or indirect descriptors were not negotiated; the queue is broken.
 */
const void *virtq_indirect_table(struct virtqueue *vq, uint16_t head, uint16_t i, uint64_t addr,
                                 uint32_t len);

/* A chain that is being gathered. Only inline code uses it, so the compiler keeps it in
 * registers. */
struct virtq_gather {
    struct virtq_chain *chain; /* its head is set */
    struct iovec *next;        /* for the next buffer */
    struct iovec *first_in;    /* first buffer that the device writes; @next if there is none yet */
    uint64_t bytes, out_bytes;
};

static inline struct virtq_gather virtq_gather_begin(struct virtq_chain *chain, uint16_t head)
{
    chain->head = head;
    return (struct virtq_gather){.chain = chain, .next = chain->iov, .first_in = chain->iov};
}

/**
 * virtq_add_buffer - check the copy of a descriptor and add its buffer to the chain
 * @i: index of the descriptor, for the fault
 * Return: 0, or -EINVAL: the queue is broken.
 */
static inline __attribute__((always_inline)) int virtq_add_buffer(struct virtqueue *vq,
                                                                  struct virtq_gather *g,
                                                                  uint16_t i, uint64_t addr,
                                                                  uint32_t len, uint16_t flags)
{
    void *hva;

    if (g->next == g->chain->iov + VIRTQ_IOV_MAX) {
        return virtq_broken(vq, "chain has too many buffers", g->chain->head, i, 0);
    }
    if (!(flags & VRING_DESC_F_WRITE)) {
        if (g->first_in != g->next) {
            return virtq_broken(vq, "readable buffer after a writable one", g->chain->head, i, 0);
        }
        g->first_in++;
        g->out_bytes += len;
    }
    if (len == 0) {
        return virtq_broken(vq, "empty buffer", g->chain->head, i, addr);
    }
    hva = guest_memory_lookup(vq->mem, &vq->region, addr, len);
    if (!hva) {
        return virtq_broken(vq, "buffer outside memory", g->chain->head, i, addr);
    }
    g->next->iov_base = hva;
    g->next->iov_len = len;
    g->next++;
    g->bytes += len;
    return 0;
}

static inline void virtq_gather_end(const struct virtq_gather *g)
{
    struct virtq_chain *chain = g->chain;

    chain->nr_out = (uint16_t)(g->first_in - chain->iov);
    chain->nr_in = (uint16_t)(g->next - g->first_in);
    chain->out_bytes = g->out_bytes;
    chain->in_bytes = g->bytes - g->out_bytes;
}

#endif

// SPDX-License-Identifier: MIT
/*
 * ring-split.c - building the chains of a split virtqueue
 */
#include "guest-images/bench/ring-split.h"

#define HEADER_BYTES 16
#define CHAIN        3

unsigned split_stride(unsigned depth, unsigned max, bool indirect)
{
    if (indirect) {
        return depth <= max ? 1 : 0;
    }
    if (depth * (CHAIN + 1) <= max) {
        return CHAIN + 1;
    }
    return depth * CHAIN <= max ? CHAIN : 0;
}

void split_init(struct ring *ring, unsigned stride, bool indirect, uint64_t buffers,
                uint64_t buffer_step, uint32_t bs, enum request_type type)
{
    struct ring_memory *memory = ring->memory;

    ring->reciprocal = 65536 / stride + (65536 % stride != 0);
    for (unsigned i = 0; i < ring->depth; i++) {
        struct request *request = &ring->requests[i];
        uint16_t head = (uint16_t)(i * stride), base = indirect ? 0 : head;
        struct ring_desc *chain = indirect ? memory->indirect[i] : &memory->desc[head];

        chain[0] = (struct ring_desc){(uintptr_t)request, HEADER_BYTES, DESC_NEXT, base + 1};
        chain[1] = (struct ring_desc){buffers + i * buffer_step, bs, DESC_NEXT, base + 2};
        chain[2] = (struct ring_desc){(uintptr_t)&request->status, 1, DESC_WRITE, 0};
        if (indirect) {
            memory->desc[head] = (struct ring_desc){
                (uintptr_t)chain, CHAIN * sizeof(struct ring_desc), DESC_INDIRECT, 0};
        }
        request->data = (uint64_t *)(buffers + i * buffer_step);
        request->head = head;
        request->status = STATUS_UNTAKEN;
        split_set_type(ring, request, type);
    }
    memory->avail.flags = AVAIL_NO_INTERRUPT;
    ring->used_event = 0x8000;
    *ring_used_event(ring) = ring->used_event;
}

void split_set_type(struct ring *ring, struct request *request, enum request_type type)
{
    struct ring_desc *chain = &ring->memory->desc[request->head];

    if (chain->flags & DESC_INDIRECT) {
        chain = (struct ring_desc *)(uintptr_t)chain->addr;
    }

    request->type = type;
    request->used_len = type == REQUEST_READ ? chain[1].len + 1 : 1;
    chain[1].flags = type == REQUEST_READ ? DESC_NEXT | DESC_WRITE : DESC_NEXT;
    chain[0].next = type == REQUEST_FLUSH ? chain[1].next : chain[1].next - 1;
}

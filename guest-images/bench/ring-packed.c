// SPDX-License-Identifier: MIT
/*
 * ring-packed.c - building the chains of a packed virtqueue
 */
#include "guest-images/bench/ring-packed.h"

#define HEADER_BYTES 16

void packed_init(struct ring *ring, uint64_t buffers, uint64_t buffer_step, uint32_t bs,
                 enum request_type type)
{
    for (unsigned i = 0; i < ring->depth; i++) {
        struct request *request = &ring->requests[i];
        struct ring_desc *chain = ring->memory->indirect[i];

        chain[0] = (struct ring_desc){(uintptr_t)request, HEADER_BYTES, DESC_NEXT, 1};
        chain[1] = (struct ring_desc){buffers + i * buffer_step, bs, DESC_NEXT, 2};
        chain[2] = (struct ring_desc){(uintptr_t)&request->status, 1, DESC_WRITE, 0};
        request->data = (uint64_t *)(buffers + i * buffer_step);
        request->head = (uint16_t)i;
        request->status = STATUS_UNTAKEN;
        packed_set_type(ring, request, type);
    }
    ring->avail_bits = PACKED_AVAIL;
    ring->used_bits = PACKED_BOTH;
    packed_set_event(ring, EVENT_DISABLE);
}

void packed_set_type(struct ring *ring, struct request *request, enum request_type type)
{
    struct ring_desc *chain = ring->memory->indirect[request->head];

    request->type = type;
    request->used_len = type == REQUEST_READ ? chain[1].len + 1 : 1;
    request->descs = type == REQUEST_FLUSH ? 2 : 3;
    chain[1].flags = type == REQUEST_READ ? DESC_NEXT | DESC_WRITE : DESC_NEXT;
    chain[0].next = type == REQUEST_FLUSH ? 2 : 1;
}

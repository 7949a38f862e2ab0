// SPDX-License-Identifier: MIT
/*
 * ring-split.h - driver side of a split virtqueue (virtio 1.3, 2.7); ring.h chooses
 *
 * Chains are built once, by split_init(): header, data, status. A request's chain begins at
 * descriptor slot * stride and never moves, so a submission writes the header, one entry of
 * the avail ring and its index, and nothing else. With a stride of four descriptors, each chain
 * has a cache line of its own, which the device reads and no CPU writes.
 *
 * ring.h describes the functions, and chooses between them and those of ring-packed.h.
 */
#ifndef GUEST_IMAGES_BENCH_RING_SPLIT_H
#define GUEST_IMAGES_BENCH_RING_SPLIT_H

#include "guest-images/bench/bench-guest.h"
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/request.h"

#define RING_MAX_SIZE 1024

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

#define AVAIL_NO_INTERRUPT 1
#define USED_NO_NOTIFY     1

struct ring_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct ring_avail {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[RING_MAX_SIZE + 1]; /* used_event follows the last entry in use */
};

struct ring_used {
    uint16_t flags;
    uint16_t idx;
    struct ring_used_entry {
        uint32_t id;
        uint32_t len;
    } ring[RING_MAX_SIZE + 1]; /* avail_event follows the last entry in use */
};

/* The areas of a split ring whose addresses the driver writes to the device. */
struct ring_memory {
    struct ring_desc desc[RING_MAX_SIZE] __attribute__((aligned(4096)));
    struct ring_desc indirect[BENCH_MAX_DEPTH][4] __attribute__((aligned(64)));
    struct ring_avail avail __attribute__((aligned(64)));
    struct ring_used used __attribute__((aligned(64)));
};

struct ring {
    struct ring_memory *memory;
    struct request *requests;
    uint32_t reciprocal; /* head * reciprocal >> 16 is the slot */
    uint16_t depth;
    uint16_t size;
    uint16_t stride; /* descriptors that a request takes */
    bool event_idx, packed;
    uint16_t avail_next; /* where split_add() writes */
    uint16_t published;  /* avail->idx as the device can see it */
    uint16_t taken;      /* used entries taken so far */
    uint16_t used_event; /* last one written */
    uint64_t notify;     /* QUEUE_NOTIFY's address */
    uint32_t index;      /* of the queue: what is written there */
    uint64_t kicks;
    /* of a packed ring */
    struct packed_desc *first; /* of what is added and not published */
    uint16_t first_flags;
    uint16_t added; /* descriptors */
    uint16_t avail_pos, avail_bits, used_pos, used_bits;
};

/* Descriptors that one request takes in a ring of at most @max, 0 if @depth do not fit. */
unsigned split_stride(unsigned depth, unsigned max, bool indirect);

/**
 * split_init - build all chains
 * @ring:     caller has set memory, requests, size, depth, event_idx, notify, index
 * @stride:   from split_stride()
 * @indirect: put chains into tables of their own
 * @buffers:  first data buffer, the next is @buffer_step bytes on
 * @bs:       bytes of data in a request
 * @type:     what all requests are at first
 *
 * No interrupt is asked for until split_arm().
 */
void split_init(struct ring *ring, unsigned stride, bool indirect, uint64_t buffers,
                uint64_t buffer_step, uint32_t bs, enum request_type type);

void split_set_type(struct ring *ring, struct request *request, enum request_type type);

static inline volatile uint16_t *ring_used_event(const struct ring *ring)
{
    return &ring->memory->avail.ring[ring->size];
}

static inline uint16_t ring_avail_event(const struct ring *ring)
{
    return *(volatile uint16_t *)&ring->memory->used.ring[ring->size];
}

static inline void split_add(struct ring *ring, const struct request *request)
{
    ring->memory->avail.ring[ring->avail_next++ & (ring->size - 1)] = request->head;
}

static inline void split_publish(struct ring *ring)
{
    uint16_t old = ring->published, now = ring->avail_next;
    bool kick;

    __atomic_store_n(&ring->memory->avail.idx, now, __ATOMIC_RELEASE);
    ring->published = now;

    /* Pairs with the device's fence between re-enabling notifications and looking at avail->idx:
     * one of the two sees what the other has written (2.7.13.4.1). */
    store_load_fence();
    if (ring->event_idx) {
        kick = (uint16_t)(now - ring_avail_event(ring) - 1) < (uint16_t)(now - old);
    } else {
        kick = !(*(volatile uint16_t *)&ring->memory->used.flags & USED_NO_NOTIFY);
    }
    if (kick) {
        ring->kicks++;
        mmio_write32(ring->notify, ring->index);
    }
}

static inline uint16_t split_pending(const struct ring *ring)
{
    return (uint16_t)(__atomic_load_n(&ring->memory->used.idx, __ATOMIC_ACQUIRE) - ring->taken);
}

static inline void split_prefetch(const struct ring *ring, uint16_t ahead)
{
    uint16_t index = (uint16_t)(ring->taken + ahead) & (ring->size - 1);
    uint32_t slot = (uint16_t)ring->memory->used.ring[index].id * ring->reciprocal >> 16;

    if (likely(slot < ring->depth)) {
        prefetch_to_write(&ring->requests[slot]);
    }
}

static inline struct request *split_take(struct ring *ring, uint32_t *len)
{
    const struct ring_used_entry *entry = &ring->memory->used.ring[ring->taken & (ring->size - 1)];
    uint32_t id = entry->id;
    uint32_t slot = (uint16_t)id * ring->reciprocal >> 16;
    struct request *request = &ring->requests[slot];

    if (unlikely(slot >= ring->depth || request->head != id)) {
        return NULL;
    }
    *len = entry->len;
    ring->taken++;
    return request;
}

static inline bool split_arm(struct ring *ring)
{
    if (ring->event_idx) {
        *ring_used_event(ring) = ring->taken;
    } else {
        *(volatile uint16_t *)&ring->memory->avail.flags = 0;
    }
    /* Pairs with the device's fence between used->idx and the look at used_event or flags. */
    store_load_fence();
    return split_pending(ring) != 0;
}

static inline void split_disarm(struct ring *ring)
{
    if (!ring->event_idx) {
        *(volatile uint16_t *)&ring->memory->avail.flags = AVAIL_NO_INTERRUPT;
    }
}

static inline void split_keep_disarmed(struct ring *ring)
{
    if (ring->event_idx && unlikely((uint16_t)(ring->used_event - ring->taken) < 0x4000)) {
        ring->used_event = ring->taken + 0x8000;
        *ring_used_event(ring) = ring->used_event;
    }
}

#endif

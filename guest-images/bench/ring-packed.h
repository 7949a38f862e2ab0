// SPDX-License-Identifier: MIT
/*
 * ring-packed.h - driver side of a packed virtqueue (virtio 1.3, 2.8); ring.h chooses
 *
 * Chains are kept beside the ring, by slot, and copied into it when their turn comes. The flags of
 * the first descriptor of a batch are written last: that publishes all of it. The buffer id is the
 * slot.
 */
#ifndef GUEST_IMAGES_BENCH_RING_PACKED_H
#define GUEST_IMAGES_BENCH_RING_PACKED_H

#include "guest-images/bench/ring-split.h"

#define PACKED_AVAIL (1 << 7)
#define PACKED_USED  (1 << 15)
#define PACKED_BOTH  (PACKED_AVAIL | PACKED_USED)

#define EVENT_ENABLE  0u
#define EVENT_DISABLE (1u << 16)
#define EVENT_DESC    (2u << 16)

struct packed_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t flags;
};

/* Build the chains; as ring_init(). The ring is all zeroes. */
void packed_init(struct ring *ring, uint64_t buffers, uint64_t buffer_step, uint32_t bs,
                 enum request_type type);
void packed_set_type(struct ring *ring, struct request *request, enum request_type type);

static inline struct packed_desc *packed_ring(const struct ring *ring)
{
    return (struct packed_desc *)ring->memory->desc;
}

static inline void packed_set_event(const struct ring *ring, uint32_t event)
{
    *(volatile uint32_t *)&ring->memory->avail = event;
}

static inline uint32_t packed_device_event(const struct ring *ring)
{
    return *(volatile uint32_t *)&ring->memory->used;
}

static inline void packed_add(struct ring *ring, const struct request *request)
{
    const struct ring_desc *chain = ring->memory->indirect[request->head];

    for (unsigned i = 0;; i = chain[i].next) {
        struct packed_desc *to = &packed_ring(ring)[ring->avail_pos];
        uint16_t flags = chain[i].flags | ring->avail_bits;

        to->addr = chain[i].addr;
        to->len = chain[i].len;
        to->id = request->head;
        if (ring->added++ == 0) {
            ring->first = to;
            ring->first_flags = flags;
        } else {
            to->flags = flags;
        }
        if (++ring->avail_pos == ring->size) {
            ring->avail_pos = 0;
            ring->avail_bits ^= PACKED_BOTH;
        }
        if (!(chain[i].flags & DESC_NEXT)) {
            break;
        }
    }
    ring->avail_next++;
}

static inline void packed_publish(struct ring *ring)
{
    uint16_t added = ring->added, at;
    bool kick = true;
    uint32_t event;

    __atomic_store_n(&ring->first->flags, ring->first_flags, __ATOMIC_RELEASE);
    ring->published = ring->avail_next;
    ring->added = 0;

    /* Pairs with the device's fence between re-enabling notifications and looking at the ring. */
    store_load_fence();
    event = packed_device_event(ring);
    if ((event & (3u << 16)) == EVENT_DISABLE) {
        kick = false;
    } else if (ring->event_idx && (event & (3u << 16)) == EVENT_DESC) {
        at = event & 0x7fff;
        if ((event >> 15 & 1) != (ring->avail_bits == PACKED_AVAIL)) {
            at -= ring->size;
        }
        kick = (uint16_t)(ring->avail_pos - at - 1) < added;
    }
    if (kick) {
        ring->kicks++;
        mmio_write32(ring->notify, ring->index);
    }
}

static inline bool packed_is_used(const struct ring *ring, uint16_t pos, uint16_t bits)
{
    return (__atomic_load_n(&packed_ring(ring)[pos].flags, __ATOMIC_ACQUIRE) & PACKED_BOTH) == bits;
}

/* The request that the used descriptor at @pos names; NULL if it names none. */
static inline struct request *packed_request(const struct ring *ring, uint16_t pos)
{
    uint16_t id = packed_ring(ring)[pos].id;

    return likely(id < ring->depth) ? &ring->requests[id] : NULL;
}

/* Go on behind the chain of @request. */
static inline void packed_skip(const struct ring *ring, const struct request *request,
                               uint16_t *pos, uint16_t *bits)
{
    *pos += request->descs;
    if (*pos >= ring->size) {
        *pos -= ring->size;
        *bits ^= PACKED_BOTH;
    }
}

/* Also fetches the cache lines of the requests that it counts. */
static inline uint16_t packed_pending(const struct ring *ring)
{
    uint16_t pos = ring->used_pos, bits = ring->used_bits, n = 0;

    while (n < ring->depth && packed_is_used(ring, pos, bits)) {
        const struct request *request = packed_request(ring, pos);

        n++;
        if (unlikely(!request)) {
            break;
        }
        prefetch_to_write(request);
        packed_skip(ring, request, &pos, &bits);
    }
    return n;
}

static inline struct request *packed_take(struct ring *ring, uint32_t *len)
{
    struct request *request = packed_request(ring, ring->used_pos);

    if (unlikely(!request)) {
        return NULL;
    }
    *len = packed_ring(ring)[ring->used_pos].len;
    packed_skip(ring, request, &ring->used_pos, &ring->used_bits);
    ring->taken++;
    return request;
}

static inline bool packed_arm(const struct ring *ring)
{
    uint32_t wrap = ring->used_bits ? 1u << 15 : 0;

    packed_set_event(ring, ring->event_idx ? EVENT_DESC | wrap | ring->used_pos : EVENT_ENABLE);
    /* Pairs with the device's fence between used flags and its look at the event. */
    store_load_fence();
    return packed_is_used(ring, ring->used_pos, ring->used_bits);
}

#endif

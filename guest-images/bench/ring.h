// SPDX-License-Identifier: MIT
/*
 * ring.h - a virtqueue of either format, as the measured loop uses it
 *
 * Order of calls: ring_add() any number of times, then ring_publish(). ring_pending() says how
 * many completions there are, ring_take() takes them one by one.
 */
#ifndef GUEST_IMAGES_BENCH_RING_H
#define GUEST_IMAGES_BENCH_RING_H

#include "guest-images/bench/ring-packed.h"

/* Change the type of a request that is not in flight. */
static inline void ring_set_type(struct ring *ring, struct request *request, enum request_type type)
{
    if (ring->packed) {
        packed_set_type(ring, request, type);
    } else {
        split_set_type(ring, request, type);
    }
}

static inline void ring_add(struct ring *ring, const struct request *request)
{
    if (ring->packed) {
        packed_add(ring, request);
    } else {
        split_add(ring, request);
    }
}

/* Make all added requests visible; kick if the device asked for it. */
static inline void ring_publish(struct ring *ring)
{
    if (ring->packed) {
        packed_publish(ring);
    } else {
        split_publish(ring);
    }
}

/* The number of completions. All that the device wrote before them is visible after this. */
static inline uint16_t ring_pending(const struct ring *ring)
{
    return ring->packed ? packed_pending(ring) : split_pending(ring);
}

/* Prefetch the cache lines of completion number @ahead, counted from the next one. */
static inline void ring_prefetch(const struct ring *ring, uint16_t ahead)
{
    if (!ring->packed) {
        split_prefetch(ring, ahead);
    }
}

/* The next completion, or NULL if the id that the device wrote is wrong. */
static inline struct request *ring_take(struct ring *ring, uint32_t *len)
{
    return ring->packed ? packed_take(ring, len) : split_take(ring, len);
}

/* Ask for an interrupt at the next completion. True if there is one already: do not wait then. */
static inline bool ring_arm(struct ring *ring)
{
    return ring->packed ? packed_arm(ring) : split_arm(ring);
}

/* No interrupts. With EVENT_IDX a split ring has no flag for that: used_event stays at a value that
 * used->idx does not reach. */
static inline void ring_disarm(struct ring *ring)
{
    if (ring->packed) {
        packed_set_event(ring, EVENT_DISABLE);
    } else {
        split_disarm(ring);
    }
}

static inline void ring_keep_disarmed(struct ring *ring)
{
    if (!ring->packed) {
        split_keep_disarmed(ring);
    }
}

#endif

// SPDX-License-Identifier: MIT
/*
 * The packed virtqueue (virtio 1.3, section 2.8).
 *
 * Driver and device write the same ring of descriptors. The bits AVAIL and USED of a descriptor say
 * to which side it belongs in the current lap: each side has a wrap counter, one bit that changes
 * with each lap. The code keeps it as the value that the two bits must have (avail_bits,
 * used_bits).
 *
 * A chain consists of consecutive descriptors, and the last one has its id. The device returns a
 * chain by one used descriptor, at the next place in the order of use, and skips as many places as
 * the chain has descriptors. The driver reads used descriptors in order. So all descriptors of a
 * batch are written at once except for the flags of the first one: virtq_packed_publish_early() or
 * virtq_packed_publish_used() writes these, which publishes the whole batch.
 *
 * Invariants, whatever the driver writes: a descriptor is copied before it is checked, and only the
 * copy is used; no descriptor is popped that the driver cannot own, so the descriptors in flight or
 * not published never exceed the ring; an id is in flight at most once. An id is any 16-bit number
 * (2.8 does not say that ids are below the size).
 */
#include <assert.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "virtq/inflight-packed.h"
#include "virtq/ring.h"

#define AVAIL     (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED      (1u << VRING_PACKED_DESC_F_USED)
#define WRAP_BITS (AVAIL | USED)
#define NR_IDS    65536

/* An event suppression structure as one number, so that it is read and written as a whole. */
#define EVENT(off_wrap, flags) ((uint32_t)(off_wrap) | (uint32_t)(flags) << 16)
#define EVENT_OFFSET(event)    ((event)&0x7fff)
#define EVENT_WRAP(event)      (((event) >> VRING_PACKED_EVENT_F_WRAP_CTR) & 1)
#define EVENT_FLAGS(event)     (((event) >> 16) & 3)

/* Of vq->base. */
#define BASE_AVAIL(base)      ((base)&0x7fff)
#define BASE_AVAIL_EVEN(base) ((base) >> 15 & 1)
#define BASE_USED(base)       ((base) >> 16 & 0x7fff)
#define BASE_USED_EVEN(base)  ((base) >> 31)

/* --- set-up --- */

/* The record knows the place to be used next, and behind it come the chains to be taken again. */
static int start_record(struct virtqueue *vq)
{
    struct virtq_place used = {.index = BASE_USED(vq->base), .even = BASE_USED_EVEN(vq->base)};
    uint32_t avail, avail_even;
    int ret = virtq_inflight_packed_start(vq->inflight, vq->packed_ring.ring, vq->size, &used,
                                          &vq->packed_ring.busy);

    if (ret < 0) {
        return ret;
    }
    avail = (uint32_t)used.index + vq->packed_ring.busy;
    avail_even = used.even;
    if (avail >= vq->size) {
        avail -= vq->size;
        avail_even = !avail_even;
    }
    vq->base = avail | avail_even << 15 | (uint32_t)used.index << 16 | (uint32_t)used.even << 31;
    return 0;
}

int virtq_packed_start(struct virtqueue *vq)
{
    const size_t event = sizeof(struct vring_packed_desc_event);

    if (vq->size == 0 || vq->size > VIRTQ_SIZE_MAX) {
        return virtq_broken(vq, "queue size is 0 or too large", 0, 0, vq->size);
    }
    vq->packed_ring.ring = virtq_ring_at(vq, vq->desc_gpa, sizeof(struct vring_packed_desc),
                                         (uint64_t)vq->size * sizeof(struct vring_packed_desc),
                                         "descriptor ring outside memory or not aligned");
    vq->packed_ring.driver_event = virtq_ring_at(vq, vq->avail_gpa, event, event,
                                                 "driver event area outside memory or not aligned");
    vq->packed_ring.device_event = virtq_ring_at(vq, vq->used_gpa, event, event,
                                                 "device event area outside memory or not aligned");
    if (vq->fault.what) {
        return -EINVAL;
    }
    vq->packed_ring.chain_len = calloc(NR_IDS, sizeof(*vq->packed_ring.chain_len));
    if (!vq->packed_ring.chain_len) {
        return virtq_broken(vq, "no memory for a packed ring", 0, 0, 0);
    }
    if (BASE_AVAIL(vq->base) >= vq->size || BASE_USED(vq->base) >= vq->size) {
        return virtq_broken(vq, "position to begin at is outside the ring", 0, 0, vq->base);
    }
    vq->packed_ring.busy = 0;
    if (vq->inflight && start_record(vq) < 0) {
        return virtq_broken(vq, "record of chains in flight is damaged", 0, 0, 0);
    }
    vq->packed_ring.avail_bits = BASE_AVAIL_EVEN(vq->base) ? USED : AVAIL;
    vq->packed_ring.used_bits = BASE_USED_EVEN(vq->base) ? 0 : WRAP_BITS;
    vq->packed_ring.used = BASE_USED(vq->base);
    vq->packed_ring.nr_hidden = vq->packed_ring.nr_undecided = 0;
    store_relaxed(&vq->last_avail, 0);
    store_relaxed(&vq->packed_ring.next, vq->packed_ring.ring + BASE_AVAIL(vq->base));
    return 0;
}

uint32_t virtq_packed_position(const struct virtqueue *vq)
{
    uint32_t avail = (uint32_t)(vq->packed_ring.next - vq->packed_ring.ring);
    uint32_t avail_even = vq->packed_ring.avail_bits != AVAIL;
    uint32_t used_even = vq->packed_ring.used_bits == 0;

    return avail | avail_even << 15 | (uint32_t)vq->packed_ring.used << 16 | used_even << 31;
}

void virtq_packed_stop(struct virtqueue *vq)
{
    store_relaxed(&vq->packed_ring.next, NULL);
    free(vq->packed_ring.chain_len);
    vq->packed_ring.chain_len = NULL;
}

/* --- from the driver --- */

static bool is_available(const struct virtqueue *vq, uint16_t flags)
{
    return (flags & WRAP_BITS) == vq->packed_ring.avail_bits;
}

bool virtq_packed_has_work(const struct virtqueue *vq)
{
    return is_available(vq, load_relaxed(&vq->packed_ring.next->flags));
}

bool virtq_packed_has_known_work(const struct virtqueue *vq)
{
    return virtq_packed_has_work(vq) || virtq_inflight_left(vq->inflight);
}

/* @next is read once: a queue that is restarted meanwhile may have another ring, of another
 * size. */
bool virtq_packed_not_taken(const struct virtqueue *vq)
{
    const struct vring_packed_desc *next = load_relaxed(&vq->packed_ring.next);

    return next &&
           (load_relaxed(&next->flags) & WRAP_BITS) == load_relaxed(&vq->packed_ring.avail_bits);
}

/* The table is the whole chain. Flags in it other than WRITE are ignored (2.8.7). */
static int walk_indirect(struct virtqueue *vq, struct virtq_gather *g, uint16_t i,
                         const struct vring_packed_desc *d)
{
    const struct vring_packed_desc *table =
        virtq_indirect_table(vq, g->chain->head, i, d->addr, d->len);

    if (!table) {
        return -EINVAL;
    }
    for (uint32_t k = 0; k < d->len / sizeof(*table); k++) {
        struct vring_packed_desc e;
        int ret;

        guest_memory_copy(&e, &table[k], sizeof(e));
        ret = virtq_add_buffer(vq, g, (uint16_t)k, e.addr, e.len, e.flags);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* Descriptor @d, found at @i, is number @n of its chain. */
static int add_descriptor(struct virtqueue *vq, struct virtq_gather *g, uint16_t i, unsigned n,
                          const struct vring_packed_desc *d)
{
    if (d->flags & VRING_DESC_F_INDIRECT) {
        if (n > 1 || (d->flags & VRING_DESC_F_NEXT)) {
            return virtq_broken(vq, "indirect descriptor in a chain", g->chain->head, i, d->addr);
        }
        return walk_indirect(vq, g, i, d);
    }
    return virtq_add_buffer(vq, g, i, d->addr, d->len, d->flags);
}

/* Return: the number of ring descriptors of the chain at @first, and its id in *@id; or -EINVAL. */
static int walk(struct virtqueue *vq, struct virtq_chain *chain, uint16_t first, uint16_t *id)
{
    struct virtq_gather g = virtq_gather_begin(chain, first);
    unsigned room = vq->size - vq->packed_ring.busy, n = 0;
    uint16_t i = first;

    for (;;) {
        struct vring_packed_desc d;
        int ret;

        if (n == room) {
            return virtq_broken(vq,
                                n == vq->size ? "chain is longer than the queue"
                                              : "descriptor is available that is not used yet",
                                first, i, 0);
        }
        guest_memory_copy(&d, &vq->packed_ring.ring[i], sizeof(d));
        ret = add_descriptor(vq, &g, i, ++n, &d);
        if (ret == 0 && vq->inflight && virtq_inflight_packed_desc(vq->inflight, &d) < 0) {
            ret = virtq_broken(vq, "record of chains in flight is damaged", first, i, 0);
        }
        if (ret < 0) {
            return ret;
        }
        if (!(d.flags & VRING_DESC_F_NEXT)) {
            virtq_gather_end(&g);
            *id = d.id;
            return (int)n;
        }
        i = i + 1u == vq->size ? 0 : i + 1;
    }
}

/* A chain that was in flight when the process before this one ended. */
static int take_again(struct virtqueue *vq, struct virtq_chain *chain)
{
    struct virtq_gather g = virtq_gather_begin(chain, 0);
    struct vring_packed_desc d = {0};
    uint16_t n;

    virtq_inflight_packed_next(vq->inflight, &n);
    for (unsigned i = 0; i < n; i++) {
        int ret;

        d = virtq_inflight_packed_copy(vq->inflight);
        ret = add_descriptor(vq, &g, (uint16_t)i, i + 1, &d);
        if (ret < 0) {
            return ret;
        }
    }
    if (n == 0 || vq->packed_ring.chain_len[d.id]) {
        return virtq_broken(vq, "record of chains in flight is damaged", d.id, 0, n);
    }
    virtq_gather_end(&g);
    virtq_inflight_packed_again(vq->inflight, d.id);
    vq->packed_ring.chain_len[d.id] = n;
    chain->head = d.id;
    store_relaxed(&vq->last_avail, vq->last_avail + 1);
    return 1;
}

__attribute__((noinline)) int virtq_packed_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
    uint16_t first, id = 0;
    unsigned next;
    int n;

    if (vq->fault.what) {
        return -EINVAL;
    }
    if (vq->inflight && virtq_inflight_left(vq->inflight)) {
        return take_again(vq, chain);
    }
    /* Pairs with the driver's barrier before the flags of a chain's first descriptor (2.8.21.1). */
    if (!is_available(vq, load_acquire(&vq->packed_ring.next->flags))) {
        return 0;
    }
    first = (uint16_t)(vq->packed_ring.next - vq->packed_ring.ring);
    n = walk(vq, chain, first, &id);
    if (n < 0) {
        return n;
    }
    if (vq->packed_ring.chain_len[id]) {
        return virtq_broken(vq, "chain is in flight already", first, first, id);
    }
    if (vq->inflight) {
        virtq_inflight_packed_add(vq->inflight, id);
    }
    vq->packed_ring.chain_len[id] = (uint16_t)n;
    vq->packed_ring.busy += n;
    chain->head = id;
    next = first + (unsigned)n;
    if (next >= vq->size) {
        next -= vq->size;
        store_relaxed(&vq->packed_ring.avail_bits, vq->packed_ring.avail_bits ^ WRAP_BITS);
    }
    store_relaxed(&vq->packed_ring.next, &vq->packed_ring.ring[next]);
    store_relaxed(&vq->last_avail, vq->last_avail + 1);
    return 1;
}

/* --- to the driver --- */

void virtq_packed_push(struct virtqueue *vq, uint16_t id, uint32_t written)
{
    struct vring_packed_desc *d = &vq->packed_ring.ring[vq->packed_ring.used];
    uint16_t flags = vq->packed_ring.used_bits | (written ? VRING_DESC_F_WRITE : 0);
    unsigned n = vq->packed_ring.chain_len[id], used = vq->packed_ring.used + n;

    assert(n);
    vq->packed_ring.chain_len[id] = 0;
    if (vq->inflight) {
        virtq_inflight_packed_used(vq->inflight, id);
    }
    store_relaxed(&d->len, written);
    store_relaxed(&d->id, id);
    if (vq->packed_ring.nr_hidden == 0) {
        vq->packed_ring.hidden = d;
        vq->packed_ring.hidden_flags = flags;
    } else {
        store_relaxed(&d->flags, flags);
    }
    vq->packed_ring.nr_hidden += n;
    vq->packed_ring.nr_undecided += n;
    if (used >= vq->size) {
        used -= vq->size;
        vq->packed_ring.used_bits ^= WRAP_BITS;
    }
    vq->packed_ring.used = (uint16_t)used;
}

/*
 * Is the descriptor that the driver waits for among the last @n used ones? These include those that
 * were published early, so @n may exceed the size of the ring. Places are numbered over two laps,
 * which is the range of an offset with its wrap counter.
 */
static bool event_passed(const struct virtqueue *vq, uint32_t event, unsigned n)
{
    const unsigned laps = 2u * vq->size;
    unsigned used = vq->packed_ring.used + (vq->packed_ring.used_bits ? 0 : vq->size);
    unsigned at = EVENT_OFFSET(event) + (EVENT_WRAP(event) ? 0 : vq->size);
    unsigned behind = used > at ? used - at : used - at + laps;

    return behind <= n;
}

static void publish(struct virtqueue *vq)
{
    if (vq->packed_ring.nr_hidden == 0) {
        return;
    }
    if (vq->inflight) {
        const struct virtq_place used = {.index = vq->packed_ring.used,
                                         .even = vq->packed_ring.used_bits == 0};

        virtq_inflight_packed_publishing(vq->inflight, used);
    }
    /* Pairs with the driver's barrier between a used descriptor's flags and the rest (2.8.22). */
    store_release(&vq->packed_ring.hidden->flags, vq->packed_ring.hidden_flags);
    if (vq->inflight) {
        virtq_inflight_packed_published(vq->inflight);
    }
    vq->packed_ring.busy -= vq->packed_ring.nr_hidden;
    vq->packed_ring.nr_hidden = 0;
}

void virtq_packed_publish_early(struct virtqueue *vq)
{
    if (vq->packed_ring.nr_undecided <= vq->size / 2) {
        publish(vq);
    }
}

bool virtq_packed_publish_used(struct virtqueue *vq)
{
    unsigned n = vq->packed_ring.nr_undecided;
    uint32_t event;

    if (n == 0) {
        return false;
    }
    publish(vq);
    vq->packed_ring.nr_undecided = 0;

    /* Pairs with the driver's, between its request for an interrupt and its last read of the
     * ring. */
    full_barrier();
    event = load_relaxed((const uint32_t *)vq->packed_ring.driver_event);
    switch (EVENT_FLAGS(event)) {
    case VRING_PACKED_EVENT_FLAG_DISABLE:
        return false;
    case VRING_PACKED_EVENT_FLAG_DESC:
        return !vq->event_idx || event_passed(vq, event, n);
    default:
        return true;
    }
}

/* --- notifications --- */

static void set_device_event(struct virtqueue *vq, uint32_t event)
{
    store_relaxed((uint32_t *)vq->packed_ring.device_event, event);
}

void virtq_packed_suppress(struct virtqueue *vq)
{
    if (!vq->suppressed) {
        store_relaxed(&vq->suppressed, true);
        set_device_event(vq, EVENT(0, VRING_PACKED_EVENT_FLAG_DISABLE));
    }
}

bool virtq_packed_unsuppress(struct virtqueue *vq)
{
    store_relaxed(&vq->suppressed, false);
    if (vq->event_idx) {
        unsigned wrap = vq->packed_ring.avail_bits == AVAIL;

        set_device_event(vq, EVENT((vq->packed_ring.next - vq->packed_ring.ring) |
                                       wrap << VRING_PACKED_EVENT_F_WRAP_CTR,
                                   VRING_PACKED_EVENT_FLAG_DESC));
    } else {
        set_device_event(vq, EVENT(0, VRING_PACKED_EVENT_FLAG_ENABLE));
    }
    /* Pairs with the driver's, between its write of a descriptor's flags and its read of the hint
     * (2.8.21.3): either the driver kicks, or the load below finds its chain. */
    full_barrier();
    return virtq_packed_has_work(vq);
}

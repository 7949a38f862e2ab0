// SPDX-License-Identifier: MIT
/*
 * The split virtqueue (virtio 1.3, section 2.7).
 *
 * The main cost here is the transfer of cache lines between the driver's CPU and the device's. So
 * avail->idx is read once for a batch, used elements are written without being read, used->idx is
 * written once for several elements, and no field that the driver polls is read back. The walk
 * along a chain is the longest part of a request in this program; its state is kept in registers.
 *
 * Invariants, whatever the driver writes: every value is copied before it is checked, and only the
 * copy is used; a walk ends after as many descriptors as its table has; a head is in flight at most
 * once, so no more chains are in flight than the ring has entries. virtq_start() has checked the
 * memory of the ring, and every index into it is masked or compared with its size.
 */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_ring.h>

#include "base/barrier.h"
#include "virtq/inflight.h"
#include "virtq/ring.h"

/* --- set-up --- */

/* With EVENT_IDX negotiated, each ring ends with an event index (2.7.2). */
static uint64_t ring_size(const struct virtqueue *vq, size_t fixed, size_t entry)
{
    return fixed + entry * vq->size + (vq->event_idx ? sizeof(uint16_t) : 0);
}

int virtq_split_start(struct virtqueue *vq)
{
    struct vring_avail *avail;

    if (vq->size == 0 || vq->size > VIRTQ_SIZE_MAX || (vq->size & (vq->size - 1))) {
        return virtq_broken(vq, "queue size is not a power of 2", 0, 0, vq->size);
    }
    vq->desc = virtq_ring_at(vq, vq->desc_gpa, VRING_DESC_ALIGN_SIZE,
                             (uint64_t)vq->size * sizeof(struct vring_desc),
                             "descriptor table outside memory or not aligned");
    avail = virtq_ring_at(vq, vq->avail_gpa, VRING_AVAIL_ALIGN_SIZE,
                          ring_size(vq, sizeof(struct vring_avail), sizeof(uint16_t)),
                          "available ring outside memory or not aligned");
    vq->used =
        virtq_ring_at(vq, vq->used_gpa, VRING_USED_ALIGN_SIZE,
                      ring_size(vq, sizeof(struct vring_used), sizeof(struct vring_used_elem)),
                      "used ring outside memory or not aligned");
    if (vq->fault.what) {
        return -EINVAL;
    }
    vq->used_idx = (uint16_t)vq->base;
    if (vq->inflight) {
        int ret = virtq_inflight_start(vq->inflight, vq->size, load_acquire(&vq->used->idx));

        if (ret < 0) {
            return virtq_broken(vq, "record of chains in flight is damaged", 0, 0, 0);
        }
        vq->used_idx = load_relaxed(&vq->used->idx);
    }
    vq->used_published = vq->used_idx;
    store_relaxed(&vq->last_avail, vq->used_idx + virtq_inflight_left(vq->inflight));
    /* With one entry more, virtq_has_known_work() says that there are chains to be taken again. */
    vq->avail_cached = vq->last_avail + (virtq_inflight_left(vq->inflight) > 0);
    memset(vq->in_flight, false, vq->size * sizeof(vq->in_flight[0]));
    store_relaxed(&vq->avail, avail);
    return 0;
}

uint32_t virtq_split_position(const struct virtqueue *vq)
{
    return vq->last_avail;
}

/* --- from the driver --- */

/*
 * An indirect table may follow direct buffers, but must end the chain, and may not refer to another
 * table (2.7.5.3). Return: its host address; NULL: the queue is broken.
 */
static const struct vring_desc *indirect_table(struct virtqueue *vq, uint16_t head, uint16_t i,
                                               const struct vring_desc *d)
{
    if (d->flags & VRING_DESC_F_NEXT) {
        virtq_broken(vq, "indirect descriptor that has a next one", head, i, d->addr);
        return NULL;
    }
    return virtq_indirect_table(vq, head, i, d->addr, d->len);
}

/* By two 8-byte loads into registers: a copy on the stack would be read back at once. */
static inline struct vring_desc copy_of(const struct vring_desc *at)
{
    uint64_t half[2];

    guest_memory_copy(&half[0], at, sizeof(half[0]));
    guest_memory_copy(&half[1], (const uint8_t *)at + sizeof(half[0]), sizeof(half[1]));
    return (struct vring_desc){
        .addr = half[0],
        .len = (uint32_t)half[1],
        .flags = (uint16_t)(half[1] >> 32),
        .next = (uint16_t)(half[1] >> 48),
    };
}

static int walk(struct virtqueue *vq, struct virtq_chain *chain, uint16_t head)
{
    struct virtq_gather g = virtq_gather_begin(chain, head);
    const struct vring_desc *table = vq->desc;
    uint32_t entries = vq->size, left = entries;
    bool indirect = false;
    uint16_t i = head;

    for (;;) {
        struct vring_desc d = copy_of(&table[i]);
        int ret;

        if (d.flags & VRING_DESC_F_INDIRECT) {
            if (indirect) {
                return virtq_broken(vq, "indirect table inside an indirect table", head, i, d.addr);
            }
            table = indirect_table(vq, head, i, &d);
            if (!table) {
                return -EINVAL;
            }
            indirect = true;
            entries = left = d.len / sizeof(d);
            i = 0;
            continue;
        }
        ret = virtq_add_buffer(vq, &g, i, d.addr, d.len, d.flags);
        if (ret < 0) {
            return ret;
        }
        if (!(d.flags & VRING_DESC_F_NEXT)) {
            virtq_gather_end(&g);
            return 0;
        }
        if (--left == 0) {
            return virtq_broken(vq, "descriptors form a loop", head, i, d.next);
        }
        if (d.next >= entries) {
            return virtq_broken(vq, "next descriptor is outside the table", head, i, d.next);
        }
        i = d.next;
    }
}

static int look_for_more(struct virtqueue *vq)
{
    /* Pairs with the driver's barrier between the ring's entries and avail->idx (2.7.13.3). */
    uint16_t idx = load_acquire(&vq->avail->idx);

    if ((uint16_t)(idx - vq->last_avail) > vq->size) {
        return virtq_broken(vq, "available index jumped", 0, 0, idx);
    }
    vq->avail_cached = idx;
    return virtq_split_has_known_work(vq);
}

bool virtq_split_has_work(const struct virtqueue *vq)
{
    return load_relaxed(&vq->avail->idx) != vq->last_avail;
}

bool virtq_split_not_taken(const struct virtqueue *vq, uint16_t at)
{
    const struct vring_avail *avail = load_relaxed(&vq->avail);

    return avail && load_relaxed(&avail->idx) != at;
}

/* The head of a chain that was in flight when the process before this one ended. */
static uint16_t take_again(struct virtqueue *vq)
{
    uint16_t head = virtq_inflight_next(vq->inflight);

    if (!virtq_inflight_left(vq->inflight)) {
        vq->avail_cached = vq->last_avail;
    }
    return head;
}

__attribute__((noinline)) int virtq_split_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
    uint16_t mask = vq->size - 1, head;
    bool again = vq->inflight && virtq_inflight_left(vq->inflight);
    int ret;

    if (vq->fault.what) {
        return -EINVAL;
    }
    if (!virtq_split_has_known_work(vq)) {
        ret = look_for_more(vq);
        if (ret <= 0) {
            return ret;
        }
    }
    head = again ? take_again(vq) : load_relaxed(&vq->avail->ring[vq->last_avail & mask]);
    if (head >= vq->size) {
        return virtq_broken(vq, "available head is outside the table", head, head, head);
    }
    if (vq->in_flight[head]) {
        return virtq_broken(vq, "chain is in flight already", head, head, 0);
    }
    if (!again) {
        if (vq->inflight) {
            virtq_inflight_add(vq->inflight, head);
        }
        store_relaxed(&vq->last_avail, vq->last_avail + 1);
    }
    if (virtq_split_has_known_work(vq)) {
        /* The entry is not checked: the prefetch is a hint, and the index is masked. */
        __builtin_prefetch(&vq->desc[load_relaxed(&vq->avail->ring[vq->last_avail & mask]) & mask]);
    }
    ret = walk(vq, chain, head);
    if (ret < 0) {
        return ret;
    }
    vq->in_flight[head] = true;
    return 1;
}

/* --- to the driver --- */

#define ELEMS_PER_LINE 8
#define LINES_AHEAD    4

void virtq_split_prefetch_used(const struct virtqueue *vq, unsigned n)
{
    /* For one element a prefetch gains nothing. The first and last of several may share a line with
     * others, hence i <= n. */
    for (unsigned i = 0; n > 1 && i <= n && i <= LINES_AHEAD * ELEMS_PER_LINE;
         i += ELEMS_PER_LINE) {
        prefetch_to_write(&vq->used->ring[(vq->used_idx + i) & (vq->size - 1u)]);
    }
}

void virtq_split_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
    struct vring_used_elem *elem = &vq->used->ring[vq->used_idx & (vq->size - 1)];

    assert(head < vq->size && vq->in_flight[head]);
    vq->in_flight[head] = false;
    if (vq->inflight) {
        virtq_inflight_used(vq->inflight, head);
    }
    store_relaxed(&elem->id, head);
    store_relaxed(&elem->len, written);
    vq->used_idx++;
}

static void publish(struct virtqueue *vq)
{
    /* Pairs with the driver's barrier between used->idx and the ring's entries (2.7.14). */
    store_release(&vq->used->idx, vq->used_idx);
    if (vq->inflight) {
        virtq_inflight_published(vq->inflight, vq->used_idx);
    }
}

void virtq_split_publish_early(struct virtqueue *vq)
{
    if ((uint16_t)(vq->used_idx - vq->used_published) <= vq->size / 2) {
        publish(vq);
    }
}

bool virtq_split_publish_used(struct virtqueue *vq)
{
    uint16_t old = vq->used_published;

    if (vq->used_idx == old) {
        return false;
    }
    publish(vq);
    vq->used_published = vq->used_idx;

    /* Pairs with the driver's, between its request for an interrupt and its last read of
     * used->idx. */
    full_barrier();
    if (vq->event_idx) {
        return vring_need_event(load_relaxed(&vq->avail->ring[vq->size]), vq->used_idx, old);
    }
    return !(load_relaxed(&vq->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* --- notifications --- */

static void set_avail_event(struct virtqueue *vq, uint16_t value)
{
    vq->avail_event = value;
    store_relaxed((uint16_t *)&vq->used->ring[vq->size], value);
}

void virtq_split_suppress(struct virtqueue *vq)
{
    if (vq->suppressed) {
        return;
    }
    store_relaxed(&vq->suppressed, true);
    if (!vq->event_idx) {
        store_relaxed(&vq->used->flags, VRING_USED_F_NO_NOTIFY);
    } else if (load_relaxed(&vq->avail->idx) == vq->avail_event) {
        /* The driver would kick for the next chain. An event index one behind is reached again
         * after 65535 chains only. If avail->idx has passed the event index, nothing need be
         * written. */
        set_avail_event(vq, vq->avail_event - 1);
    }
}

bool virtq_split_unsuppress(struct virtqueue *vq)
{
    store_relaxed(&vq->suppressed, false);
    if (vq->event_idx) {
        set_avail_event(vq, vq->last_avail);
    } else {
        store_relaxed(&vq->used->flags, 0);
    }
    /* Pairs with the driver's, between its write of avail->idx and its read of the hint
     * (2.7.13.4.1): either the driver kicks, or the load below finds its chain. */
    full_barrier();
    return virtq_split_has_work(vq);
}

// SPDX-License-Identifier: MIT
/*
 * A virtqueue, from the device's side (virtio 1.3, sections 2.6 to 2.8).
 *
 * The driver is not trusted: each value that it writes is copied once, the copy is checked, and
 * only the copy is used. virtq_pop() has three answers: a chain, no chain, broken. A broken queue
 * stays broken until the driver resets it.
 *
 * A ring has one of two formats, split (2.7) or packed (2.8); the driver chooses. Devices need not
 * know the format: each call below branches to the code of split.c or packed.c.
 *
 * All functions run in the thread that serves the queue, unless their contract says otherwise.
 */
#ifndef POLLUX_VIRTQ_VIRTQUEUE_H
#define POLLUX_VIRTQ_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtq/guest-memory.h"

#define VIRTQ_SIZE_MAX 32768
#define VIRTQ_IOV_MAX  130 /* most buffers in one chain: header, 128 segments, status */

struct virtq_inflight;
struct vring_desc;
struct vring_avail;
struct vring_used;
struct vring_packed_desc;
struct vring_packed_desc_event;

/* Why a queue is broken, for the log line and the tests. */
struct virtq_fault {
    const char *what; /* static text; NULL: not broken */
    uint16_t head;    /* the chain's first descriptor; from virtq_break(): virtq_chain.head */
    uint16_t desc;    /* index of the descriptor, in the indirect table if there is one */
    uint64_t addr;    /* the guest address or value that is wrong; 0: none */
};

struct virtqueue {
    /* set by the driver; valid while @ready */
    bool ready;
    bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
    bool indirect;  /* VIRTIO_F_INDIRECT_DESC negotiated */
    bool packed;    /* VIRTIO_F_RING_PACKED negotiated */
    uint16_t size;  /* entries, a power of 2 for a split ring */
    /* of a packed ring: descriptor ring, driver and device event suppression */
    uint64_t desc_gpa, avail_gpa, used_gpa;

    /* Where virtq_start() begins, and where virtq_stop() ended; 0 in a new ring. Split: next entry
     * of the avail ring. Packed: next descriptor to become available (bits 0 to 14) and whether its
     * lap is an even one (15), next one to be used (16 to 30) and the same of its lap (31). */
    uint32_t base;
    struct virtq_inflight *inflight; /* NULL: a crash loses requests; virtq/inflight.h */

    /* host addresses of the rings, checked by virtq_start() */
    const struct guest_memory *mem;
    const struct guest_region *region; /* region of the last buffer */
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;

    /* the device's own state; no guest value in it is used unchecked */
    uint16_t last_avail;     /* next avail entry to read; packed: chains taken so far */
    uint16_t avail_cached;   /* newest avail->idx read */
    uint16_t used_idx;       /* next used entry to write */
    uint16_t used_published; /* @used_idx at the last virtq_publish_used() */
    uint16_t avail_event;    /* with EVENT_IDX: as in guest memory */
    bool suppressed;         /* notifications are suppressed */

    /* the state of a packed ring */
    struct {
        struct vring_packed_desc *ring;
        struct vring_packed_desc *next;   /* the next one to become available */
        struct vring_packed_desc *hidden; /* the first used one that is not published */
        const struct vring_packed_desc_event *driver_event;
        struct vring_packed_desc_event *device_event;
        uint16_t avail_bits;   /* of an available descriptor, in this lap of @next */
        uint16_t used_bits;    /* of a used descriptor, in this lap of @used */
        uint16_t used;         /* index of the next descriptor to write */
        uint16_t nr_hidden;    /* descriptors pushed and not published */
        uint16_t nr_undecided; /* descriptors pushed since the last virtq_publish_used() */
        uint16_t busy;         /* descriptors popped and not published as used */
        uint16_t hidden_flags; /* for @hidden, when it is published */
        uint16_t *chain_len;   /* descriptors of each chain in flight, by id; 0: not in flight */
    } packed_ring;

    struct virtq_fault fault;
    bool in_flight[VIRTQ_SIZE_MAX]; /* of a split ring: by head */
};

/* One popped chain, with host addresses. Buffers that the device reads are first (2.6.4.2). */
struct virtq_chain {
    uint16_t head;   /* for virtq_push(): first descriptor, or buffer id of a packed ring */
    uint16_t nr_out; /* buffers that the device reads: iov[0 .. nr_out) */
    uint16_t nr_in;  /* buffers that the device writes: iov[nr_out .. nr_out + nr_in) */
    uint64_t out_bytes, in_bytes; /* of these buffers */
    struct iovec iov[VIRTQ_IOV_MAX];
};

/**
 * virtq_start - check the ring addresses and begin at vq->base
 * Uses @vq->size, *_gpa, base, inflight, packed, event_idx, indirect as set by the transport. The
 * next virtq_pop() calls give the chains that vq->inflight has, if any.
 * Return: 0, or -EINVAL: the queue is not started and vq->fault says why. A part of the ring is not
 *         aligned or not wholly in guest memory; the size is 0, too large or, for a split ring, not
 *         a power of 2; or the host is out of memory. virtq_stop() releases in both cases.
 */
int virtq_start(struct virtqueue *vq, const struct guest_memory *mem);

/**
 * virtq_stop - forget the rings; the queue can be set up anew
 */
void virtq_stop(struct virtqueue *vq);

/* --- private to virtq/: the two formats, for the calls below --- */

/**
 * virtq_broken - record the queue's first fault; parameters as in struct virtq_fault
 * Return: -EINVAL.
 */
__attribute__((cold, noinline)) int virtq_broken(struct virtqueue *vq, const char *what,
                                                 uint16_t head, uint16_t desc, uint64_t addr);

int virtq_split_start(struct virtqueue *vq);
uint32_t virtq_split_position(const struct virtqueue *vq);
bool virtq_split_has_work(const struct virtqueue *vq);
bool virtq_split_not_taken(const struct virtqueue *vq, uint16_t at);
int virtq_split_pop(struct virtqueue *vq, struct virtq_chain *chain);
void virtq_split_prefetch_used(const struct virtqueue *vq, unsigned n);
void virtq_split_push(struct virtqueue *vq, uint16_t head, uint32_t written);
void virtq_split_publish_early(struct virtqueue *vq);
bool virtq_split_publish_used(struct virtqueue *vq);
void virtq_split_suppress(struct virtqueue *vq);
bool virtq_split_unsuppress(struct virtqueue *vq);

int virtq_packed_start(struct virtqueue *vq);
uint32_t virtq_packed_position(const struct virtqueue *vq);
void virtq_packed_stop(struct virtqueue *vq);
bool virtq_packed_has_work(const struct virtqueue *vq);
bool virtq_packed_has_known_work(const struct virtqueue *vq);
bool virtq_packed_not_taken(const struct virtqueue *vq);
int virtq_packed_pop(struct virtqueue *vq, struct virtq_chain *chain);
void virtq_packed_push(struct virtqueue *vq, uint16_t id, uint32_t written);
void virtq_packed_publish_early(struct virtqueue *vq);
bool virtq_packed_publish_used(struct virtqueue *vq);
void virtq_packed_suppress(struct virtqueue *vq);
bool virtq_packed_unsuppress(struct virtqueue *vq);

/* --- a queue that was started --- */

/* virtq_has_work - has the driver made a chain available? One load, without ordering. */
static inline bool virtq_has_work(const struct virtqueue *vq)
{
    return vq->packed ? virtq_packed_has_work(vq) : virtq_split_has_work(vq);
}

/**
 * virtq_not_taken - are there chains that the device has not taken, with notifications on? A hint
 * @at: set to the number of chains taken, which wraps
 * Context: any thread, also while the queue is started or stopped; guest memory must stay mapped.
 */
bool virtq_not_taken(const struct virtqueue *vq, uint16_t *at);

/**
 * virtq_pop - take the next available chain
 * @chain: filled when 1 is returned
 * Return: 1: a chain; 0: none is available; -EINVAL: the queue is broken, vq->fault says why, and
 *         every later call returns -EINVAL as well.
 */
static inline int virtq_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
    return vq->packed ? virtq_packed_pop(vq, chain) : virtq_split_pop(vq, chain);
}

/* virtq_has_known_work() of a split ring */
static inline bool virtq_split_has_known_work(const struct virtqueue *vq)
{
    return vq->last_avail != vq->avail_cached;
}

/**
 * virtq_has_known_work - are there more chains, without reading avail->idx again? Split ring:
 * compares with the avail->idx that was read last. No guest memory is read, because the driver's
 * writes make the cache line of avail->idx expensive. Packed ring: reads the descriptor behind the
 * chain that was popped last.
 */
static inline bool virtq_has_known_work(const struct virtqueue *vq)
{
    return vq->packed ? virtq_packed_has_known_work(vq) : virtq_split_has_known_work(vq);
}

/**
 * virtq_break - break the queue: the ring is valid, but the device cannot serve the chain @head
 * @what: static text. Later faults of the queue are not recorded.
 * Return: -EINVAL.
 */
int virtq_break(struct virtqueue *vq, const char *what, uint16_t head);

/**
 * virtq_prefetch_used - fetch the cache lines of the next @n used elements for writing
 * A hint before a batch of virtq_push(). No effect on a packed ring: its used descriptors overwrite
 * available ones that the device has just read.
 */
static inline void virtq_prefetch_used(const struct virtqueue *vq, unsigned n)
{
    if (!vq->packed) {
        virtq_split_prefetch_used(vq, n);
    }
}

/**
 * virtq_push - write the used element of a chain
 * @head: virtq_chain.head of a chain in flight (asserted)
 * @written: bytes that the device wrote to the chain's buffers
 * The driver sees the element after virtq_publish_early() or virtq_publish_used(). A broken queue
 * accepts chains that were popped before it broke.
 */
static inline void virtq_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
    if (vq->packed) {
        virtq_packed_push(vq, head, written);
    } else {
        virtq_split_push(vq, head, written);
    }
}

/**
 * virtq_publish_early - publish the used elements for a driver that polls, before the turn ends
 * virtq_publish_used() must follow; it decides about the interrupt. Returns without publishing if
 * virtq_publish_used() has not been called for half a ring, because used_event could then no longer
 * be compared.
 */
static inline void virtq_publish_early(struct virtqueue *vq)
{
    if (vq->packed) {
        virtq_packed_publish_early(vq);
    } else {
        virtq_split_publish_early(vq);
    }
}

/**
 * virtq_publish_used - publish all used elements
 * Return: true if the driver wants an interrupt for an element that was pushed since the last call
 *         (virtio 1.3, 2.7.7.2 and 2.8.10).
 */
static inline bool virtq_publish_used(struct virtqueue *vq)
{
    return vq->packed ? virtq_packed_publish_used(vq) : virtq_split_publish_used(vq);
}

/* virtq_suppress - ask the driver not to kick; a hint: it may still kick */
static inline void virtq_suppress(struct virtqueue *vq)
{
    if (vq->packed) {
        virtq_packed_suppress(vq);
    } else {
        virtq_split_suppress(vq);
    }
}

/**
 * virtq_unsuppress - ask the driver to kick again; ends with a full barrier
 * Return: true if a chain is available, for which the driver may not have kicked: the caller must
 *         call virtq_pop(), or virtq_suppress() and return later.
 */
static inline bool virtq_unsuppress(struct virtqueue *vq)
{
    return vq->packed ? virtq_packed_unsuppress(vq) : virtq_split_unsuppress(vq);
}

#endif

// SPDX-License-Identifier: MIT
/*
 * A virtqueue, from the device's side (virtio 1.3, sections 2.6 to 2.8).
 *
 * The driver is not trusted: what it writes is read once into local memory, checked, and only the
 * copy is used. Three answers are kept apart: got one, none there, broken. A broken queue stays
 * broken until the driver resets it.
 *
 * All functions run in the thread that serves the queue unless they say otherwise.
 */
#ifndef POLLUX_VIRTQ_VIRTQUEUE_H
#define POLLUX_VIRTQ_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtq/guest-memory.h"

#define VIRTQ_SIZE_MAX 32768
#define VIRTQ_IOV_MAX  130 /* most buffers in one chain: header, 128 segments, status */

struct vring_desc;
struct vring_avail;
struct vring_used;

/* Why a queue is broken, for the log line and the tests. */
struct virtq_fault {
    const char *what; /* static text; NULL: the queue is fine */
    uint16_t head;    /* the chain's first descriptor */
    uint16_t desc;    /* the descriptor it was found at, in the indirect table if there is one */
    uint64_t addr;    /* guest address or value that was wrong, 0 if it does not apply */
};

struct virtqueue {
    /* what the driver set up; valid while @ready */
    bool ready;
    bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
    bool indirect;  /* VIRTIO_F_INDIRECT_DESC negotiated */
    uint16_t size;  /* entries, a power of 2 for a split ring */
    uint64_t desc_gpa, avail_gpa, used_gpa;

    /* host addresses of the rings, checked by virtq_start() */
    const struct guest_memory *mem;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;

    /* the device's own state; no guest value in it is used unchecked */
    uint16_t last_avail;     /* next avail entry to read */
    uint16_t avail_cached;   /* newest avail->idx read */
    uint16_t used_idx;       /* next used entry to write */
    uint16_t used_published; /* used->idx as the driver sees it */
    uint16_t avail_event;    /* with EVENT_IDX: as the driver sees it */
    uint16_t in_flight;      /* popped, not pushed yet */
    bool suppressed;         /* notifications are off */
    struct virtq_fault fault;
    uint64_t in_flight_map[VIRTQ_SIZE_MAX / 64]; /* by head */
};

/*
 * One popped chain, translated. The buffers the device reads come first (virtio 1.3, 2.6.4.2).
 */
struct virtq_chain {
    uint16_t head;   /* what virtq_push() wants back */
    uint16_t nr_out; /* buffers that the device reads: iov[0 .. nr_out) */
    uint16_t nr_in;  /* buffers that the device writes: iov[nr_out .. nr_out + nr_in) */
    struct iovec iov[VIRTQ_IOV_MAX];
};

/**
 * virtq_start - check the ring addresses and begin at index 0
 * Uses @vq->size, *_gpa, event_idx, indirect as set by the transport.
 * Return: 0, or -EINVAL when a ring is not aligned or not wholly in guest memory, or the size is no
 *         power of 2 or 0; then the queue is not started and vq->fault says why.
 */
int virtq_start(struct virtqueue *vq, const struct guest_memory *mem);

/**
 * virtq_stop - forget the rings; the queue can be set up anew
 */
void virtq_stop(struct virtqueue *vq);

/**
 * virtq_has_work - has the driver made a chain available? One load; no ordering
 * Only on a queue that was started.
 */
bool virtq_has_work(const struct virtqueue *vq);

/**
 * virtq_unseen - are there chains that the device has not taken, with notifications on? A hint
 * @at: the next entry that it would take
 * Context: any thread, while the queue may be started and stopped; guest memory stays mapped.
 */
bool virtq_unseen(const struct virtqueue *vq, uint16_t *at);

/**
 * virtq_pop - take the next available chain
 * @chain: filled when 1 is returned
 * Return: 1 got one; 0 none there; -EINVAL broken: vq->fault says how, and every later call
 *         returns -EINVAL as well.
 */
int virtq_pop(struct virtqueue *vq, struct virtq_chain *chain);

/**
 * virtq_batch_left - does the last look at the ring promise more chains?
 * Touches no guest memory: after a pop it tells whether the next one would have to look again,
 * which costs a cache line that the driver writes.
 */
static inline bool virtq_batch_left(const struct virtqueue *vq)
{
    return vq->last_avail != vq->avail_cached;
}

/**
 * virtq_break - declare the queue broken: the ring was fine, but the device can't serve @head
 * @what: static text. The first fault of a queue is the one that is kept.
 * Return: -EINVAL.
 */
int virtq_break(struct virtqueue *vq, const char *what, uint16_t head);

/**
 * virtq_push - give a chain back, @written bytes of it written by the device
 * @head: as popped (asserted). The driver sees it only after virtq_publish(). A broken queue takes
 * what was popped before.
 */
void virtq_push(struct virtqueue *vq, uint16_t head, uint32_t written);

/**
 * virtq_publish - show the driver all that was pushed
 * Return: true if the driver wants an interrupt for it.
 */
bool virtq_publish(struct virtqueue *vq);

/**
 * virtq_suppress - ask the driver not to kick. Only a hint: kicks may still come
 */
void virtq_suppress(struct virtqueue *vq);

/**
 * virtq_unsuppress - ask the driver to kick again; a full barrier follows
 * Return: true if the driver made something available meanwhile, for which it may not kick: the
 *         caller must look (virtq_pop) or suppress and come back.
 */
bool virtq_unsuppress(struct virtqueue *vq);

#endif

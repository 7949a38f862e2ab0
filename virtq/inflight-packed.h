// SPDX-License-Identifier: MIT
/*
 * The record of chains in flight (virtq/inflight.h) for a packed ring. Used descriptors overwrite
 * the available ones, so the record has a copy of each descriptor. Its layout, too, is that of the
 * vhost-user specification.
 *
 * All functions but virtq_inflight_packed_size() run in the thread that serves the queue.
 */
#ifndef POLLUX_VIRTQ_INFLIGHT_PACKED_H
#define POLLUX_VIRTQ_INFLIGHT_PACKED_H

#include <linux/virtio_ring.h>

#include "virtq/inflight.h"

/* A place in the ring, and whether its lap is an even one. */
struct virtq_place {
    uint16_t index;
    bool even;
};

size_t virtq_inflight_packed_size(uint16_t entries);

/**
 * virtq_inflight_packed_start - read the record of the last process, or begin a new record
 * @ring: of @size descriptors, at most rec->entries
 * @used: the next place to be used. In: the value of the front end, for a new record. Out: that of
 *        the record.
 * @busy: out: descriptors of the ring that the chains to be taken again occupy, from @used on
 * Descriptors from @used on that the last process had written, and the driver has not seen, look
 * available again.
 * Return: 0, -EINVAL if the record is damaged, or -ENOMEM.
 */
int virtq_inflight_packed_start(struct virtq_inflight *rec, struct vring_packed_desc *ring,
                                uint16_t size, struct virtq_place *used, uint16_t *busy);

/**
 * virtq_inflight_packed_next - the next chain to be taken again
 * @n: out: how many descriptors it has; virtq_inflight_packed_copy() gives them in order
 */
void virtq_inflight_packed_next(struct virtq_inflight *rec, uint16_t *n);
struct vring_packed_desc virtq_inflight_packed_copy(struct virtq_inflight *rec);

/**
 * virtq_inflight_packed_desc - the next descriptor of a chain that is being taken
 * Return: 0, or -EINVAL: the front end has damaged the record.
 */
int virtq_inflight_packed_desc(struct virtq_inflight *rec, const struct vring_packed_desc *d);

/**
 * virtq_inflight_packed_add - that was the last one: the chain @id is in flight
 */
void virtq_inflight_packed_add(struct virtq_inflight *rec, uint16_t id);

/**
 * virtq_inflight_packed_again - chain @id, of virtq_inflight_packed_next(), is in flight as before
 */
void virtq_inflight_packed_again(struct virtq_inflight *rec, uint16_t id);

/**
 * virtq_inflight_packed_used - the used descriptor of chain @id is written, the driver cannot see it
 * virtq_inflight_packed_publishing - the driver is about to see all that were written, up to @used
 * virtq_inflight_packed_published - it sees them
 */
void virtq_inflight_packed_used(struct virtq_inflight *rec, uint16_t id);
void virtq_inflight_packed_publishing(struct virtq_inflight *rec, struct virtq_place used);
void virtq_inflight_packed_published(struct virtq_inflight *rec);

#endif

// SPDX-License-Identifier: MIT
/*
 * A record of the chains in flight, in memory that outlives the process: a back end that starts
 * again takes these chains again. The layout is the one that the vhost-user specification proposes
 * for a split ring ("Inflight I/O tracking"), so that another back end may have written it.
 *
 * The memory is shared with the front end, which is not trusted. Each value is checked, and
 * a wrong value can only damage chains of the same guest.
 *
 * All functions but virtq_inflight_size() run in the thread that serves the queue.
 */
#ifndef POLLUX_VIRTQ_INFLIGHT_H
#define POLLUX_VIRTQ_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTQ_INFLIGHT_ALIGN 64 /* of a region, in bytes */

/* Of one queue. @region and @entries are set by the owner, the rest begins as zeroes. */
struct virtq_inflight {
    void *region;     /* of virtq_inflight_size(entries) bytes, aligned */
    uint16_t entries; /* that it has room for */

    uint64_t counter;            /* of the next chain */
    unsigned nr_again, at_again; /* chains to be taken again, in @again */
    uint16_t *again;             /* heads in the order in which they were taken first; of a packed
                                    ring, entries */

    /* of a packed ring */
    uint16_t *again_num;          /* descriptors of each chain in @again */
    uint16_t *entry_of;           /* the first entry of a chain, by id */
    uint16_t *pushed;             /* first entries of the chains that are used and hidden */
    uint16_t nr_pushed, nr_taken; /* nr_taken: descriptors of the chain that is being taken */
    uint16_t head, at;            /* its first and its newest entry */
};

/**
 * virtq_inflight_size - bytes of a queue's region, a multiple of VIRTQ_INFLIGHT_ALIGN
 */
size_t virtq_inflight_size(uint16_t entries);

/**
 * virtq_inflight_start - read the record of the last process, or begin a new record
 * @size: of the ring, at most rec->entries
 * @used_idx: of the used ring, as the guest sees it
 * Return: 0, -EINVAL if the record is not one of this ring, or -ENOMEM.
 */
int virtq_inflight_start(struct virtq_inflight *rec, uint16_t size, uint16_t used_idx);

/**
 * virtq_inflight_stop - free what virtq_inflight_start() has allocated; the record stays
 */
void virtq_inflight_stop(struct virtq_inflight *rec);

/**
 * virtq_inflight_forget - the driver has reset the device: the next start begins a new record
 * @region: of a queue that is stopped; a split or a packed one
 */
void virtq_inflight_forget(void *region);

/**
 * virtq_inflight_left - how many chains are to be taken again; @rec may be NULL
 * virtq_inflight_next - the head of the next one of them
 */
static inline unsigned virtq_inflight_left(const struct virtq_inflight *rec)
{
    return rec ? rec->nr_again - rec->at_again : 0;
}

static inline uint16_t virtq_inflight_next(struct virtq_inflight *rec)
{
    return rec->again[rec->at_again++];
}

/**
 * virtq_inflight_add - the chain at @head was taken
 * virtq_inflight_used - its used element is written, and the guest does not see it yet
 * virtq_inflight_published - the guest sees all used elements up to @used_idx
 */
void virtq_inflight_add(struct virtq_inflight *rec, uint16_t head);
void virtq_inflight_used(struct virtq_inflight *rec, uint16_t head);
void virtq_inflight_published(struct virtq_inflight *rec, uint16_t used_idx);

#endif

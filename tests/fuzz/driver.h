// SPDX-License-Identifier: MIT
/*
 * A driver for fuzzing: by the book unless an operation makes it do otherwise. And what the device
 * must make of its ring, written down a second time from the specification.
 */
#ifndef POLLUX_TESTS_FUZZ_DRIVER_H
#define POLLUX_TESTS_FUZZ_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guest.h"
#include "virtq/virtqueue.h"

#define DRIVER_TABLES  0x2000 /* indirect tables, then buffers; offsets in the first region */
#define DRIVER_BUFFERS 0x2800
#define DRIVER_SIZE    256 /* largest ring that finds room below the tables */
#define DRIVER_BUFS    16  /* of one chain */

/* Flags of a packed descriptor. */
#define P_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define P_USED  (1u << VRING_PACKED_DESC_F_USED)

struct driver_buf {
    uint64_t gpa;
    uint32_t len;
    bool in;
};

struct fuzz_driver {
    struct fuzz_guest *g;
    bool packed, event_idx, indirect;
    uint16_t size;
    uint64_t desc, avail, used; /* packed: ring, driver and device event */

    uint16_t next_desc;
    bool wrap;          /* packed */
    uint16_t avail_idx; /* split */
    uint16_t reaped;    /* used entries looked at; packed: next descriptor to look at */
    bool reap_wrap;
    uint16_t nr_free;
    uint16_t length[65536]; /* descriptors of a chain, by head or id; 0: free */
    uint16_t next_id;
    uint64_t table_brk, buf_brk;
};

/* driver_reset - a new ring at offset @base of the first region */
void driver_reset(struct fuzz_driver *d, struct fuzz_guest *g, uint64_t base, uint16_t size,
                  bool packed, bool event_idx, bool indirect);

/* driver_setup - tell the queue where the ring is */
void driver_setup(const struct fuzz_driver *d, struct virtqueue *vq);

/* driver_room - some guest memory for a buffer; used again after a while */
uint64_t driver_room(struct fuzz_driver *d, uint32_t len);

/* driver_offer - make a chain available, if there are descriptors. Return: did it? */
bool driver_offer(struct fuzz_driver *d, const struct driver_buf *bufs, unsigned n, bool indirect);

/* driver_reap - take what was used; @id and @written of one. Return: was there one? */
bool driver_reap(struct fuzz_driver *d, uint16_t *id, uint32_t *written);

/* driver_break - break a rule: a wrong value somewhere in the ring or in an indirect table */
void driver_break(struct fuzz_driver *d, const struct fuzz_op *op);

/* --- what must come of it --- */

struct ring_model {
    bool broken;
    uint16_t next, cached; /* available entries, or next descriptor and how many are ours */
    uint16_t used;
    bool avail_wrap, used_wrap;
    uint16_t shown, published; /* @used at the last show or publish, and at the last publish */
    bool published_wrap;
    uint16_t unshown, unpublished; /* descriptors, or chains */
    uint16_t in_flight[65536];     /* descriptors, by head or id */
    unsigned nr_in_flight;
};

void model_reset(struct ring_model *m);

/* model_pop - Return: what virtq_pop() must return; 1: and what must be in @chain */
int model_pop(struct ring_model *m, struct fuzz_driver *d, struct virtq_chain *chain);

/* model_push - @id is given back; allow the device to write its used entry */
void model_push(struct ring_model *m, struct fuzz_driver *d, uint16_t id);

/* model_show - allow the device to show what was pushed, if it may without a publish */
void model_show(struct ring_model *m, struct fuzz_driver *d);

/* model_publish - allow the device to show what was pushed
 * Return: 1 or 0: does the driver want an interrupt? -1: what it asks for makes no sense. */
int model_publish(struct ring_model *m, struct fuzz_driver *d);

#endif

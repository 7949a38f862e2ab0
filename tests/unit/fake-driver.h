// SPDX-License-Identifier: MIT
/*
 * A virtio driver in plain memory: it writes rings, kicks and reaps like the driver of a guest, by
 * the specification unless a test asks for a violation. No KVM, no guest.
 *
 *     uint16_t head = fake_driver_chain(&drv, HDR(.type = VIRTIO_BLK_T_IN), IN(512), STATUS());
 *     fake_driver_kick(&drv, head);
 *
 * It may run in another thread than the device: shared data is published as the specification says.
 *
 * With a packed ring, descriptors are built in a table of the driver's own as if the ring was
 * split, and fake_driver_offer() packs the chain into the ring. So a test may change d->desc, and
 * an indirect table by fake_driver_table(), between build and offer, in the same way for both
 * formats. The buffer id is the head.
 */
#ifndef POLLUX_TESTS_UNIT_FAKE_DRIVER_H
#define POLLUX_TESTS_UNIT_FAKE_DRIVER_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "virtq/virtio.h"

#define FAKE_MEMORY_GPA  0x100000ull
#define FAKE_MEMORY_SIZE (8ull << 20)
#define FAKE_BUFS_MAX    1024 /* of one chain */

enum fake_kind { FAKE_HDR, FAKE_OUT, FAKE_IN, FAKE_STATUS };

struct fake_buf {
    enum fake_kind kind;
    uint32_t len;
    uint64_t gpa;      /* 0: the driver allocates */
    const void *bytes; /* contents of an OUT buffer; NULL: zeroes */
    struct virtio_blk_outhdr hdr;
};

/* clang-format off */
#define HDR(...)         {.kind = FAKE_HDR, .len = sizeof(struct virtio_blk_outhdr), .hdr = {__VA_ARGS__}}
#define OUT(n)           {.kind = FAKE_OUT, .len = (n)}
#define OUT_BYTES(p, n)  {.kind = FAKE_OUT, .len = (n), .bytes = (p)}
#define OUT_AT(addr, n)  {.kind = FAKE_OUT, .len = (n), .gpa = (addr)}
#define IN(n)            {.kind = FAKE_IN, .len = (n)}
#define IN_AT(addr, n)   {.kind = FAKE_IN, .len = (n), .gpa = (addr)}
#define STATUS()         {.kind = FAKE_STATUS, .len = 1}
/* clang-format on */

struct fake_chain {
    unsigned nr_desc; /* of the ring; 0: head is not in use */
    unsigned nr_bufs;
    unsigned nr_packed; /* descriptors it has in a packed ring */
    uint32_t used_len;
    bool used;
    struct vring_desc *table; /* the indirect one */
    uint64_t table_gpa;
    uint8_t *status; /* last byte of the last writable buffer */
    struct fake_buf *bufs;
};

struct fake_driver {
    struct guest_memory gm;
    uint8_t *mem;
    uint64_t gpa; /* of mem */
    uint64_t brk; /* next free byte of mem */

    unsigned size;
    bool event_idx, packed;
    struct vring_desc *desc; /* packed: not in guest memory */
    struct vring_avail *avail;
    struct vring_used *used;
    uint64_t desc_gpa, avail_gpa, used_gpa;

    struct vring_packed_desc *ring;
    struct vring_packed_desc_event *driver_event, *device_event;
    uint16_t avail_pos, used_pos;   /* packed: next descriptor to write, to look at */
    uint16_t avail_wrap, used_wrap; /* packed: wrap counters */

    uint16_t avail_idx; /* packed: descriptors made available so far */
    uint16_t reaped;    /* used entries looked at */
    uint16_t last;      /* head of the last one */
    unsigned next_desc;
    struct fake_chain *chains; /* by head */

    int kick_fd, call_fd;
    unsigned kicks; /* that the device wanted */
};

/* fake_driver_init - rings of @size entries in fresh memory; asserts instead of failing */
void fake_driver_init(struct fake_driver *d, unsigned size, bool event_idx);
void fake_driver_destroy(struct fake_driver *d);

/* fake_driver_pack - use a packed ring from now on; begins anew */
void fake_driver_pack(struct fake_driver *d);

/* fake_driver_setup - tell @vq where the rings are, as the transport would */
void fake_driver_setup(struct fake_driver *d, struct virtqueue *vq);

/* fake_driver_move - its memory is at @gpa, of a guest memory that another driver has */
void fake_driver_move(struct fake_driver *d, uint64_t gpa);

/* fake_driver_reset - forget rings, chains and buffers, as a driver that begins anew */
void fake_driver_reset(struct fake_driver *d);

/* fake_driver_alloc - @len bytes of guest memory, @align a power of 2 */
uint64_t fake_driver_alloc(struct fake_driver *d, uint64_t len, uint64_t align);
void *fake_driver_at(struct fake_driver *d, uint64_t gpa);

/* fake_driver_chain - build a chain, from descriptors of the ring or in an indirect table */
#define fake_driver_chain(d, ...)                                                                  \
    fake_driver_build((d), false, (struct fake_buf[]){__VA_ARGS__},                                \
                      sizeof((struct fake_buf[]){__VA_ARGS__}) / sizeof(struct fake_buf))
#define fake_driver_chain_indirect(d, ...)                                                         \
    fake_driver_build((d), true, (struct fake_buf[]){__VA_ARGS__},                                 \
                      sizeof((struct fake_buf[]){__VA_ARGS__}) / sizeof(struct fake_buf))
uint16_t fake_driver_build(struct fake_driver *d, bool indirect, const struct fake_buf *bufs,
                           unsigned nr);

/* fake_driver_table - the indirect table of a chain, to be changed before it is offered */
struct vring_desc *fake_driver_table(struct fake_driver *d, uint16_t head);

/* fake_driver_offer - put the chain into the available ring and publish it, no kick */
void fake_driver_offer(struct fake_driver *d, uint16_t head);

/* fake_driver_wants_kick - does the device want a kick for the chains offered since @old? */
bool fake_driver_wants_kick(struct fake_driver *d, uint16_t old);

/* fake_driver_kick - offer, and kick if the device wants it. Return: whether it did */
bool fake_driver_kick(struct fake_driver *d, uint16_t head);

/* fake_driver_used_idx - used->idx; packed: chains reaped or ready to be reaped */
uint16_t fake_driver_used_idx(struct fake_driver *d);

/* fake_driver_reap - take the next used entry. Return: its head, or -1 */
int fake_driver_reap(struct fake_driver *d);

/* fake_driver_await - reap @n entries, waiting for the interrupt */
void fake_driver_await(struct fake_driver *d, unsigned n);

/* fake_driver_release - a reaped chain's descriptors may be used again */
void fake_driver_release(struct fake_driver *d, uint16_t head);

/* fake_driver_want_interrupts - with EVENT_IDX: for the next used entry; else by flag */
void fake_driver_want_interrupts(struct fake_driver *d, bool want);

/* fake_driver_interrupts - interrupts since the last call */
unsigned fake_driver_interrupts(struct fake_driver *d);

uint8_t fake_driver_status(struct fake_driver *d, uint16_t head);
uint32_t fake_driver_used_len(struct fake_driver *d, uint16_t head);
void *fake_driver_buf(struct fake_driver *d, uint16_t head, unsigned i);

/* --- a transport that counts --- */

struct fake_transport {
    int config_fd; /* eventfd, readable after a configuration interrupt */
};

void fake_transport_init(struct fake_transport *t, struct virtio_device *dev);
void fake_transport_destroy(struct fake_transport *t);

/* fake_transport_await_config - wait for a configuration interrupt */
void fake_transport_await_config(struct fake_transport *t);

/* fake_driver_negotiate - reset, up to FEATURES_OK with these features and VERSION_1 */
void fake_driver_negotiate(struct virtio_device *dev, uint64_t features);

/* fake_driver_attach - give queue @i of @dev this driver's rings and descriptors */
void fake_driver_attach(struct fake_driver *d, struct virtio_device *dev, unsigned i);

/* fd_await - wait until @fd is readable; a hang fails the test */
void fd_await(int fd);

#endif

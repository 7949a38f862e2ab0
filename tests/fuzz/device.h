// SPDX-License-Identifier: MIT
/*
 * A block device whose I/O thread is the fuzzer's own: its loop is stepped by hand, and its disk is
 * memory that answers when it is told to, in full, in part, or with an error.
 *
 * The calls between device and rings are watched on their way (ld --wrap): what is popped is used
 * exactly once, a ring that broke stays broken until it is set up again, nothing is in flight when
 * a ring is forgotten, and a turn of the loop takes a bounded number of chains.
 */
#ifndef POLLUX_TESTS_FUZZ_DEVICE_H
#define POLLUX_TESTS_FUZZ_DEVICE_H

#include "blk/virtio-blk.h"
#include "tests/fuzz/driver.h"

#define DEVICE_QUEUES     2
#define DEVICE_QUEUE_SIZE 64
#define DEVICE_DISK_SIZE  (32u << 10)

struct fuzz_device {
    AioContext *ctx;
    struct image image;
    uint8_t disk[DEVICE_DISK_SIZE];
    struct virtio_device *dev;
    struct fuzz_guest guest;
    const struct guest_memory *mem; /* that the device knows; NULL: that of @guest */
    struct fuzz_driver drv[DEVICE_QUEUES];
    bool hold; /* the disk does not answer by itself */
};

/* device_init - a new one; @op: a: queues, read-only, alignment, merging, poll policy */
struct fuzz_device *device_init(const struct fuzz_op *op);

/* device_memory - the device has other mappings of the guest's memory; what it writes there is not
 * looked at. Before a ring is set up */
void device_memory(struct fuzz_device *f, const struct guest_memory *mem);

/* device_end - settles, frees; nothing may be left in the loop */
void device_end(struct fuzz_device *f);

/* device_ring - the driver begins anew with queue @i; the transport must be told. @a: event index,
 * indirect, packed as offered; @b: size */
void device_ring(struct fuzz_device *f, unsigned i, const struct fuzz_op *op);

/* device_request - a request on queue @i. @a: kind; @b: segments, odd cuts; @c: sector */
void device_request(struct fuzz_device *f, unsigned i, const struct fuzz_op *op);

/* device_answer - let the disk answer what it holds. @how: in full, short, errors */
void device_answer(struct fuzz_device *f, unsigned how);

/* device_look - has it kept to rings that are live and buffers that are in flight? */
void device_look(struct fuzz_device *f);

/* device_step - a turn of the loop, which may poll; checks what must hold after each */
void device_step(struct fuzz_device *f, bool poll);

/* device_settle - turns until nothing is left to do; then nothing is in flight */
void device_settle(struct fuzz_device *f);

/* device_works - queue @i, set up anew, writes and reads what it wrote. @kick as the transport does
 */
void device_works(struct fuzz_device *f, unsigned i, void (*kick)(void *opaque, unsigned i),
                  void *opaque);

#endif

// SPDX-License-Identifier: MIT
/*
 * request.h - one slot of the queue depth, with a part for the device and a part for the guest
 *
 * A slot is one cache line. The device reads the header and writes the status byte. The guest reads
 * the status byte of each completed request, so its own part in the same line costs no other line.
 */
#ifndef GUEST_IMAGES_BENCH_REQUEST_H
#define GUEST_IMAGES_BENCH_REQUEST_H

#include <stdint.h>

/* Values of the request header (virtio 1.3, 5.2.6). */
enum request_type {
    REQUEST_READ = 0,
    REQUEST_WRITE = 1,
    REQUEST_FLUSH = 4,
};

#define STATUS_OK      0
#define STATUS_UNTAKEN 0xff /* initial value; never written by a device */

struct request {
    /* struct virtio_blk_req's header */
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
    /* the status byte of the virtio_blk_req */
    uint8_t status;
    /* the device does not read these */
    uint8_t descs;     /* descriptors in a packed ring */
    uint16_t head;     /* its id in the used ring */
    uint32_t used_len; /* bytes that the device should report as written */
    uint64_t start;    /* TSC when it was made */
    uint64_t *data;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct request) == 64, "a request is one cache line");

#endif

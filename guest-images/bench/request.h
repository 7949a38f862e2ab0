// SPDX-License-Identifier: MIT
/*
 * request.h - one slot of the queue depth: what the device sees of it, and what the guest keeps
 *
 * A slot is one cache line. The device reads its head and writes one byte of it; the guest looks
 * at that byte anyway when the request is done, so what it keeps beside it costs no further line.
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
#define STATUS_UNTAKEN 0xff /* what the guest puts there; never written by a device */

struct request {
    /* struct virtio_blk_req's header */
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
    /* the status byte of the virtio_blk_req */
    uint8_t status;
    /* the device does not read these */
    uint8_t descs;     /* descriptors in a packed ring */
    uint16_t head;     /* what the used ring calls it */
    uint32_t used_len; /* what the device should report as written */
    uint64_t start;    /* TSC when it was made */
    uint64_t *data;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct request) == 64, "a request is one cache line");

#endif

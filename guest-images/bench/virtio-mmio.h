// SPDX-License-Identifier: MIT
/*
 * virtio-mmio.h - bringing up a virtio-blk device on the modern MMIO transport (virtio 1.3, 3.1.1,
 * 4.2, 5.2)
 */
#ifndef GUEST_IMAGES_BENCH_VIRTIO_MMIO_H
#define GUEST_IMAGES_BENCH_VIRTIO_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_BLK_F_SIZE_MAX  (1ull << 1)
#define VIRTIO_BLK_F_RO        (1ull << 5)
#define VIRTIO_BLK_F_BLK_SIZE  (1ull << 6)
#define VIRTIO_BLK_F_FLUSH     (1ull << 9)
#define VIRTIO_BLK_F_MQ        (1ull << 12)
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)
#define VIRTIO_F_RING_PACKED   (1ull << 34)

struct virtio_disk {
    uint64_t mmio;
    uint64_t features; /* as negotiated */
    uint64_t sectors;  /* capacity, of 512 bytes each */
    uint32_t size_max; /* longest segment, 0 without VIRTIO_BLK_F_SIZE_MAX */
    uint32_t blk_size;
    uint16_t queues; /* 1 without VIRTIO_BLK_F_MQ */
};

/*
 * The calls below go in this order. If the device breaks the protocol, a call ends the guest
 * with BENCH_EXIT_DEVICE and a line that names the step.
 */

/* Reset, check the identity, negotiate @wanted, and read the configuration. */
void virtio_disk_open(struct virtio_disk *disk, uint64_t mmio, uint64_t wanted);

/* The maximum size of queue @index. */
unsigned virtio_disk_queue_max(const struct virtio_disk *disk, unsigned index);

/* Give queue @index its memory. */
void virtio_disk_set_queue(const struct virtio_disk *disk, unsigned index, unsigned size,
                           const void *desc, const void *avail, const void *used);

/* Go to DRIVER_OK. */
void virtio_disk_start(const struct virtio_disk *disk);

uint32_t virtio_disk_status(const struct virtio_disk *disk);
uint64_t virtio_disk_notify_address(const struct virtio_disk *disk);

/* Reset: the device stops using the memory. */
void virtio_disk_close(const struct virtio_disk *disk);

#endif

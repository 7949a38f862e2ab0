// SPDX-License-Identifier: MIT
/*
 * virtio-mmio.c - the MMIO transport's registers and the initialisation sequence
 */
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/platform.h"
#include "guest-images/bench/virtio-mmio.h"

enum reg {
    REG_MAGIC = 0x000,
    REG_VERSION = 0x004,
    REG_DEVICE_ID = 0x008,
    REG_DEVICE_FEATURES = 0x010,
    REG_DEVICE_FEATURES_SEL = 0x014,
    REG_DRIVER_FEATURES = 0x020,
    REG_DRIVER_FEATURES_SEL = 0x024,
    REG_QUEUE_SEL = 0x030,
    REG_QUEUE_SIZE_MAX = 0x034,
    REG_QUEUE_SIZE = 0x038,
    REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050,
    REG_STATUS = 0x070,
    REG_QUEUE_DESC = 0x080,
    REG_QUEUE_DRIVER = 0x090,
    REG_QUEUE_DEVICE = 0x0a0,
    REG_CONFIG_GENERATION = 0x0fc,
    REG_CONFIG = 0x100,
};

#define MAGIC        0x74726976 /* "virt" */
#define MODERN       2
#define DEVICE_BLOCK 2

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER      2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_FAILED      128

#define CONFIG_CAPACITY 0
#define CONFIG_SIZE_MAX 8
#define CONFIG_BLK_SIZE 20
#define CONFIG_QUEUES   34

#define RESET_TRIES 100000

static uint32_t get(const struct virtio_disk *disk, uint32_t reg)
{
    return mmio_read32(disk->mmio + reg);
}

static void set(const struct virtio_disk *disk, uint32_t reg, uint32_t value)
{
    mmio_write32(disk->mmio + reg, value);
}

static void set64(const struct virtio_disk *disk, uint32_t reg, const void *address)
{
    set(disk, reg, (uint32_t)(uintptr_t)address);
    set(disk, reg + 4, (uint32_t)((uintptr_t)address >> 32));
}

static void refuse(const struct virtio_disk *disk, const char *step, uint32_t got)
{
    set(disk, REG_STATUS, get(disk, REG_STATUS) | STATUS_FAILED);
    fail(BENCH_EXIT_DEVICE, "device at 0x%lx: %s: got 0x%x", disk->mmio, step, got);
}

static void expect(const struct virtio_disk *disk, uint32_t reg, uint32_t value, const char *step)
{
    uint32_t got = get(disk, reg);

    if (got != value) {
        refuse(disk, step, got);
    }
}

static void reset(const struct virtio_disk *disk)
{
    set(disk, REG_STATUS, 0);
    for (unsigned i = 0; get(disk, REG_STATUS); i++) {
        if (i == RESET_TRIES) {
            fail(BENCH_EXIT_DEVICE, "device at 0x%lx: no end of reset", disk->mmio);
        }
    }
}

static void negotiate(struct virtio_disk *disk, uint64_t wanted)
{
    uint64_t offered;

    set(disk, REG_DEVICE_FEATURES_SEL, 1);
    offered = (uint64_t)get(disk, REG_DEVICE_FEATURES) << 32;
    set(disk, REG_DEVICE_FEATURES_SEL, 0);
    offered |= get(disk, REG_DEVICE_FEATURES);
    if (!(offered & VIRTIO_F_VERSION_1)) {
        refuse(disk, "VERSION_1 is not offered", (uint32_t)(offered >> 32));
    }

    disk->features = offered & wanted;
    set(disk, REG_DRIVER_FEATURES_SEL, 1);
    set(disk, REG_DRIVER_FEATURES, (uint32_t)(disk->features >> 32));
    set(disk, REG_DRIVER_FEATURES_SEL, 0);
    set(disk, REG_DRIVER_FEATURES, (uint32_t)disk->features);
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    expect(disk, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK,
           "FEATURES_OK did not stay set");
}

static void read_config(struct virtio_disk *disk)
{
    uint32_t generation;

    do {
        generation = get(disk, REG_CONFIG_GENERATION);
        disk->sectors = get(disk, REG_CONFIG + CONFIG_CAPACITY) |
                        (uint64_t)get(disk, REG_CONFIG + CONFIG_CAPACITY + 4) << 32;
        disk->size_max = 0;
        disk->blk_size = 512;
        if (disk->features & VIRTIO_BLK_F_SIZE_MAX) {
            disk->size_max = get(disk, REG_CONFIG + CONFIG_SIZE_MAX);
        }
        if (disk->features & VIRTIO_BLK_F_BLK_SIZE) {
            disk->blk_size = get(disk, REG_CONFIG + CONFIG_BLK_SIZE);
        }
        disk->queues = 1;
        if (disk->features & VIRTIO_BLK_F_MQ) {
            disk->queues = mmio_read16(disk->mmio + REG_CONFIG + CONFIG_QUEUES);
        }
    } while (get(disk, REG_CONFIG_GENERATION) != generation);
}

void virtio_disk_open(struct virtio_disk *disk, uint64_t mmio, uint64_t wanted)
{
    disk->mmio = mmio;
    expect(disk, REG_MAGIC, MAGIC, "no virtio device here");
    expect(disk, REG_VERSION, MODERN, "not a modern device (QEMU: force-legacy=false)");
    expect(disk, REG_DEVICE_ID, DEVICE_BLOCK, "not a block device");
    reset(disk);
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE);
    set(disk, REG_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    negotiate(disk, wanted | VIRTIO_F_VERSION_1);
    read_config(disk);
}

unsigned virtio_disk_queue_max(const struct virtio_disk *disk, unsigned index)
{
    set(disk, REG_QUEUE_SEL, index);
    expect(disk, REG_QUEUE_READY, 0, "a queue is in use already");
    return get(disk, REG_QUEUE_SIZE_MAX);
}

void virtio_disk_set_queue(const struct virtio_disk *disk, unsigned index, unsigned size,
                           const void *desc, const void *avail, const void *used)
{
    set(disk, REG_QUEUE_SEL, index);
    set(disk, REG_QUEUE_SIZE, size);
    set64(disk, REG_QUEUE_DESC, desc);
    set64(disk, REG_QUEUE_DRIVER, avail);
    set64(disk, REG_QUEUE_DEVICE, used);
    set(disk, REG_QUEUE_READY, 1);
    expect(disk, REG_QUEUE_READY, 1, "a queue did not become ready");
}

void virtio_disk_start(const struct virtio_disk *disk)
{
    const uint32_t live =
        STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;

    set(disk, REG_STATUS, live);
    expect(disk, REG_STATUS, live, "DRIVER_OK did not stay set");
}

uint32_t virtio_disk_status(const struct virtio_disk *disk)
{
    return get(disk, REG_STATUS);
}

uint64_t virtio_disk_notify_address(const struct virtio_disk *disk)
{
    return disk->mmio + REG_QUEUE_NOTIFY;
}

void virtio_disk_close(const struct virtio_disk *disk)
{
    reset(disk);
}

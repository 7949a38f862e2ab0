// SPDX-License-Identifier: MIT
/*
 * main.c - set up what the command line asks for, run it, report
 *
 * All of it runs at CPL 3; only a hlt, and the handler of the interrupt that ends it, are at CPL 0.
 */
#include "guest-images/bench/clock.h"
#include "guest-images/bench/options.h"
#include "guest-images/bench/platform.h"
#include "guest-images/bench/run.h"

#define PAGE            4096
#define HVM_START_MAGIC 0x336ec578

void bench_main(const struct hvm_start_info *info) __attribute__((noreturn));

static struct options options;
static struct bench bench;
static struct ring_memory ring_memory[BENCH_MAX_DISKS * BENCH_MAX_QUEUES];
static struct request requests[BENCH_MAX_DISKS * BENCH_MAX_QUEUES][BENCH_MAX_DEPTH];

static uint64_t buffer_step(void)
{
    return ((uint64_t)options.bs + PAGE - 1) / PAGE * PAGE;
}

/* Of one queue. */
static uint64_t buffer_bytes(void)
{
    return buffer_step() * options.depth;
}

static void check_memory(const struct hvm_start_info *info)
{
    uint64_t end = ram_end(info);
    uint64_t need = BENCH_BUFFERS_START + buffer_bytes() * options.disks * options.queues;

    if (end && end < need) {
        fail(BENCH_EXIT_USAGE, "%lu bytes of memory are too little for these requests: %lu needed",
             end, need);
    }
}

/* Data that no file system or disk can compress. Reads only need allocated pages. */
static void fill_buffers(void)
{
    uint64_t *p = (uint64_t *)BENCH_BUFFERS_START, x = options.seed | 1;
    uint64_t *end = p + buffer_bytes() * options.disks * options.queues / sizeof(*p);
    unsigned step = options.read_percent == 100 ? PAGE / sizeof(*p) : 1;

    for (; p < end; p += step) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        *p = x;
    }
}

static void check_disk(const struct virtio_disk *device, uint64_t blocks, unsigned index)
{
    if (options.read_percent < 100 && device->features & VIRTIO_BLK_F_RO) {
        fail(BENCH_EXIT_USAGE, "disk %u is read-only", index);
    }
    if (options.flush_every && !(device->features & VIRTIO_BLK_F_FLUSH)) {
        fail(BENCH_EXIT_USAGE, "disk %u does not offer FLUSH", index);
    }
    if (options.bs % device->blk_size) {
        fail(BENCH_EXIT_USAGE, "bs=%u: not a multiple of disk %u's block size, %u", options.bs,
             index, device->blk_size);
    }
    if (device->size_max && options.bs > device->size_max) {
        fail(BENCH_EXIT_USAGE, "bs=%u: disk %u takes at most %u in a segment", options.bs, index,
             device->size_max);
    }
    if (!blocks) {
        fail(BENCH_EXIT_USAGE, "bs=%u: larger than the region of disk %u", options.bs, index);
    }
    if (options.queues > device->queues) {
        fail(BENCH_EXIT_USAGE, "queues=%u: disk %u has %u", options.queues, index, device->queues);
    }
    if (options.indirect && !(device->features & VIRTIO_F_INDIRECT_DESC)) {
        fail(BENCH_EXIT_USAGE, "disk %u does not offer INDIRECT_DESC", index);
    }
    if (options.packed && !(device->features & VIRTIO_F_RING_PACKED)) {
        fail(BENCH_EXIT_USAGE, "disk %u does not offer RING_PACKED", index);
    }
}

/* The shape of the ring: how many descriptors, and how many of them are one request. */
static void choose_size(struct ring *ring, unsigned index, unsigned max)
{
    unsigned size = 1;

    if (options.queue_size > max) {
        fail(BENCH_EXIT_USAGE, "qsize=%u: disk %u takes at most %u", options.queue_size, index,
             max);
    }
    if (options.queue_size) {
        max = options.queue_size;
    }
    if (max > RING_MAX_SIZE) {
        max = RING_MAX_SIZE;
    }
    ring->stride = (uint16_t)split_stride(options.depth, max, options.indirect);
    if (options.packed && ring->stride) {
        ring->stride = 3;
    }
    if (!ring->stride) {
        fail(BENCH_EXIT_USAGE, "depth=%u: too deep for the queue of disk %u, %u descriptors",
             options.depth, index, max);
    }
    if (options.packed) {
        size = ring->stride * options.depth;
    }
    while (size < ring->stride * options.depth) {
        size *= 2;
    }
    ring->size = (uint16_t)(options.queue_size ? options.queue_size : size);
}

static void open_queue(unsigned disk_index, unsigned index, uint64_t blocks)
{
    const struct virtio_disk *disk = &bench.disks[disk_index];
    unsigned slot = bench.queue_count++;
    struct queue *queue = &bench.queues[slot];
    struct ring *ring = &queue->ring;
    uint64_t buffers = BENCH_BUFFERS_START + slot * buffer_bytes();
    enum request_type type = options.read_percent ? REQUEST_READ : REQUEST_WRITE;

    queue->disk = disk_index;
    queue->blocks = blocks;
    queue->sectors_per_block = options.bs / 512;
    queue->first_block = blocks * index / options.queues;
    queue->next_block = queue->first_block;
    choose_size(ring, disk_index, virtio_disk_queue_max(disk, index));
    ring->memory = &ring_memory[slot];
    ring->requests = requests[slot];
    ring->depth = (uint16_t)options.depth;
    ring->packed = options.packed;
    ring->event_idx = disk->features & VIRTIO_F_EVENT_IDX;
    ring->notify = virtio_disk_notify_address(disk);
    ring->index = index;
    if (ring->packed) {
        packed_init(ring, buffers, buffer_step(), options.bs, type);
    } else {
        split_init(ring, ring->stride, options.indirect, buffers, buffer_step(), options.bs, type);
    }
    virtio_disk_set_queue(disk, index, ring->size, ring->memory->desc, &ring->memory->avail,
                          &ring->memory->used);
    say("disk=%u queue=%u qsize=%u stride=%u event_idx=%u\n", disk_index, index, ring->size,
        ring->stride, ring->event_idx);
}

static void open_disk(unsigned index)
{
    struct virtio_disk *disk = &bench.disks[index];
    uint64_t wanted = VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_SIZE_MAX |
                      VIRTIO_BLK_F_FLUSH | (options.queues > 1 ? VIRTIO_BLK_F_MQ : 0) |
                      (options.event_idx ? VIRTIO_F_EVENT_IDX : 0) |
                      (options.indirect ? VIRTIO_F_INDIRECT_DESC : 0) |
                      (options.packed ? VIRTIO_F_RING_PACKED : 0);
    uint64_t bytes, blocks;

    virtio_disk_open(disk, options.place[index].mmio, wanted);
    bytes = disk->sectors * 512;
    if (options.region && options.region < bytes) {
        bytes = options.region;
    }
    blocks = bytes / options.bs;
    check_disk(disk, blocks, index);
    say("disk=%u sectors=%lu blocks=%lu features=0x%lx queues=%u\n", index, disk->sectors, blocks,
        disk->features, disk->queues);
    for (unsigned i = 0; i < options.queues; i++) {
        open_queue(index, i, blocks);
    }
    virtio_disk_start(disk);
}

static void __attribute__((noreturn)) report(void)
{
    const struct results *results = &bench.results;
    uint64_t elapsed = ticks_to_ns(results->elapsed_ticks), count, flushes;
    uint64_t kicks = 0, interrupts = 0;

    for (unsigned i = 0; i < bench.queue_count; i++) {
        kicks += bench.queues[i].ring.kicks;
    }
    for (unsigned i = 0; i < bench.disk_count; i++) {
        interrupts += irq_count[i];
    }
    count = histogram_count(&results->data);
    flushes = histogram_count(&results->flush);
    say("requests=%lu\nerrors=%lu\nbad_lengths=%lu\nelapsed_ns=%lu\niops=%lu\n", count,
        results->errors, results->bad_lengths, elapsed,
        elapsed ? mul_div(count, 1000000000, elapsed) : 0);
    histogram_report(&results->data, "lat_");
    say("flushes=%lu\n", flushes);
    histogram_report(&results->flush, "flush_lat_");
    say("mismatches=%lu\n", results->mismatches);
    say("kicks=%lu\ninterrupts=%lu\nrescued=%lu\n", kicks, interrupts, results->rescued);
    if (options.hist) {
        histogram_dump(&results->data);
    }
    say("end=bench\n");
    if (results->errors) {
        fail(BENCH_EXIT_DEVICE, "%lu requests failed, the last one with status %u", results->errors,
             results->last_error);
    }
    if (results->mismatches) {
        fail(BENCH_EXIT_DEVICE, "%lu sectors read were not what verify=1 had written",
             results->mismatches);
    }
    leave(BENCH_EXIT_OK);
}

static void __attribute__((noreturn)) measure(void (*run)(struct bench *, uint64_t, uint64_t))
{
    run(&bench, options.warmup, options.time_ns ? ns_to_ticks(options.time_ns) / 4 : UINT64_MAX);
    for (unsigned i = 0; i < bench.queue_count; i++) {
        bench.queues[i].next_block = bench.queues[i].first_block;
    }
    mark_begin();
    run(&bench, options.requests ? options.requests : UINT64_MAX,
        options.time_ns ? ns_to_ticks(options.time_ns) : UINT64_MAX);
    mark_end();
    for (unsigned i = 0; i < bench.disk_count; i++) {
        virtio_disk_close(&bench.disks[i]);
    }
    report();
}

static void connect_interrupts(void)
{
    for (unsigned i = 0; i < bench.disk_count; i++) {
        irq_connect(i, bench.disks[i].mmio, options.place[i].irq);
    }
    timer_start();
}

void bench_main(const struct hvm_start_info *info)
{
    if (info->magic != HVM_START_MAGIC) {
        fail(BENCH_EXIT_USAGE, "not started by the PVH protocol");
    }
    options_parse(&options, info->cmdline_paddr ? (const char *)info->cmdline_paddr : "");
    say("begin=bench\nabi=%u\n", BENCH_ABI_VERSION);
    options_report(&options);
    check_memory(info);
    clock_init();
    say("clock=%s\ntsc_khz=%lu\n", clock_source(), clock_tsc_khz());

    bench.disk_count = options.disks;
    bench.workload = (struct workload){
        .random_state = options.seed * 0x9e3779b97f4a7c15 + 1,
        .random = options.random,
        .mixed = options.read_percent % 100,
        .read_percent = (uint8_t)options.read_percent,
        .verify = options.verify,
        .flush_every = options.flush_every,
        .pause = options.pause,
        .pausing = !pause_is_none(&options.pause),
    };
    bench.workload.pause.a = ns_to_ticks(options.pause.a);
    bench.workload.pause.b = ns_to_ticks(options.pause.b);
    fill_buffers();
    for (unsigned i = 0; i < bench.disk_count; i++) {
        open_disk(i);
    }
    if (options.wait_irq) {
        connect_interrupts();
    }
    measure(options.wait_irq ? run_irq : run_poll);
}

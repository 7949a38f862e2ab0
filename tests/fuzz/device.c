// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <semaphore.h>
#include <string.h>

#include "tests/fuzz/device.h"

#define TURNS_MAX 1000

static struct fuzz_device device;

/* --- the I/O thread, in place of iothread/ --- */

struct iothread {
    AioContext *ctx;
};

static struct iothread the_thread;

AioContext *iothread_ctx(struct iothread *io)
{
    return io->ctx;
}

int iothread_call(struct iothread *io, int (*fn)(void *opaque), void *opaque)
{
    return fn(opaque);
}

static uint64_t clock_ns;

static uint64_t virtual_clock(void)
{
    return clock_ns += 200;
}

/* --- the disk --- */

static struct {
    struct engine e;
    struct list held;
    struct aio_deferred answer;
    unsigned how;
} disk;

static ssize_t move(const struct engine_req *req, uint64_t most)
{
    uint64_t done = 0;

    for (int i = 0; i < req->iovcnt && done < most; i++) {
        uint64_t n = req->iov[i].iov_len;

        n = n < most - done ? n : most - done;
        if (req->op == ENGINE_READ) {
            memcpy(req->iov[i].iov_base, device.disk + req->offset + done, n);
        } else {
            memcpy(device.disk + req->offset + done, req->iov[i].iov_base, n);
        }
        done += n;
    }
    return (ssize_t)done;
}

/* @how: mostly all of it; else sectors, or odd bytes, or nothing, or an error. */
static ssize_t answer(const struct engine_req *req, unsigned how)
{
    uint64_t all = 0;

    if (req->op == ENGINE_WRITE_ZEROES && how % 8 != 3) {
        memset(device.disk + req->offset, 0, req->len);
    }
    for (int i = 0; i < req->iovcnt; i++) {
        all += req->iov[i].iov_len;
    }
    switch (how % 8) {
    case 1:
        return move(req, all > 512 ? 512 : all);
    case 2:
        return move(req, all / 2);
    case 3:
        return -EIO;
    case 4:
        return move(req, all > 1024 ? (all / 2 + 511) / 512 * 512 : all);
    default:
        return move(req, all);
    }
}

static void answer_all(void *opaque)
{
    struct list batch;

    list_take(&batch, &disk.held);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);

        list_del(&req->node);
        disk.e.in_flight--;
        req->cb(req, answer(req, disk.how));
    }
}

static int disk_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                     struct engine **out, struct error *err)
{
    list_init(&disk.held);
    aio_deferred_init(&disk.answer, answer_all, NULL);
    disk.how = 0;
    *out = &disk.e;
    return 0;
}

static int disk_submit(struct engine *e, struct engine_req *req)
{
    list_add_tail(&disk.held, &req->node);
    if (!device.hold) {
        aio_defer(e->ctx, &disk.answer);
    }
    return 0;
}

static void disk_close(struct engine *e)
{
    aio_deferred_cancel(&disk.answer);
}

static const struct engine_ops disk_ops = {
    .name = "fuzz",
    .open = disk_open,
    .submit = disk_submit,
    .close = disk_close,
};

void device_answer(struct fuzz_device *f, unsigned how)
{
    disk.how = how;
    aio_defer(f->ctx, &disk.answer);
}

/* --- between device and rings --- */

static struct watched {
    struct virtqueue *vq;
    bool live, broken;
    unsigned nr_in_flight;
    bool in_flight[65536];
} watched[DEVICE_QUEUES];

static unsigned taken; /* in this turn */

static struct watched *watched_of(struct virtqueue *vq)
{
    for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
        if (watched[i].vq == vq) {
            return &watched[i];
        }
    }
    fuzz_failed(__FILE__, __LINE__, "queue", "a ring of no queue");
}

static uint32_t chain_name(const struct watched *w, uint16_t head)
{
    return (uint32_t)(w - watched) << 16 | head;
}

/* What of a ring is the device's to write. fuzz_ring looks closer. */
static void allow_ring(const struct watched *w)
{
    const struct virtqueue *vq = w->vq;
    uint64_t event = vq->event_idx ? 2 : 0;
    uint64_t len = vq->packed ? 4 : 4 + 8ull * vq->size + event;

    if (device.mem) {
        return;
    }
    guest_allow(&device.guest, guest_at(&device.guest, vq->used_gpa, len), len, GUEST_ONCE);
    if (vq->packed) {
        len = 16ull * vq->size;
        guest_allow(&device.guest, guest_at(&device.guest, vq->desc_gpa, len), len, GUEST_ONCE);
    }
}

int __real_virtq_start(struct virtqueue *vq, const struct guest_memory *mem);
int __wrap_virtq_start(struct virtqueue *vq, const struct guest_memory *mem);
int __wrap_virtq_start(struct virtqueue *vq, const struct guest_memory *mem)
{
    struct watched *w = watched_of(vq);
    int r = __real_virtq_start(vq, mem);

    FUZZ_CHECK(w->nr_in_flight == 0, "started with chains in flight");
    w->live = r == 0;
    w->broken = r < 0;
    if (w->live) {
        allow_ring(w);
    }
    return r;
}

void __real_virtq_stop(struct virtqueue *vq);
void __wrap_virtq_stop(struct virtqueue *vq);
void __wrap_virtq_stop(struct virtqueue *vq)
{
    struct watched *w = watched_of(vq);

    FUZZ_CHECK(w->nr_in_flight == 0, "%u chains are forgotten", w->nr_in_flight);
    if (w->live) {
        allow_ring(w);
    }
    w->live = w->broken = false;
    __real_virtq_stop(vq);
}

static bool has(const struct iovec *iov)
{
    for (unsigned i = 0; device.mem && i < device.mem->nr; i++) {
        uint64_t off = (uintptr_t)iov->iov_base - (uintptr_t)device.mem->regions[i].hva;

        if (guest_region_has(&device.mem->regions[i], off, iov->iov_len)) {
            return true;
        }
    }
    return !device.mem && guest_has(&device.guest, iov->iov_base, iov->iov_len);
}

static int popped(struct virtqueue *vq, struct virtq_chain *c, int r)
{
    struct watched *w = watched_of(vq);

    FUZZ_CHECK(!w->broken || r == -EINVAL, "a broken ring gave %d", r);
    w->broken = r < 0;
    if (r <= 0) {
        return r;
    }
    taken++;
    FUZZ_CHECK(c->nr_out + c->nr_in <= VIRTQ_IOV_MAX, "%u + %u buffers", c->nr_out, c->nr_in);
    FUZZ_CHECK(!w->in_flight[c->head], "chain %u is in flight already", c->head);
    w->in_flight[c->head] = true;
    w->nr_in_flight++;
    for (unsigned i = 0; i < c->nr_out + c->nr_in; i++) {
        FUZZ_CHECK(has(&c->iov[i]), "buffer %u", i);
        if (i >= c->nr_out && !device.mem) {
            guest_allow(&device.guest, c->iov[i].iov_base, c->iov[i].iov_len,
                        chain_name(w, c->head));
        }
    }
    return r;
}

static void finished(struct virtqueue *vq, uint16_t head)
{
    struct watched *w = watched_of(vq);

    FUZZ_CHECK(w->in_flight[head], "chain %u is used twice, or was not popped", head);
    w->in_flight[head] = false;
    w->nr_in_flight--;
    guest_finish(&device.guest, chain_name(w, head));
}

#define WRAP(format)                                                                               \
    int __real_virtq_##format##_pop(struct virtqueue *vq, struct virtq_chain *chain);              \
    int __wrap_virtq_##format##_pop(struct virtqueue *vq, struct virtq_chain *chain);              \
    int __wrap_virtq_##format##_pop(struct virtqueue *vq, struct virtq_chain *chain)               \
    {                                                                                              \
        return popped(vq, chain, __real_virtq_##format##_pop(vq, chain));                          \
    }                                                                                              \
    void __real_virtq_##format##_push(struct virtqueue *vq, uint16_t head, uint32_t written);      \
    void __wrap_virtq_##format##_push(struct virtqueue *vq, uint16_t head, uint32_t written);      \
    void __wrap_virtq_##format##_push(struct virtqueue *vq, uint16_t head, uint32_t written)       \
    {                                                                                              \
        finished(vq, head);                                                                        \
        __real_virtq_##format##_push(vq, head, written);                                           \
    }
WRAP(split)
WRAP(packed)

/* The chain that the device can't serve stays with it, and is the only one. */
int __real_virtq_break(struct virtqueue *vq, const char *what, uint16_t head);
int __wrap_virtq_break(struct virtqueue *vq, const char *what, uint16_t head);
int __wrap_virtq_break(struct virtqueue *vq, const char *what, uint16_t head)
{
    finished(vq, head);
    watched_of(vq)->broken = true;
    return __real_virtq_break(vq, what, head);
}

/* Who waits for the I/O thread waits for us. */
int __wrap_sem_wait(sem_t *sem);
int __wrap_sem_wait(sem_t *sem)
{
    for (unsigned turns = 0; sem_trywait(sem) < 0; turns++) {
        FUZZ_CHECK(turns < TURNS_MAX, "the device does not stop");
        device_answer(&device, disk.how);
        aio_poll(device.ctx, false);
    }
    return 0;
}

/* --- the device --- */

static void drop_line(void *opaque, const char *line)
{
    FUZZ_CHECK(line[0] && !strchr(line, '\n'), "\"%s\"", line);
}

struct fuzz_device *device_init(const struct fuzz_op *op)
{
    static struct iothread *const threads[] = {&the_thread};
    struct aio_context_config config = {.fdmon = "ppoll", .clock = virtual_clock};
    struct virtio_blk_options blk = {
        .name = "disk0",
        .image = &device.image,
        .engine = &disk_ops,
        .nr_queues = 1 + (op->a & 1),
        .queue_size = DEVICE_QUEUE_SIZE,
        .packed = true,
        .iothreads = (struct iothread **)threads,
        .nr_iothreads = 1,
        .merge = op->a & 2,
        .discard = op->a & 0x80,
        .serial = "a serial",
        .log = drop_line,
    };
    struct error err = {""};

    poll_params_default(&config.poll);
    config.poll.policy = op->a & 4 ? &poll_policy_fixed : &poll_policy_block;
    config.poll.max_ns = 1000;
    memset(watched, 0, sizeof(watched));
    device.hold = false;
    device.mem = NULL;
    device.image = (struct image){
        .fd = -1,
        .size = DEVICE_DISK_SIZE,
        .align = op->a & 8 ? 512 : 1,
        .readonly = (op->a & 0x70) == 0x70,
    };
    memset(device.disk, 0xd5, sizeof(device.disk));
    guest_init(&device.guest);
    FUZZ_CHECK(aio_context_new(&config, &device.ctx, &err) == 0, "%s", err.msg);
    the_thread.ctx = device.ctx;
    FUZZ_CHECK(virtio_blk_new(&blk, &device.guest.gm, &device.dev, &err) == 0, "%s", err.msg);
    for (unsigned i = 0; i < device.dev->nr_queues; i++) {
        watched[i].vq = &device.dev->queues[i].vq;
    }
    return &device;
}

void device_memory(struct fuzz_device *f, const struct guest_memory *mem)
{
    f->mem = f->dev->mem = mem;
}

void device_end(struct fuzz_device *f)
{
    device_settle(f);
    f->dev->ops->free(f->dev);
    device_look(f);
    FUZZ_CHECK(aio_context_free(f->ctx) == 0, "something is left in the loop");
}

void device_ring(struct fuzz_device *f, unsigned i, const struct fuzz_op *op)
{
    static const uint16_t sizes[] = {64, 4, 1, 2, 8, 16, 32, 5};
    uint64_t features = f->dev->driver_features;
    bool packed = features & (1ull << VIRTIO_F_RING_PACKED);
    uint16_t size = sizes[op->b % 8];

    size = packed || !(size & (size - 1)) ? size : 64;
    driver_reset(&f->drv[i], &f->guest, i * 0x1000, size, packed,
                 features & (1ull << VIRTIO_RING_F_EVENT_IDX),
                 features & (1ull << VIRTIO_RING_F_INDIRECT_DESC));
}

/* --- requests --- */

void device_request(struct fuzz_device *f, unsigned i, const struct fuzz_op *op)
{
    static const uint32_t types[] = {
        VIRTIO_BLK_T_IN,    VIRTIO_BLK_T_OUT,    VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,
        VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
    static const uint32_t lengths[] = {512, 512, 1024, 2048, 4096, 100, 412, 1};
    struct virtio_blk_outhdr hdr = {.type = types[op->a & 7], .sector = op->c & 63};
    bool ranges = hdr.type == VIRTIO_BLK_T_DISCARD || hdr.type == VIRTIO_BLK_T_WRITE_ZEROES;
    bool in = hdr.type != VIRTIO_BLK_T_OUT && !ranges;
    struct driver_buf bufs[DRIVER_BUFS];
    unsigned n = 0, segments = op->b & 7;
    uint64_t at = driver_room(&f->drv[i], sizeof(hdr));

    if (op->a & 0x80) { /* far away, or around the end of the disk */
        hdr.sector = op->c & 0x40000000 ? UINT64_MAX - (op->c & 0xff) : op->c;
    }
    if (ranges && (op->c >> 16) % 8 == 7) {
        hdr.type = 99;
    }
    guest_put(&f->guest, at, &hdr, sizeof(hdr));
    if (op->a & 8) { /* the header in two parts */
        bufs[n++] = (struct driver_buf){at, 5, false};
        bufs[n++] = (struct driver_buf){at + 5, sizeof(hdr) - 5, false};
    } else {
        bufs[n++] = (struct driver_buf){at, sizeof(hdr), false};
    }
    for (unsigned k = 0; k < segments; k++) {
        uint32_t len = lengths[(op->b >> (3 + k)) & 7];

        len = hdr.type == VIRTIO_BLK_T_FLUSH ? 1 : ranges ? 16 : len;
        bufs[n++] = (struct driver_buf){driver_room(&f->drv[i], len), len, in};
        if (ranges) {
            struct virtio_blk_discard_write_zeroes range = {
                .sector = hdr.sector + k, .num_sectors = op->c >> 8 & 15, .flags = op->c >> 12 & 1};

            guest_put(&f->guest, bufs[n - 1].gpa, &range, sizeof(range));
        }
    }
    if (op->a & 0x10 && in && segments) {
        bufs[n - 1].len++; /* the status byte ends the data */
        driver_room(&f->drv[i], 1);
    } else {
        bufs[n++] = (struct driver_buf){driver_room(&f->drv[i], 1), 1, true};
    }
    driver_offer(&f->drv[i], bufs, n, op->a & 0x20);
}

/* --- turns --- */

void device_look(struct fuzz_device *f)
{
    if (f->mem) {
        return;
    }
    for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
        if (watched[i].live) {
            allow_ring(&watched[i]);
        }
    }
    guest_look(&f->guest);
}

static void check(struct fuzz_device *f)
{
    bool broken = false;

    for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
        broken |= watched[i].vq && watched[i].broken;
    }
    FUZZ_CHECK(!broken || !f->dev->started || (virtio_status(f->dev) & VIRTIO_CONFIG_S_NEEDS_RESET),
               "a ring is broken, and the driver is not told");
    device_look(f);
}

static void wake(void *opaque)
{
}

void device_step(struct fuzz_device *f, bool poll)
{
    struct aio_timer timer;

    taken = 0;
    aio_timer_init(f->ctx, &timer, wake, NULL);
    if (poll) {
        aio_timer_arm(&timer, clock_ns + 2000);
    }
    aio_poll(f->ctx, poll);
    aio_timer_cancel(&timer);
    FUZZ_CHECK(taken <= 4u * DEVICE_QUEUE_SIZE * f->dev->nr_queues, "%u chains in one turn", taken);
    check(f);
}

void device_settle(struct fuzz_device *f)
{
    unsigned turns = 0, quiet = 0;

    f->hold = false;
    while (quiet < 3) {
        uint64_t before = taken;

        FUZZ_CHECK(turns++ < TURNS_MAX, "it never comes to rest");
        if (!list_empty(&disk.held)) {
            device_answer(f, disk.how);
        }
        device_step(f, false);
        quiet = taken || before || !list_empty(&disk.held) ? 0 : quiet + 1;
    }
    for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
        FUZZ_CHECK(watched[i].nr_in_flight == 0, "queue %u: %u chains are never used", i,
                   watched[i].nr_in_flight);
    }
}

/* --- does it work? --- */

static void one(struct fuzz_device *f, unsigned i, uint32_t type, uint64_t data,
                void (*kick)(void *opaque, unsigned i), void *opaque)
{
    struct virtio_blk_outhdr hdr = {.type = type, .sector = 3};
    uint64_t at = driver_room(&f->drv[i], sizeof(hdr)), status = driver_room(&f->drv[i], 1);
    bool in = type == VIRTIO_BLK_T_IN;
    struct driver_buf bufs[] = {{at, sizeof(hdr), false}, {data, 512, in}, {status, 1, true}};
    uint32_t written;
    uint8_t byte = 0xff;
    uint16_t id;

    guest_put(&f->guest, at, &hdr, sizeof(hdr));
    guest_put(&f->guest, status, &byte, 1);
    FUZZ_CHECK(driver_offer(&f->drv[i], bufs, 3, true), "the driver has no descriptors left");
    kick(opaque, i);
    device_settle(f);
    FUZZ_CHECK(driver_reap(&f->drv[i], &id, &written), "queue %u: request %u is not served", i,
               type);
    FUZZ_CHECK(written == (in ? 513 : 1) || (!in && written == 1), "%u bytes", written);
    byte = *(uint8_t *)guest_at(&f->guest, status, 1);
    FUZZ_CHECK(byte == (f->image.readonly && !in ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK),
               "status %u", byte);
}

void device_works(struct fuzz_device *f, unsigned i, void (*kick)(void *opaque, unsigned i),
                  void *opaque)
{
    uint8_t pattern[512];
    uint64_t to, from;

    f->hold = false;
    disk.how = 0;
    memset(pattern, 0x5a + (int)i, sizeof(pattern));
    to = GUEST_GPA + DRIVER_BUFFERS + 0x2000;
    from = to + 512;
    guest_put(&f->guest, to, pattern, sizeof(pattern));
    one(f, i, VIRTIO_BLK_T_OUT, to, kick, opaque);
    one(f, i, VIRTIO_BLK_T_IN, from, kick, opaque);
    FUZZ_CHECK(!memcmp(guest_at(&f->guest, from, 512), f->disk + 3 * 512, 512) &&
                   (f->image.readonly || !memcmp(f->disk + 3 * 512, pattern, 512)),
               "what was written is not what was read");
}

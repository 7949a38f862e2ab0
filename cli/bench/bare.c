// SPDX-License-Identifier: MIT
/*
 * The bare loop: what no VMM can beat. The same guest and the same machine, with a disk that is a
 * thread which spins on avail->idx and on the completion ring of the kernel, and nothing else: no
 * event loop, no interrupts, no checks. It believes the guest every word, so it serves only the
 * bench guest: one split ring whose chains are header, data, status, side by side.
 */
#include <errno.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "aio/barrier.h"
#include "aio/engine/aio-ring.h"
#include "cli/bench/bench.h"
#include "cli/bench/machine.h"
#include "cli/bench/runners.h"
#include "virtq/virtio.h"

#define QUEUE_SIZE 1024 /* 128 chains of 4 descriptors, and room */

struct bare {
    struct virtio_device dev;
    struct virtio_queue queue;
    const struct image *image;
    const struct engine_ops *engine;

    /* the thread's, while it runs */
    pthread_t thread;
    bool running, stop;
    uint8_t *memory;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t mask, taken, given;
    io_context_t aio;
    struct io_uring uring;
    struct iocb iocbs[QUEUE_SIZE]; /* by head */
};

static struct bare *bare_of(struct virtio_device *dev)
{
    return container_of(dev, struct bare, dev);
}

/* --- the ring --- */

static inline uint8_t *at(const struct bare *b, uint64_t gpa)
{
    return b->memory + gpa;
}

static inline void complete(struct bare *b, unsigned head, bool good)
{
    const struct vring_desc *chain = &b->desc[head];

    *at(b, chain[2].addr) = good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    b->used->ring[b->given++ & b->mask] = (struct vring_used_elem){
        .id = head,
        .len = (chain[1].flags & VRING_DESC_F_WRITE ? chain[1].len : 0) + 1,
    };
}

/* Pairs with the guest's acquire of used->idx. */
static inline void publish(struct bare *b)
{
    store_release(&b->used->idx, b->given);
}

/* How many chains are new. Pairs with the guest's release of avail->idx. */
static inline uint16_t arrived(const struct bare *b)
{
    return (uint16_t)(load_acquire(&b->avail->idx) - b->taken);
}

static inline unsigned take(struct bare *b)
{
    return b->avail->ring[b->taken++ & b->mask];
}

static inline uint64_t offset_of(const struct bare *b, const struct vring_desc *chain)
{
    return ((const struct virtio_blk_outhdr *)at(b, chain[0].addr))->sector * SECTOR_SIZE;
}

/* --- the loops, one for each way to the data --- */

static void loop_null(struct bare *b)
{
    while (!load_relaxed(&b->stop)) {
        uint16_t n = arrived(b);

        if (n) {
            while (n--) {
                complete(b, take(b), true);
            }
            publish(b);
        }
    }
}

static void submit_aio(struct bare *b, uint16_t n)
{
    struct iocb *batch[QUEUE_SIZE];
    long done = 0;

    for (uint16_t i = 0; i < n; i++) {
        unsigned head = take(b);
        const struct vring_desc *chain = &b->desc[head];
        struct iocb *iocb = batch[i] = &b->iocbs[head];

        iocb->aio_lio_opcode = chain[1].flags & VRING_DESC_F_WRITE ? IO_CMD_PREAD : IO_CMD_PWRITE;
        iocb->aio_fildes = b->image->fd;
        iocb->u.c.buf = at(b, chain[1].addr);
        iocb->u.c.nbytes = chain[1].len;
        iocb->u.c.offset = (long long)offset_of(b, chain);
    }
    while (done < n) {
        int ret = io_submit(b->aio, n - done, batch + done);

        if (ret < 0 && ret != -EAGAIN) {
            complete(b, (unsigned)(batch[done] - b->iocbs), false);
            publish(b);
        }
        done += ret > 0 ? ret : ret == -EAGAIN ? 0 : 1;
    }
}

static void loop_aio(struct bare *b)
{
    struct aio_ring *ring = (struct aio_ring *)b->aio;

    while (!load_relaxed(&b->stop)) {
        uint16_t n = arrived(b);
        unsigned head = ring->head, tail;

        if (n) {
            submit_aio(b, n);
        }
        /* Pairs with the kernel's write barrier between an event and the tail that covers it. */
        tail = load_acquire(&ring->tail);
        if (head != tail) {
            while (head != tail) {
                const struct io_event *event = &ring->io_events[head];

                complete(b, (unsigned)(event->obj - b->iocbs), (long)event->res > 0);
                head = head + 1 < ring->nr ? head + 1 : 0;
            }
            store_release(&ring->head, head);
            publish(b);
        }
    }
}

static void submit_uring(struct bare *b, uint16_t n)
{
    while (n--) {
        unsigned head = take(b);
        const struct vring_desc *chain = &b->desc[head];
        struct io_uring_sqe *sqe = io_uring_get_sqe(&b->uring);
        void *data = at(b, chain[1].addr);

        if (chain[1].flags & VRING_DESC_F_WRITE) {
            io_uring_prep_read(sqe, 0, data, chain[1].len, offset_of(b, chain));
        } else {
            io_uring_prep_write(sqe, 0, data, chain[1].len, offset_of(b, chain));
        }
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        io_uring_sqe_set_data64(sqe, head);
    }
    io_uring_submit(&b->uring);
}

static void loop_uring(struct bare *b)
{
    while (!load_relaxed(&b->stop)) {
        uint16_t n = arrived(b);
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;

        if (n) {
            submit_uring(b, n);
        }
        io_uring_for_each_cqe(&b->uring, head, cqe)
        {
            complete(b, (unsigned)io_uring_cqe_get_data64(cqe), cqe->res > 0);
            seen++;
        }
        if (seen) {
            io_uring_cq_advance(&b->uring, seen);
            publish(b);
        }
    }
}

static const struct medium {
    const char *engine;
    void (*loop)(struct bare *b);
} media[] = {{"null", loop_null}, {"linux-aio", loop_aio}, {"io_uring", loop_uring}};

static const struct medium *find_medium(const struct engine_ops *engine)
{
    for (size_t i = 0; i < sizeof(media) / sizeof(media[0]); i++) {
        if (!strcmp(media[i].engine, engine->name)) {
            return &media[i];
        }
    }
    return NULL;
}

static void *thread_main(void *opaque)
{
    struct bare *b = opaque;

    find_medium(b->engine)->loop(b);
    return NULL;
}

/* --- the device --- */

static int open_rings(struct bare *b)
{
    int ret;

    if (b->image->fd < 0) {
        return 0;
    }
    ret = io_setup(QUEUE_SIZE, &b->aio);
    if (ret == 0) {
        ret = io_uring_queue_init(QUEUE_SIZE, &b->uring, 0);
        if (ret == 0) {
            ret = io_uring_register_files(&b->uring, &b->image->fd, 1);
            if (ret == 0) {
                return 0;
            }
            io_uring_queue_exit(&b->uring);
        }
        io_destroy(b->aio);
    }
    return ret;
}

static int start(struct virtio_device *dev)
{
    struct bare *b = bare_of(dev);
    struct virtqueue *vq = &b->queue.vq;
    int ret = virtq_start(vq, dev->mem);

    if (ret < 0) {
        return ret;
    }
    b->memory = guest_memory_at(dev->mem, 0, 1);
    b->desc = vq->desc;
    b->avail = vq->avail;
    b->used = vq->used;
    b->mask = (uint16_t)(vq->size - 1);
    b->taken = b->given = 0;
    b->used->flags = VRING_USED_F_NO_NOTIFY;
    b->stop = false;
    ret = pthread_create(&b->thread, NULL, thread_main, b);
    b->running = ret == 0;
    return -ret;
}

static void stop(struct virtio_device *dev)
{
    struct bare *b = bare_of(dev);

    if (b->running) {
        store_relaxed(&b->stop, true);
        pthread_join(b->thread, NULL);
        b->running = false;
    }
}

static int queue_start(struct virtio_device *dev, unsigned i)
{
    return -ENOTSUP;
}

static void queue_stop(struct virtio_device *dev, unsigned i)
{
    stop(dev);
}

static void config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len)
{
    const struct virtio_blk_config config = {
        .capacity = image_size(bare_of(dev)->image) / SECTOR_SIZE,
        .blk_size =
            bare_of(dev)->image->align > SECTOR_SIZE ? bare_of(dev)->image->align : SECTOR_SIZE,
    };

    memcpy(data, (const uint8_t *)&config + offset, len);
}

static void bare_free(struct virtio_device *dev)
{
    struct bare *b = bare_of(dev);

    stop(dev);
    if (b->image->fd >= 0) {
        io_uring_queue_exit(&b->uring);
        io_destroy(b->aio);
    }
    virtq_stop(&b->queue.vq);
    free(b);
}

static const struct virtio_device_ops bare_ops = {
    .start = start,
    .stop = stop,
    .queue_start = queue_start,
    .queue_stop = queue_stop,
    .config_read = config_read,
    .free = bare_free,
};

/* --- the run --- */

static int make(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err)
{
    struct bare *b = calloc(1, sizeof(*b));
    int ret;

    if (!b) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    b->image = image;
    b->engine = opaque;
    b->queue = (struct virtio_queue){
        .vq.size = QUEUE_SIZE, .size_max = QUEUE_SIZE, .kick_fd = -1, .call_fd = -1};
    b->dev = (struct virtio_device){
        .ops = &bare_ops,
        .device_id = VIRTIO_ID_BLOCK,
        .config_size = sizeof(struct virtio_blk_config),
        .device_features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_BLK_F_BLK_SIZE |
                           (uint64_t)image->readonly << VIRTIO_BLK_F_RO,
        .nr_queues = 1,
        .queues = &b->queue,
        .mem = mem,
    };
    ret = open_rings(b);
    if (ret < 0) {
        free(b);
        return error_set(err, ret, "cannot set up asynchronous I/O: %s", strerror(-ret));
    }
    *out = &b->dev;
    return 0;
}

static int run_bare(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err)
{
    const struct bench_device device = {.make = make, .opaque = (void *)group->target->engine};

    return bench_cell(c, group, variant, &device, run, stop_fd, NULL, out, err);
}

static bool bare_takes(const struct bench_config *c, const struct bench_group *group,
                       const struct bench_variant *variant)
{
    return find_medium(group->target->engine) && c->disks == 1 && c->queues == 1 && !c->wait &&
           !c->fsync;
}

const struct bench_runner bench_runner_bare = {
    .name = "bare",
    .takes = bare_takes,
    .run = run_bare,
};

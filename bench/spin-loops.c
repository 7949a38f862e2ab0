// SPDX-License-Identifier: MIT
/* The loops of the spin device, one for each engine that it stands in for. */
#include "bench/spin-loops.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "engine/aio-ring.h"

/* --- the ring --- */

static inline uint8_t *at(const struct spin_device *b, uint64_t gpa)
{
    return b->memory + gpa;
}

static inline void complete(struct spin_device *b, unsigned head, bool good)
{
    const struct vring_desc *chain = &b->desc[head];

    *at(b, chain[2].addr) = good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
    b->used->ring[b->given++ & b->mask] = (struct vring_used_elem){
        .id = head,
        .len = (chain[1].flags & VRING_DESC_F_WRITE ? chain[1].len : 0) + 1,
    };
}

/* Pairs with the guest's acquire of used->idx. */
static inline void publish(struct spin_device *b)
{
    store_release(&b->used->idx, b->given);
}

/* How many chains are new. Pairs with the guest's release of avail->idx. */
static inline uint16_t arrived(const struct spin_device *b)
{
    return (uint16_t)(load_acquire(&b->avail->idx) - b->taken);
}

static inline unsigned take(struct spin_device *b)
{
    return b->avail->ring[b->taken++ & b->mask];
}

static inline uint64_t offset_of(const struct spin_device *b, const struct vring_desc *chain)
{
    return ((const struct virtio_blk_outhdr *)at(b, chain[0].addr))->sector * SECTOR_SIZE;
}

/* --- no I/O --- */

static void loop_null(struct spin_device *b)
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

/* --- Linux AIO --- */

static int open_aio(struct spin_device *b)
{
    return io_setup(SPIN_QUEUE_SIZE, &b->aio);
}

static void close_aio(struct spin_device *b)
{
    io_destroy(b->aio);
}

static void submit_aio(struct spin_device *b, uint16_t n)
{
    struct iocb *batch[SPIN_QUEUE_SIZE];
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

static void loop_aio(struct spin_device *b)
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

/* --- io_uring --- */

static int open_uring(struct spin_device *b)
{
    int ret = io_uring_queue_init(SPIN_QUEUE_SIZE, &b->uring, 0);

    if (ret == 0) {
        ret = io_uring_register_files(&b->uring, &b->image->fd, 1);
        if (ret < 0) {
            io_uring_queue_exit(&b->uring);
        }
    }
    return ret;
}

static void close_uring(struct spin_device *b)
{
    io_uring_queue_exit(&b->uring);
}

static void submit_uring(struct spin_device *b, uint16_t n)
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

static void loop_uring(struct spin_device *b)
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

/* --- a mapping; writes go by system calls, as in engine mmap --- */

static int open_map(struct spin_device *b)
{
    return image_map_open(&b->map, b->image, NULL);
}

static void close_map(struct spin_device *b)
{
    image_map_close(&b->map);
}

static bool transfer(struct spin_device *b, const struct vring_desc *chain)
{
    const struct iovec iov = {at(b, chain[1].addr), chain[1].len};
    uint64_t offset = offset_of(b, chain);

    if (!(chain[1].flags & VRING_DESC_F_WRITE)) {
        return pwrite(b->image->fd, iov.iov_base, iov.iov_len, (off_t)offset) > 0;
    }
    return image_map_read(&b->map, &iov, 1, offset) >= 0 ||
           pread(b->image->fd, iov.iov_base, iov.iov_len, (off_t)offset) > 0;
}

static void loop_mmap(struct spin_device *b)
{
    while (!load_relaxed(&b->stop)) {
        uint16_t n = arrived(b);

        while (n--) {
            unsigned head = take(b);

            complete(b, head, transfer(b, &b->desc[head]));
            publish(b);
        }
    }
}

/* --- all of them --- */

static int open_nothing(struct spin_device *b)
{
    return 0;
}

static void close_nothing(struct spin_device *b)
{
}

static const struct medium {
    const struct engine_ops *engine;
    int (*open)(struct spin_device *b);
    void (*close)(struct spin_device *b);
    void (*loop)(struct spin_device *b);
} media[] = {
    {&engine_null, open_nothing, close_nothing, loop_null},
    {&engine_linux_aio, open_aio, close_aio, loop_aio},
    {&engine_io_uring, open_uring, close_uring, loop_uring},
    {&engine_mmap, open_map, close_map, loop_mmap},
};

static const struct medium *find_medium(const struct engine_ops *engine)
{
    for (size_t i = 0; i < sizeof(media) / sizeof(media[0]); i++) {
        if (media[i].engine == engine) {
            return &media[i];
        }
    }
    return NULL;
}

bool spin_can(const struct engine_ops *engine)
{
    return find_medium(engine) != NULL;
}

int spin_open(struct spin_device *b)
{
    return find_medium(b->engine)->open(b);
}

void spin_close(struct spin_device *b)
{
    find_medium(b->engine)->close(b);
}

void spin_loop(struct spin_device *b)
{
    find_medium(b->engine)->loop(b);
}

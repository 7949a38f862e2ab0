// SPDX-License-Identifier: MIT
/*
 * Discard, write zeroes and durable writes: on every engine, in blocking and in polling mode, on a
 * file and on a block device, and on hosts that can't do all of it.
 */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aio/loop.h"
#include "engine/submit.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define IMAGE_SIZE (2u << 20)
#define BLOCK      4096

/* --- the host's calls, watched and made to fail --- */

static struct {
    int fail_all;  /* errno of fallocate and of the ioctls of ranges; 0: as they are */
    int fail_mode; /* errno of fallocate in mode ... */
    int mode;
    bool hold; /* fallocate waits for @go on */
    sem_t held, go;
    unsigned durable_writes, other_writes, syncs;
} host;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void count_write(int flags)
{
    if (flags & RWF_DSYNC) {
        __atomic_add_fetch(&host.durable_writes, 1, __ATOMIC_RELAXED);
    } else {
        __atomic_add_fetch(&host.other_writes, 1, __ATOMIC_RELAXED);
    }
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    int num = host.fail_all                         ? host.fail_all
              : host.fail_mode && host.mode == mode ? host.fail_mode
                                                    : 0;

    if (host.hold) {
        sem_post(&host.held);
        sem_wait(&host.go);
    }
    if (num) {
        errno = num;
        return -1;
    }
    return REAL(fallocate)(fd, mode, offset, len);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (host.fail_all && (request == BLKDISCARD || request == BLKZEROOUT)) {
        errno = host.fail_all;
        return -1;
    }
    return REAL(ioctl)(fd, request, arg);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int cnt, off_t offset, int flags)
{
    count_write(flags);
    return REAL(pwritev2)(fd, iov, cnt, offset, flags);
}

int fdatasync(int fd)
{
    __atomic_add_fetch(&host.syncs, 1, __ATOMIC_RELAXED);
    return REAL(fdatasync)(fd);
}

int io_submit(io_context_t io, long nr, struct iocb *batch[])
{
    for (long i = 0; i < nr; i++) {
        if (batch[i]->aio_lio_opcode == IO_CMD_PWRITEV ||
            batch[i]->aio_lio_opcode == IO_CMD_PWRITE) {
            count_write(batch[i]->aio_rw_flags);
        }
    }
    return REAL(io_submit)(io, nr, batch);
}

int io_uring_submit(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;

    for (unsigned i = sq->sqe_head; i != sq->sqe_tail; i++) {
        const struct io_uring_sqe *sqe = &sq->sqes[i & sq->ring_mask];

        if (sqe->opcode == IORING_OP_WRITEV || sqe->opcode == IORING_OP_WRITE) {
            count_write(sqe->rw_flags);
        }
    }
    return REAL(io_uring_submit)(ring);
}

/* --- a file or a block device, a loop and an engine --- */

static char on_disk[64], in_memory[64], device[32];
static const char *path; /* of the first two, the one that suits the engine */
static struct image image;
static AioContext *ctx;
static struct engine *engine;

/* Tests run for 4 * engine + 2 * device + polling. */
static const struct engine_ops *engine_of(int i)
{
    return engine_at(i / 4);
}

static uint8_t image_byte(uint64_t offset)
{
    return 1 + (offset / 512 * 7 + offset % 253) % 255; /* never zero */
}

static void fill_image(int fd)
{
    static uint8_t data[IMAGE_SIZE];

    for (unsigned i = 0; i < IMAGE_SIZE; i++) {
        data[i] = image_byte(i);
    }
    ck_assert_int_eq(write(fd, data, sizeof(data)), sizeof(data));
    ck_assert_int_eq(fsync(fd), 0);
}

static void make_image(void)
{
    int fd;

    strcpy(on_disk, "/var/tmp/pollux-range-XXXXXX");
    fd = mkstemp(on_disk);
    ck_assert_int_ge(fd, 0);
    fill_image(fd);
    close(fd);
    fd = memfd_create("pollux-range", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    fill_image(fd);
    sprintf(in_memory, "/proc/self/fd/%d", fd);
    path = on_disk;
    device[0] = '\0';
    sem_init(&host.held, 0, 0);
    sem_init(&host.go, 0, 0);
}

static void detach_device(void)
{
    int fd = device[0] ? open(device, O_RDONLY) : -1;

    if (fd >= 0) {
        ioctl(fd, LOOP_CLR_FD, NULL);
        close(fd);
    }
}

static void remove_image(void)
{
    unlink(on_disk);
    close(atoi(strrchr(in_memory, '/') + 1));
}

/* Return: whether this process may have a block device on the image; its name is in @device. */
static bool attach_device(void)
{
    int control = open("/dev/loop-control", O_RDWR), back = open(path, O_RDWR), fd = -1;

    for (int tries = 0; control >= 0 && tries < 20; tries++) {
        snprintf(device, sizeof(device), "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE, NULL));
        fd = open(device, O_RDWR);
        if (fd < 0) {
            break;
        }
        if (ioctl(fd, LOOP_SET_FD, (void *)(intptr_t)back) == 0) {
            struct loop_info64 info = {.lo_flags = LO_FLAGS_AUTOCLEAR};

            ck_assert_int_eq(ioctl(fd, LOOP_SET_STATUS64, &info), 0);
            break;
        }
        close(fd); /* another process took it first */
        fd = -1;
    }
    close(control);
    close(back);
    if (fd < 0) {
        device[0] = '\0';
        return false;
    }
    /* Stays open in this process: the last close detaches it. */
    return true;
}

static void open_all(const struct engine_ops *ops, bool on_device, bool polling, bool readonly)
{
    struct image_config config = {.readonly = readonly, .direct = true};
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = polling ? 10000000000 : 0};
    struct error err = {""};

    path = ops == &engine_mmap ? in_memory : on_disk;
    config.path = on_device ? device : path;
    if (image_open(&image, &config, NULL) < 0) {
        config.direct = false;
        ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    }
    ctx = loop_new_with(0, params, NULL);
    ck_assert_msg(
        engine_open(ops, ctx, &image, &(struct engine_config){.depth = 16}, &engine, &err) == 0,
        "%s", err.msg);
}

static void assert_device_refused(const struct engine_ops *ops)
{
    struct image_config config = {.path = device};
    struct engine_config engine_config = {.depth = 16};

    ck_assert_int_eq(image_open(&image, &config, NULL), 0);
    ctx = loop_new(0, 0);
    ck_assert_int_eq(engine_open(ops, ctx, &image, &engine_config, &engine, NULL), -EINVAL);
    loop_free(ctx);
    image_close(&image);
    detach_device();
}

/* Return: false if the test must be skipped, said why; or the engine takes no device, as it says.
 */
static bool setup(int i)
{
    if (i / 2 % 2 && !attach_device()) {
        printf("skipped: no loop device here\n");
        return false;
    }
    if (i / 2 % 2 && engine_of(i) == &engine_mmap) {
        assert_device_refused(engine_of(i));
        return false;
    }
    open_all(engine_of(i), i / 2 % 2, i % 2, false);
    ck_assert_int_eq(image.block_device, i / 2 % 2);
    return true;
}

static void teardown(void)
{
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
    detach_device();
}

/* --- requests --- */

struct io {
    struct engine_req req;
    unsigned done;
    ssize_t res;
};

static void io_done(struct engine_req *req, ssize_t res)
{
    struct io *io = container_of(req, struct io, req);

    ck_assert(aio_context_in_owner(ctx));
    io->done++;
    io->res = res;
}

static ssize_t do_req(struct engine_req req)
{
    struct io io = {.req = req};

    io.req.cb = io_done;
    ck_assert_int_eq(engine_submit(engine, &io.req), 0);
    ck_assert_uint_eq(io.done, 0);
    while (engine->in_flight) {
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(io.done, 1);
    return io.res;
}

static ssize_t do_range(enum engine_op op, uint64_t offset, uint64_t len, bool may_unmap)
{
    return do_req(
        (struct engine_req){.op = op, .offset = offset, .len = len, .may_unmap = may_unmap});
}

static uint8_t *buffer(size_t size)
{
    uint8_t *buf = aligned_alloc(BLOCK, size);

    ck_assert_ptr_ne(buf, NULL);
    memset(buf, 0xee, size);
    return buf;
}

/* Zeroes from @offset on for @len bytes, and all else as it was, as the engine reads it. */
static void assert_zeroes_only_at(uint64_t offset, uint64_t len)
{
    uint8_t *buf = buffer(IMAGE_SIZE);
    struct iovec iov = {buf, IMAGE_SIZE};

    ck_assert_int_eq(do_req((struct engine_req){.op = ENGINE_READ, .iovcnt = 1, .iov = &iov}),
                     IMAGE_SIZE);
    for (uint64_t i = 0; i < IMAGE_SIZE; i++) {
        bool zero = i >= offset && i - offset < len;

        if (buf[i] != (zero ? 0 : image_byte(i))) {
            ck_abort_msg("byte %zu is %u", (size_t)i, buf[i]);
        }
    }
    free(buf);
}

static uint64_t allocated(void)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* --- tests --- */

START_TEST(write_zeroes_makes_zeroes_there_and_nowhere_else)
{
    if (setup(_i)) {
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 3 * BLOCK, 5 * BLOCK, false), 0);
        assert_zeroes_only_at(3 * BLOCK, 5 * BLOCK);
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 8 * BLOCK, 5 * BLOCK, true), 0);
        assert_zeroes_only_at(3 * BLOCK, 10 * BLOCK);
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, 0, true), 0);
        assert_zeroes_only_at(3 * BLOCK, 10 * BLOCK);
        teardown();
    }
}
END_TEST

START_TEST(write_zeroes_frees_blocks_only_if_it_may)
{
    uint64_t before = allocated();

    if (setup(_i)) {
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, 64 * BLOCK, false), 0);
        if (!image.block_device) { /* a loop device punches holes for either */
            ck_assert_uint_ge(allocated(), before);
        }
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, 64 * BLOCK, true), 0);
        assert_zeroes_only_at(0, 64 * BLOCK);
        ck_assert_uint_le(allocated(), before - 64 * BLOCK);
        teardown();
    }
}
END_TEST

START_TEST(a_discard_frees_blocks_and_leaves_the_rest)
{
    uint64_t before = allocated();

    if (setup(_i)) {
        ck_assert_int_eq(do_range(ENGINE_DISCARD, 16 * BLOCK, 64 * BLOCK, false), 0);
        ck_assert_uint_le(allocated(), before - 64 * BLOCK);
        assert_zeroes_only_at(16 * BLOCK, 64 * BLOCK); /* so it is on a file with a hole */
        ck_assert_int_eq(do_range(ENGINE_DISCARD, 0, 0, false), 0);
        ck_assert_int_eq(do_range(ENGINE_DISCARD, 0, IMAGE_SIZE, false), 0);
        ck_assert_uint_eq(allocated(), 0);
        teardown();
    }
}
END_TEST

START_TEST(where_the_host_cannot_zeroes_are_written_and_a_discard_is_ignored)
{
    static const int cannot[] = {EOPNOTSUPP, EINVAL, ENOSYS, ENOTTY, EBUSY};

    if (setup(_i)) {
        for (unsigned i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
            host.fail_all = cannot[i];
            ck_assert_int_eq(do_range(ENGINE_DISCARD, 0, IMAGE_SIZE, false), 0);
        }
        assert_zeroes_only_at(0, 0);
        /* more than is written at a time, and not a multiple of it */
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, BLOCK, IMAGE_SIZE / 2 + BLOCK, true), 0);
        assert_zeroes_only_at(BLOCK, IMAGE_SIZE / 2 + BLOCK);
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, BLOCK, false), 0);
        assert_zeroes_only_at(0, IMAGE_SIZE / 2 + 2 * BLOCK);
        teardown();
    }
}
END_TEST

START_TEST(without_holes_zeroes_are_made_by_the_other_call)
{
    if (setup(_i)) {
        host.fail_mode = EOPNOTSUPP;
        host.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, BLOCK, BLOCK, true), 0);
        assert_zeroes_only_at(BLOCK, BLOCK);
        ck_assert_uint_eq(host.durable_writes + host.other_writes, 0);
        teardown();
    }
}
END_TEST

/* As BLKZEROOUT on a device that another process uses, too. */
START_TEST(zeroes_that_a_busy_host_does_not_make_are_written)
{
    if (setup(_i)) {
        host.fail_all = EBUSY;
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, BLOCK, 3 * BLOCK, _i % 2), 0);
        assert_zeroes_only_at(BLOCK, 3 * BLOCK);
        teardown();
    }
}
END_TEST

START_TEST(a_host_that_fails_is_told_of)
{
    if (setup(_i)) {
        host.fail_all = EIO;
        ck_assert_int_eq(do_range(ENGINE_DISCARD, 0, BLOCK, false), -EIO);
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, BLOCK, false), -EIO);
        host.fail_all = ENOSPC;
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, BLOCK, true), -ENOSPC);
        host.fail_all = 0;
        assert_zeroes_only_at(0, 0);
        teardown();
    }
}
END_TEST

static void assert_refused(struct engine_req req, const char *why)
{
    static const enum engine_op ops[] = {ENGINE_DISCARD, ENGINE_WRITE_ZEROES};

    for (unsigned i = 0; i < 2; i++) {
        struct io io = {.req = req};

        io.req.op = ops[i];
        io.req.cb = io_done;
        ck_assert_msg(engine_submit(engine, &io.req) == -EINVAL, "%s", why);
        ck_assert(!aio_poll(ctx, false));
        ck_assert_uint_eq(io.done + engine->in_flight, 0);
    }
}

START_TEST(a_range_that_is_not_in_the_image_is_refused)
{
    struct iovec iov = {NULL, 0};

    if (!setup(_i)) {
        return;
    }
    assert_refused((struct engine_req){.offset = IMAGE_SIZE, .len = BLOCK}, "begins at the end");
    assert_refused((struct engine_req){.offset = IMAGE_SIZE - BLOCK, .len = 2 * BLOCK}, "too long");
    assert_refused((struct engine_req){.offset = IMAGE_SIZE + BLOCK}, "begins past the end");
    assert_refused((struct engine_req){.offset = BLOCK, .len = -(uint64_t)BLOCK}, "overflows");
    assert_refused((struct engine_req){.len = BLOCK, .iovcnt = 1, .iov = &iov}, "has buffers");
    if (image.align > 1) {
        assert_refused((struct engine_req){.len = image.align / 2}, "length not aligned");
        assert_refused((struct engine_req){.offset = image.align / 2, .len = BLOCK}, "not aligned");
    }
    assert_zeroes_only_at(0, 0);
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);

    open_all(engine_of(_i), _i / 2 % 2, _i % 2, true);
    assert_refused((struct engine_req){.len = BLOCK}, "a read-only image");
    teardown();
}
END_TEST

START_TEST(durable_writes_are_synced_and_no_others)
{
    uint8_t *buf = buffer(2 * BLOCK);
    struct iovec iov[2] = {{buf, BLOCK}, {buf + BLOCK, BLOCK}};
    struct engine_req req = {.op = ENGINE_WRITE, .iov = iov};

    if (setup(_i)) {
        for (req.iovcnt = 1; req.iovcnt <= 2; req.iovcnt++) {
            ck_assert_int_eq(do_req(req), req.iovcnt * BLOCK);
        }
        ck_assert_uint_eq(host.durable_writes, 0);
        ck_assert_uint_eq(host.other_writes, 2);
        req.durable = true;
        for (req.iovcnt = 1; req.iovcnt <= 2; req.iovcnt++) {
            ck_assert_int_eq(do_req(req), req.iovcnt * BLOCK);
        }
        ck_assert_uint_eq(host.durable_writes, 2);
        ck_assert_uint_eq(host.other_writes, 2);
        ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, BLOCK, false), 0);
        ck_assert_uint_eq(host.syncs, 0);
        req = (struct engine_req){.op = ENGINE_WRITE_ZEROES, .len = BLOCK, .durable = true};
        ck_assert_int_eq(do_req(req), 0);
        ck_assert_uint_eq(host.syncs, 1);
        teardown();
    }
    free(buf);
}
END_TEST

START_TEST(a_long_discard_holds_up_no_read)
{
    uint8_t *buf = buffer(BLOCK);
    struct iovec iov = {buf, BLOCK};
    struct io discard = {.req = {.op = ENGINE_DISCARD, .len = BLOCK, .cb = io_done}};
    struct io read = {
        .req = {.op = ENGINE_READ, .iovcnt = 1, .iov = &iov, .offset = BLOCK, .cb = io_done}};

    open_all(engine_at(_i / 2), false, _i % 2, false);
    host.hold = true;
    ck_assert_int_eq(engine_submit(engine, &discard.req), 0);
    ck_assert_int_eq(engine_submit(engine, &read.req), 0);
    sem_wait(&host.held);
    while (!read.done) {
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(discard.done, 0);
    ck_assert_uint_eq(engine->in_flight, 1);
    sem_post(&host.go);
    while (engine->in_flight) {
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(discard.done, 1);
    ck_assert_int_eq(discard.res, 0);
    teardown();
    free(buf);
}
END_TEST

START_TEST(the_null_engine_takes_ranges_and_does_nothing)
{
    struct error err = {""};

    image = (struct image){.fd = -1, .size = IMAGE_SIZE, .align = 1};
    ctx = loop_new(0, 0);
    ck_assert_int_eq(
        engine_open(&engine_null, ctx, &image, &(struct engine_config){.depth = 16}, &engine, &err),
        0);
    ck_assert_int_eq(do_range(ENGINE_DISCARD, 0, IMAGE_SIZE, false), 0);
    ck_assert_int_eq(do_range(ENGINE_WRITE_ZEROES, 0, IMAGE_SIZE, true), 0);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine, ranges");
    TCase *t = tcase_create("every engine, file and block device");
    int n = 0, waits = 0;

    while (engine_at(n)->needs_file) {
        n++; /* engine null, which moves no data, is the last one */
    }
    while (engine_at(waits) != &engine_sync) {
        waits++; /* those before it do not do their work in the loop's thread */
    }
    tcase_add_checked_fixture(t, make_image, remove_image);
    tcase_add_loop_test(t, write_zeroes_makes_zeroes_there_and_nowhere_else, 0, 4 * n);
    tcase_add_loop_test(t, write_zeroes_frees_blocks_only_if_it_may, 0, 4 * n);
    tcase_add_loop_test(t, a_discard_frees_blocks_and_leaves_the_rest, 0, 4 * n);
    tcase_add_loop_test(t, where_the_host_cannot_zeroes_are_written_and_a_discard_is_ignored, 0,
                        4 * n);
    tcase_add_loop_test(t, without_holes_zeroes_are_made_by_the_other_call, 0, 4 * n);
    tcase_add_loop_test(t, zeroes_that_a_busy_host_does_not_make_are_written, 0, 4 * n);
    tcase_add_loop_test(t, a_host_that_fails_is_told_of, 0, 4 * n);
    tcase_add_loop_test(t, a_range_that_is_not_in_the_image_is_refused, 0, 4 * n);
    tcase_add_loop_test(t, durable_writes_are_synced_and_no_others, 0, 4 * n);
    suite_add_tcase(s, t);

    t = tcase_create("engines");
    tcase_add_checked_fixture(t, make_image, remove_image);
    tcase_add_loop_test(t, a_long_discard_holds_up_no_read, 0, 2 * waits);
    tcase_add_test(t, the_null_engine_takes_ranges_and_does_nothing);
    suite_add_tcase(s, t);

    return suite_run(s);
}

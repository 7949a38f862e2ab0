// SPDX-License-Identifier: MIT
/* The rules of engine/engine.h, on every engine, in blocking and in polling mode. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "aio/loop.h"
#include "engine/submit.h"
#include "engine/aio-ring.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define IMAGE_SIZE (1 << 20)
#define BLOCK      4096

/* --- io_submit, with faults --- */

static struct {
    int fail_with;   /* 0, or what the next calls return */
    unsigned fails;  /* how many of them */
    bool one_by_one; /* accepts only one request a call */
    bool at_once;    /* returns when all is complete */
    unsigned calls;
    unsigned signaled;  /* requests of the last call that name an eventfd */
    int until_readable; /* 0, or a pipe: requests complete only when there is something in it */
} submits;

static unsigned count_signaled(long nr, struct iocb *batch[])
{
    unsigned n = 0;

    for (long i = 0; i < nr; i++) {
        n += batch[i]->u.c.flags != 0;
    }
    return n;
}

static void wait_for_pipe(struct iocb *iocb)
{
    struct iocb wait = *iocb;

    io_prep_poll(iocb, submits.until_readable, POLLIN);
    iocb->data = wait.data;
    iocb->u.c.flags = wait.u.c.flags;
    iocb->u.c.resfd = wait.u.c.resfd;
}

static void await_events(io_context_t io, unsigned n)
{
    while (aio_ring_events(aio_ring_of(io)) < n) {
        cpu_relax();
    }
}

int io_submit(io_context_t io, long nr, struct iocb *batch[])
{
    static int (*real)(io_context_t io, long nr, struct iocb *batch[]);
    unsigned before = aio_ring_events(aio_ring_of(io));
    int n;

    if (!real) {
        real = (int (*)(io_context_t, long, struct iocb **))dlsym(RTLD_NEXT, "io_submit");
    }
    submits.calls++;
    submits.signaled = count_signaled(nr, batch);
    for (long i = 0; i < nr && submits.until_readable; i++) {
        wait_for_pipe(batch[i]);
    }
    if (submits.fails) {
        submits.fails--;
        return submits.fail_with;
    }
    n = real(io, submits.one_by_one ? 1 : nr, batch);
    if (submits.at_once) {
        await_events(io, before + n);
    }
    return n;
}

/* --- an image, a loop and an engine --- */

static char on_disk[64], in_memory[64];
static const char *path;   /* of these, the one that suits the engine */
static bool all_in_memory; /* or any engine */
static struct image image;
static AioContext *ctx;
static struct engine *engine;

static void fill_image(int fd)
{
    static uint8_t data[IMAGE_SIZE];

    for (unsigned i = 0; i < IMAGE_SIZE; i++) {
        data[i] = i / 512 * 7 + i % 251;
    }
    ck_assert_int_eq(write(fd, data, sizeof(data)), sizeof(data));
}

static void make_image(void)
{
    int fd;

    strcpy(on_disk, "/var/tmp/pollux-engine-XXXXXX");
    fd = mkstemp(on_disk);
    ck_assert_int_ge(fd, 0);
    fill_image(fd);
    close(fd);
    fd = memfd_create("pollux-engine", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    fill_image(fd);
    sprintf(in_memory, "/proc/self/fd/%d", fd);
}

static void make_image_in_memory(void)
{
    make_image();
    all_in_memory = true;
}

static void remove_image(void)
{
    unlink(on_disk);
    close(atoi(strrchr(in_memory, '/') + 1));
}

static uint8_t image_byte(uint64_t offset)
{
    return offset / 512 * 7 + offset % 251;
}

static void open_image(const struct engine_ops *ops, bool readonly)
{
    struct image_config config = {.readonly = readonly, .direct = true};
    struct error err = {""};

    config.path = path = ops == &engine_mmap || all_in_memory ? in_memory : on_disk;
    /* Without O_DIRECT every engine works too; only the kernel may then block in io_submit. */
    if (image_open(&image, &config, NULL) < 0) {
        config.direct = false;
        ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    }
}

static void open_engine(const struct engine_ops *ops, bool polling, struct engine_config config)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = polling ? 10000000000 : 0};
    struct error err = {""};
    int r;

    ctx = loop_new_with(0, params, NULL);
    r = engine_open(ops, ctx, &image, &config, &engine, &err);
    ck_assert_msg(r == 0, "%s: %s", ops->name, err.msg);
}

/* Loop tests run for 2 * engine + mode. */
static const struct engine_ops *engine_of(int i)
{
    return engine_at(i / 2);
}

static bool polling_of(int i)
{
    return i % 2;
}

static void setup(int i)
{
    open_image(engine_of(i), false);
    open_engine(engine_of(i), polling_of(i), (struct engine_config){.depth = 64});
}

static void teardown(void)
{
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
}

/* --- requests --- */

struct io {
    struct engine_req req;
    struct iovec iov;
    unsigned done;
    ssize_t res;
    void (*then)(struct io *io);
};

static void io_done(struct engine_req *req, ssize_t res)
{
    struct io *io = container_of(req, struct io, req);

    ck_assert(aio_context_in_owner(ctx));
    io->done++;
    io->res = res;
    if (io->then) {
        io->then(io);
    }
}

static uint8_t *buffer(size_t size)
{
    uint8_t *buf = aligned_alloc(BLOCK, size);

    ck_assert_ptr_ne(buf, NULL);
    memset(buf, 0xee, size);
    return buf;
}

static void io_init(struct io *io, enum engine_op op, uint64_t offset, void *buf, size_t len)
{
    *io = (struct io){
        .req = {.op = op, .iovcnt = op != ENGINE_FLUSH, .offset = offset, .cb = io_done},
        .iov = {buf, len},
    };
    io->req.iov = &io->iov;
}

static void submit(struct io *io)
{
    ck_assert_int_eq(engine_submit(engine, &io->req), 0);
}

static void run_until_idle(void)
{
    while (engine->in_flight) {
        aio_poll(ctx, true);
    }
}

static ssize_t do_io(enum engine_op op, uint64_t offset, void *buf, size_t len)
{
    struct io io;

    io_init(&io, op, offset, buf, len);
    submit(&io);
    run_until_idle();
    ck_assert_uint_eq(io.done, 1);
    return io.res;
}

#define MANY 32

START_TEST(every_request_completes_exactly_once_and_never_before_submit_returns)
{
    static struct io io[MANY];
    uint8_t *buf = buffer(MANY * BLOCK);

    setup(_i);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            io_init(&io[i], ENGINE_READ, i * BLOCK, buf + i * BLOCK, BLOCK);
            submit(&io[i]);
            ck_assert_uint_eq(io[i].done, 0);
            ck_assert_uint_eq(engine->in_flight, i + 1);
        }
        run_until_idle();
        while (aio_poll(ctx, false)) {
        }
        for (unsigned i = 0; i < MANY; i++) {
            ck_assert_uint_eq(io[i].done, 1);
            ck_assert_int_eq(io[i].res, BLOCK);
        }
    }
    if (polling_of(_i)) {
        ck_assert_uint_eq(loop_stats(ctx).blocks, 0);
    } else {
        ck_assert_uint_eq(loop_stats(ctx).polled_ns, 0);
    }
    teardown();
    free(buf);
}
END_TEST

START_TEST(what_is_written_is_read_back_at_its_offset)
{
    uint8_t *buf = buffer(4 * BLOCK), *back = buffer(4 * BLOCK);
    struct iovec iov[3] = {{buf + BLOCK, BLOCK}, {buf, BLOCK}, {buf + 2 * BLOCK, 2 * BLOCK}};
    struct engine_req write_req = {
        .op = ENGINE_WRITE, .iovcnt = 3, .iov = iov, .offset = 8 * BLOCK};
    struct io io = {.req = write_req};
    int fd;

    setup(_i);
    fd = open(path, O_RDONLY);
    for (unsigned i = 0; i < 4; i++) {
        memset(buf + i * BLOCK, 'a' + i, BLOCK);
    }
    io.req.cb = io_done;
    submit(&io);
    run_until_idle();
    ck_assert_uint_eq(io.done, 1);
    ck_assert_int_eq(io.res, 4 * BLOCK);
    ck_assert_int_eq(do_io(ENGINE_FLUSH, 0, NULL, 0), 0);

    ck_assert_int_eq(do_io(ENGINE_READ, 8 * BLOCK, back, 4 * BLOCK), 4 * BLOCK);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(back[i * BLOCK], "bacd"[i]);
        ck_assert_int_eq(back[i * BLOCK + BLOCK - 1], "bacd"[i]);
    }
    /* as another program sees it, with its neighbours as they were */
    for (uint64_t at = 6 * BLOCK; at < 14 * BLOCK; at += 512) {
        uint8_t byte;

        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        if (at < 8 * BLOCK || at >= 12 * BLOCK) {
            ck_assert_uint_eq(byte, image_byte(at));
        } else {
            ck_assert_uint_eq(byte, "bacd"[at / BLOCK - 8]);
        }
    }
    teardown();
    close(fd);
    free(buf);
    free(back);
}
END_TEST

START_TEST(data_of_each_request_goes_to_its_own_buffer)
{
    static struct io io[MANY];
    uint8_t *buf = buffer(MANY * BLOCK);

    setup(_i);
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t block = i * 37 % (IMAGE_SIZE / BLOCK);

        io_init(&io[i], ENGINE_READ, block * BLOCK, buf + i * BLOCK, BLOCK);
        submit(&io[i]);
    }
    run_until_idle();
    for (unsigned i = 0; i < MANY; i++) {
        for (unsigned at = 0; at < BLOCK; at += 101) {
            ck_assert_uint_eq(buf[i * BLOCK + at], image_byte(io[i].req.offset + at));
        }
    }
    teardown();
    free(buf);
}
END_TEST

static void assert_refused(struct engine_req req, const char *why)
{
    struct io io = {.req = req};

    io.req.cb = io_done;
    ck_assert_msg(engine_submit(engine, &io.req) == -EINVAL, "%s", why);
    ck_assert_uint_eq(engine->in_flight, 0);
    ck_assert(!aio_poll(ctx, false));
    ck_assert_msg(io.done == 0, "%s", why);
}

START_TEST(a_bad_request_is_refused_and_has_no_effect)
{
    uint8_t *buf = buffer(2 * BLOCK);
    static struct iovec iov[ENGINE_IOV_MAX + 1];
    struct iovec two_blocks[2] = {{buf, BLOCK}, {buf + BLOCK, BLOCK}};
    struct iovec half_max[2] = {{buf, SIZE_MAX / 2 + 1}, {buf, SIZE_MAX / 2 + 1}};
    struct iovec odd_len = {buf, BLOCK - 1}, odd_base = {buf + 1, BLOCK};
    struct engine_req good = {.op = ENGINE_READ, .iovcnt = 1, .iov = iov}, r;

    setup(_i);
    iov[0] = (struct iovec){buf, BLOCK};
    for (unsigned i = 1; i <= ENGINE_IOV_MAX; i++) {
        iov[i] = (struct iovec){buf, 0};
    }

    r = good;
    r.offset = IMAGE_SIZE;
    assert_refused(r, "begins at the end");
    r = good;
    r.offset = IMAGE_SIZE - BLOCK / 2;
    assert_refused(r, "ends past the end");
    r = good;
    r.offset = -(uint64_t)BLOCK;
    assert_refused(r, "the sum overflows");
    r = good;
    r.iov = two_blocks;
    r.iovcnt = 2;
    r.offset = IMAGE_SIZE - BLOCK;
    assert_refused(r, "the second iovec ends past the end");
    r = good;
    r.iov = half_max;
    r.iovcnt = 2;
    assert_refused(r, "the lengths overflow");
    r = good;
    r.iovcnt = 0;
    assert_refused(r, "no iovec");
    r = good;
    r.iovcnt = -1;
    assert_refused(r, "less than no iovec");
    r = good;
    r.iovcnt = ENGINE_IOV_MAX + 1;
    assert_refused(r, "too many iovecs");
    r = good;
    r.op = ENGINE_FLUSH;
    assert_refused(r, "a flush of something");
    r = good;
    r.op = 99;
    assert_refused(r, "no operation");
    if (image.align > 1) {
        r = good;
        r.offset = image.align / 2;
        assert_refused(r, "misaligned offset");
        r = good;
        r.iov = &odd_len;
        assert_refused(r, "misaligned length");
        r = good;
        r.iov = &odd_base;
        assert_refused(r, "misaligned address");
    }
    teardown();

    open_image(engine_of(_i), true);
    open_engine(engine_of(_i), polling_of(_i), (struct engine_config){.depth = 64});
    r = good;
    r.op = ENGINE_WRITE;
    assert_refused(r, "a write to a read-only image");
    ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
    ck_assert_int_eq(do_io(ENGINE_FLUSH, 0, NULL, 0), 0);
    teardown();
    free(buf);
}
END_TEST

START_TEST(requests_up_to_the_limits_are_taken)
{
    size_t piece = 512;
    uint8_t *buf;
    static struct iovec iov[ENGINE_IOV_MAX];
    struct io io = {.req = {.op = ENGINE_READ, .iovcnt = ENGINE_IOV_MAX, .iov = iov}};

    setup(_i);
    piece = image.align > piece ? image.align : piece;
    buf = buffer(ENGINE_IOV_MAX * piece);
    ck_assert_int_eq(do_io(ENGINE_READ, IMAGE_SIZE - piece, buf, piece), piece);

    if (ENGINE_IOV_MAX * piece <= IMAGE_SIZE) {
        for (unsigned i = 0; i < ENGINE_IOV_MAX; i++) {
            iov[i] = (struct iovec){buf + i * piece, piece};
        }
        io.req.cb = io_done;
        submit(&io);
        run_until_idle();
        ck_assert_int_eq(io.res, ENGINE_IOV_MAX * piece);
    }
    teardown();
    free(buf);
}
END_TEST

static struct io many[1000];

/* @buf: a block for each */
static void submit_many(unsigned n, uint8_t *buf)
{
    for (unsigned i = 0; i < n; i++) {
        io_init(&many[i], ENGINE_READ, i % (IMAGE_SIZE / BLOCK) * BLOCK, buf + i * BLOCK, BLOCK);
        submit(&many[i]);
    }
}

static void assert_all_done_once(unsigned n, ssize_t res)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(many[i].done, 1);
        ck_assert_int_eq(many[i].res, res);
    }
}

START_TEST(more_requests_than_were_announced_complete_all_the_same)
{
    uint8_t *buf = buffer(1000 * BLOCK);

    open_image(engine_of(_i), false);
    open_engine(engine_of(_i), polling_of(_i), (struct engine_config){.depth = 1});
    submit_many(1000, buf);
    run_until_idle();
    assert_all_done_once(1000, BLOCK);
    teardown();
    free(buf);
}
END_TEST

static unsigned resubmits;

static void submit_again(struct io *io)
{
    if (resubmits) {
        resubmits--;
        submit(io);
    }
}

START_TEST(a_callback_may_submit_again)
{
    uint8_t *buf = buffer(4 * BLOCK);
    struct io io[4];

    setup(_i);
    resubmits = 100;
    for (unsigned i = 0; i < 4; i++) {
        io_init(&io[i], i % 2 ? ENGINE_WRITE : ENGINE_READ, i * BLOCK, buf + i * BLOCK, BLOCK);
        io[i].then = submit_again;
        submit(&io[i]);
    }
    run_until_idle();
    ck_assert_uint_eq(io[0].done + io[1].done + io[2].done + io[3].done, 104);
    teardown();
    free(buf);
}
END_TEST

static struct source by_fd;

/* From the first completion on the descriptor is ready. */
static void stop_at_the_fd(struct io *io)
{
    if (io->done == 1) {
        source_fire(&by_fd);
    }
    if (!by_fd.ready) {
        submit(io);
    }
}

START_TEST(requests_without_end_do_not_starve_a_descriptor)
{
    uint8_t *buf = buffer(BLOCK);
    struct io io;

    setup(_i);
    source_add_fd(&by_fd, ctx);
    io_init(&io, ENGINE_READ, 0, buf, BLOCK);
    io.then = stop_at_the_fd;
    submit(&io);
    run_until_idle();
    ck_assert_uint_eq(by_fd.ready, 1);
    source_remove(&by_fd);
    teardown();
    free(buf);
}
END_TEST

START_TEST(a_file_that_was_cut_gives_a_short_read)
{
    uint8_t *buf = buffer(2 * BLOCK);

    setup(_i);
    ck_assert_int_eq(truncate(path, 9 * BLOCK), 0);
    ck_assert_int_eq(do_io(ENGINE_READ, 8 * BLOCK, buf, 2 * BLOCK), BLOCK);
    ck_assert_uint_eq(buf[BLOCK - 1], image_byte(9 * BLOCK - 1));
    ck_assert_int_eq(do_io(ENGINE_READ, 64 * BLOCK, buf, BLOCK), 0);
    teardown();
    free(buf);
}
END_TEST

/* The signal is ignored, as the program does it. */
START_TEST(a_write_over_the_limit_of_file_sizes_fails_and_ends_nothing)
{
    const struct rlimit limit = {.rlim_cur = 64 * BLOCK, .rlim_max = RLIM_INFINITY};
    uint8_t *buf = buffer(BLOCK);

    setup(_i);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(do_io(ENGINE_WRITE, 64 * BLOCK, buf, BLOCK), -EFBIG);
    ck_assert_int_eq(do_io(ENGINE_WRITE, 63 * BLOCK, buf, BLOCK), BLOCK);
    ck_assert_int_eq(do_io(ENGINE_READ, 64 * BLOCK, buf, BLOCK), BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(a_request_that_fails_gives_its_errno_once_and_the_next_one_works)
{
    uint8_t *buf = buffer(BLOCK);
    int fd;

    open_image(engine_of(_i), false);
    fd = image.fd;
    image.fd = open(path, O_WRONLY | (image.direct ? O_DIRECT : 0));
    if (engine_of(_i) == &engine_mmap) { /* needs to read it to begin with */
        ctx = loop_new(0, 0);
        ck_assert_int_eq(engine_open(&engine_mmap, ctx, &image, &(struct engine_config){.depth = 1},
                                     &engine, NULL),
                         -EACCES);
        loop_free(ctx);
        image_close(&image);
        close(fd);
        free(buf);
        return;
    }
    open_engine(engine_of(_i), polling_of(_i), (struct engine_config){.depth = 64});
    ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), -EBADF);
    ck_assert_int_eq(do_io(ENGINE_WRITE, 0, buf, BLOCK), BLOCK);
    teardown();
    close(fd);
    free(buf);
}
END_TEST

START_TEST(two_engines_serve_one_image_in_one_loop)
{
    struct engine_config config = {.depth = 8};
    struct engine *other;
    struct io io[2];
    uint8_t *buf = buffer(2 * BLOCK);

    setup(_i);
    ck_assert_int_eq(engine_open(engine_of(_i), ctx, &image, &config, &other, NULL), 0);
    io_init(&io[0], ENGINE_READ, 0, buf, BLOCK);
    io_init(&io[1], ENGINE_READ, BLOCK, buf + BLOCK, BLOCK);
    submit(&io[0]);
    ck_assert_int_eq(engine_submit(other, &io[1].req), 0);
    run_until_idle();
    while (other->in_flight) {
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(io[0].done, 1);
    ck_assert_uint_eq(io[1].done, 1);
    engine_close(other);
    ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(an_engine_that_needs_a_file_says_so)
{
    struct engine_config config = {.depth = 8};
    struct error err = {""};
    int r;

    image = (struct image){.fd = -1, .size = IMAGE_SIZE, .align = 1};
    ctx = loop_new(0, 0);
    r = engine_open(engine_at(_i), ctx, &image, &config, &engine, &err);
    if (engine_at(_i)->needs_file) {
        ck_assert_int_eq(r, -EINVAL);
        ck_assert_ptr_ne(strstr(err.msg, engine_at(_i)->name), NULL);
    } else {
        ck_assert_int_eq(r, 0);
        engine_close(engine);
    }
    loop_free(ctx);
}
END_TEST

START_TEST(engines_have_names_and_summaries)
{
    for (unsigned i = 0; engine_at(i); i++) {
        ck_assert_ptr_ne(engine_at(i)->name, NULL);
        ck_assert_ptr_ne(engine_at(i)->summary, NULL);
    }
}
END_TEST

static void note_run(void *opaque)
{
    ++*(unsigned *)opaque;
}

START_TEST(a_polled_completion_does_not_end_the_next_block_but_the_next_one_does)
{
    uint8_t *buf = buffer(BLOCK);
    unsigned undisturbed = 0;

    setup(_i);
    for (unsigned round = 0; round < 5; round++) {
        struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = 10000000000};
        struct aio_timer timer;
        unsigned ran = 0;
        uint64_t before;

        ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0);
        ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
        ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
        params.max_ns = 0;
        ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0);
        aio_timer_init(ctx, &timer, note_run, &ran);
        aio_timer_arm(&timer, aio_now(ctx) + 1000000);
        before = loop_stats(ctx).dispatches;
        while (!ran) {
            aio_poll(ctx, true);
        }
        /* now and then the kernel is late with the eventfd of what was seen in the ring */
        undisturbed += loop_stats(ctx).dispatches == before;
        ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK); /* ends a block again */
    }
    ck_assert_uint_gt(undisturbed, 0);
    teardown();
    free(buf);
}
END_TEST

/* --- engine null --- */

static uint64_t done_at;

static void note_time(struct io *io)
{
    done_at = aio_now(ctx);
}

START_TEST(a_delay_is_kept_and_ends_a_block)
{
    uint8_t *buf = buffer(BLOCK);
    struct engine_config config = {.depth = 8, .delay_ns = 300000};

    image = (struct image){.fd = -1, .size = IMAGE_SIZE, .align = 1};
    open_engine(&engine_null, _i, config);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t begin = aio_now(ctx);
        struct io io;

        io_init(&io, ENGINE_READ, 0, buf, BLOCK);
        io.then = note_time;
        submit(&io);
        run_until_idle();
        ck_assert_uint_ge(done_at - begin, config.delay_ns);
    }
    ck_assert_uint_ge(_i ? loop_stats(ctx).polled_ns : loop_stats(ctx).blocked_ns, 1000000);
    teardown();
    free(buf);
}
END_TEST

/* --- images in memory --- */

START_TEST(an_image_in_memory_is_read_by_ordinary_system_calls_at_the_end_of_the_turn)
{
    uint8_t *buf = buffer(32 * BLOCK);

    setup(_i);
    submit_many(32, buf);
    ck_assert_uint_eq(many[0].done, 0);
    ck_assert(aio_poll(ctx, false));
    assert_all_done_once(32, BLOCK);
    ck_assert_uint_eq(submits.calls, 0);
    teardown();
    free(buf);
}
END_TEST

/* --- engine linux-aio --- */

static void setup_linux_aio(bool polling, unsigned depth)
{
    open_image(&engine_linux_aio, false);
    open_engine(&engine_linux_aio, polling, (struct engine_config){.depth = depth});
}

START_TEST(a_device_gets_the_requests_of_a_turn_a_few_at_a_time)
{
    uint8_t *buf = buffer(32 * BLOCK);
    int ends[2];

    setup_linux_aio(_i, 64);
    ck_assert_int_eq(pipe(ends), 0);
    submits.until_readable = ends[0];
    submit_many(32, buf);
    ck_assert_uint_eq(submits.calls, 0);
    aio_poll(ctx, false);
    ck_assert_uint_eq(submits.calls, 32 / AIO_BATCH_DEVICE);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    run_until_idle();
    assert_all_done_once(32, POLLIN | POLLRDNORM);
    teardown();
    close(ends[0]);
    close(ends[1]);
    free(buf);
}
END_TEST

START_TEST(requests_that_complete_at_once_are_submitted_in_one_batch)
{
    uint8_t *buf = buffer(32 * BLOCK);

    setup_linux_aio(_i, 64);
    submits.at_once = true;
    submit_many(32, buf);
    run_until_idle();
    ck_assert_uint_eq(submits.calls, 2); /* the first tells that they do */
    assert_all_done_once(32, BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(a_batch_has_at_most_as_many_requests_as_configured)
{
    struct aio_context_config config = {.poll.policy = &poll_policy_block, .max_batch = 5};
    uint8_t *buf = buffer(32 * BLOCK);

    open_image(&engine_linux_aio, false);
    ck_assert_int_eq(aio_context_new(&config, &ctx, NULL), 0);
    ck_assert_int_eq(engine_open(&engine_linux_aio, ctx, &image,
                                 &(struct engine_config){.depth = 64}, &engine, NULL),
                     0);
    submits.at_once = _i;
    submit_many(32, buf);
    run_until_idle();
    ck_assert_uint_eq(submits.calls, 7);
    assert_all_done_once(32, BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(requests_that_the_kernel_has_no_room_for_are_retried_without_spinning)
{
    uint8_t *buf = buffer(1000 * BLOCK);

    setup_linux_aio(_i, 1);
    submit_many(1000, buf);
    run_until_idle();
    assert_all_done_once(1000, BLOCK);
    ck_assert_uint_lt(submits.calls, 2500); /* about one try for a completion */
    teardown();
    free(buf);
}
END_TEST

START_TEST(a_batch_that_the_kernel_takes_in_part_is_submitted_in_full)
{
    uint8_t *buf = buffer(20 * BLOCK);

    setup_linux_aio(_i, 64);
    submits.one_by_one = true;
    submit_many(20, buf);
    run_until_idle();
    ck_assert_uint_eq(submits.calls, 20);
    assert_all_done_once(20, BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(with_nothing_in_flight_a_timer_tries_again)
{
    uint8_t *buf = buffer(AIO_BATCH_DEVICE * BLOCK);

    setup_linux_aio(_i, 64);
    submits.fail_with = -EAGAIN;
    submits.fails = 5;
    submit_many(AIO_BATCH_DEVICE, buf);
    run_until_idle();
    ck_assert_uint_eq(submits.calls, 6);
    assert_all_done_once(AIO_BATCH_DEVICE, BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(an_engine_whose_retry_is_pending_leaves_nothing_behind)
{
    uint8_t *buf = buffer(BLOCK);
    struct io io;

    setup_linux_aio(_i, 64);
    submits.fail_with = -EAGAIN;
    submits.fails = 1;
    submit_many(1, buf);
    ck_assert(aio_poll(ctx, true)); /* fails, arms the timer */
    io_init(&io, ENGINE_READ, 0, buf, BLOCK);
    submit(&io); /* its turn submits both */
    run_until_idle();
    teardown(); /* the timer may still be armed: frees the loop without EBUSY */
    free(buf);
}
END_TEST

START_TEST(of_a_batch_only_the_request_that_the_kernel_refuses_fails)
{
    uint8_t *buf = buffer(20 * BLOCK);

    setup_linux_aio(_i, 64);
    submits.fail_with = -EINVAL;
    submits.fails = 1;
    submit_many(20, buf);
    run_until_idle();
    ck_assert_int_eq(many[0].res, -EINVAL);
    ck_assert_uint_eq(many[0].done, 1);
    many[0].res = BLOCK;
    assert_all_done_once(20, BLOCK);
    teardown();
    free(buf);
}
END_TEST

START_TEST(requests_that_fail_without_end_do_not_starve_a_descriptor)
{
    uint8_t *buf = buffer(BLOCK);
    struct io io;

    setup_linux_aio(_i, 64);
    submits.fail_with = -EINVAL;
    submits.fails = UINT32_MAX;
    source_add_fd(&by_fd, ctx);
    io_init(&io, ENGINE_READ, 0, buf, BLOCK);
    io.then = stop_at_the_fd;
    submit(&io);
    run_until_idle();
    ck_assert_uint_eq(by_fd.ready, 1);
    source_remove(&by_fd);
    teardown();
    free(buf);
}
END_TEST

/* Buffered, from the page cache: done when io_submit returns. */
START_TEST(completions_inside_io_submit_are_reaped_in_that_turn_and_only_once)
{
    struct image_config config = {.path = on_disk};
    uint8_t *buf = buffer(BLOCK);
    struct io io;

    ck_assert_int_eq(image_open(&image, &config, NULL), 0);
    open_engine(&engine_linux_aio, false, (struct engine_config){.depth = 8});
    ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
    io_init(&io, ENGINE_READ, 0, buf, BLOCK);
    submit(&io);
    ck_assert(aio_poll(ctx, false));
    ck_assert_uint_eq(io.done, 1);
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(loop_stats(ctx).dispatches, 0);
    teardown();
    free(buf);
}
END_TEST

static int ends[2]; /* of the pipe that requests wait for */

static void write_byte(void *opaque)
{
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
}

/* Runs the loop until all requests are done, which is not before @ns have passed. */
static void complete_after(uint64_t ns)
{
    struct aio_timer timer;

    aio_timer_init(ctx, &timer, write_byte, NULL);
    aio_timer_arm(&timer, aio_now(ctx) + ns);
    run_until_idle();
}

/* The loop polls for a request that is not complete at once, and goes on while all others are. */
static void poll_until_unsignaled(uint8_t *buf)
{
    struct io late;
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    submits.until_readable = ends[0];
    io_init(&late, ENGINE_READ, 0, buf, BLOCK);
    submit(&late);
    complete_after(1000000);
    ck_assert_uint_eq(late.done, 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    submits.until_readable = 0;
    submits.at_once = true;
    do {
        ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
    } while (submits.signaled);
    ck_assert(ctx->unwatched);
}

static void close_pipe(void)
{
    close(ends[0]);
    close(ends[1]);
}

START_TEST(only_requests_that_complete_at_once_while_polling_name_no_eventfd)
{
    uint8_t *buf = buffer(BLOCK);

    setup_linux_aio(1, 64);
    poll_until_unsignaled(buf);
    ck_assert_uint_gt(submits.calls, 1);
    ck_assert_int_eq(do_io(ENGINE_FLUSH, 0, NULL, 0), 0);
    ck_assert_msg(submits.signaled == 1, "a flush takes as long as the disk");
    teardown();
    close_pipe();
    free(buf);
}
END_TEST

START_TEST(a_late_request_without_an_eventfd_is_not_lost)
{
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = _i ? 30000 : 0};
    uint8_t *buf = buffer(2 * BLOCK);
    struct io io[2];

    setup_linux_aio(1, 64);
    poll_until_unsignaled(buf);
    submits.at_once = false;
    submits.until_readable = ends[0];
    for (unsigned i = 0; i < 2; i++) {
        io_init(&io[i], ENGINE_READ, i * BLOCK, buf + i * BLOCK, BLOCK);
        submit(&io[i]);
    }
    aio_poll(ctx, false);
    ck_assert_uint_eq(submits.signaled, 0);
    ck_assert_int_eq(aio_set_poll_params(ctx, &params), 0);
    complete_after(20000000);
    ck_assert_uint_eq(io[0].done, 1);
    ck_assert_uint_eq(io[1].done, 1);
    ck_assert_uint_gt(loop_stats(ctx).blocks, 0);
    ck_assert_msg(loop_stats(ctx).blocks < 100, "looks come less and less often");

    submits.until_readable = 0;
    ck_assert_int_eq(do_io(ENGINE_READ, 0, buf, BLOCK), BLOCK);
    ck_assert_uint_eq(submits.signaled, 1);
    teardown();
    close_pipe();
    free(buf);
}
END_TEST

START_TEST(no_room_for_the_requests_of_linux_aio_names_the_limit)
{
    struct engine_config config = {0};
    struct error err = {""};
    FILE *f = fopen("/proc/sys/fs/aio-max-nr", "r");

    ck_assert_ptr_ne(f, NULL);
    ck_assert_int_eq(fscanf(f, "%u", &config.depth), 1);
    fclose(f);
    config.depth++;
    open_image(&engine_linux_aio, false);
    ctx = loop_new(0, 0);
    ck_assert_int_eq(engine_open(&engine_linux_aio, ctx, &image, &config, &engine, &err), -EAGAIN);
    ck_assert_ptr_ne(strstr(err.msg, "fs.aio-max-nr"), NULL);
    loop_free(ctx);
    image_close(&image);
}
END_TEST

START_TEST(without_a_descriptor_for_its_eventfd_an_engine_is_refused)
{
    const struct engine_ops *ops = _i ? &engine_linux_aio : &engine_threads;
    struct engine_config config = {.depth = 8};
    struct error err = {""};
    struct rlimit limit, none;

    open_image(ops, false);
    ctx = loop_new(0, 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(engine_open(ops, ctx, &image, &config, &engine, &err), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    loop_free(ctx);
    image_close(&image);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *t = tcase_create("every engine");
    int engines = 0, with_data = 0, n;

    while (engine_at(engines)) {
        engines++;
    }
    n = 2 * engines;
    while (engine_at(with_data)->needs_file) {
        with_data++; /* engine null, which moves no data, is the last one */
    }
    if (with_data != engines - 1) {
        fprintf(stderr, "the tests of data would leave out an engine\n");
        return 1;
    }
    with_data *= 2;
    tcase_add_unchecked_fixture(t, make_image, remove_image);
    tcase_add_loop_test(t, every_request_completes_exactly_once_and_never_before_submit_returns, 0,
                        n);
    tcase_add_loop_test(t, data_of_each_request_goes_to_its_own_buffer, 0, with_data);
    tcase_add_loop_test(t, a_bad_request_is_refused_and_has_no_effect, 0, n);
    tcase_add_loop_test(t, requests_up_to_the_limits_are_taken, 0, n);
    tcase_add_loop_test(t, more_requests_than_were_announced_complete_all_the_same, 0, n);
    tcase_add_loop_test(t, a_polled_completion_does_not_end_the_next_block_but_the_next_one_does, 0,
                        n);
    tcase_add_loop_test(t, two_engines_serve_one_image_in_one_loop, 0, n);
    tcase_add_loop_test(t, requests_without_end_do_not_starve_a_descriptor, 0, n);
    tcase_add_loop_test(t, an_engine_that_needs_a_file_says_so, 0, engines);
    tcase_add_test(t, engines_have_names_and_summaries);
    suite_add_tcase(s, t);

    t = tcase_create("every engine, writing");
    tcase_add_checked_fixture(t, make_image, remove_image);
    tcase_add_loop_test(t, what_is_written_is_read_back_at_its_offset, 0, with_data);
    tcase_add_loop_test(t, a_callback_may_submit_again, 0, n);
    tcase_add_loop_test(t, a_file_that_was_cut_gives_a_short_read, 0, with_data);
    tcase_add_loop_test(t, a_request_that_fails_gives_its_errno_once_and_the_next_one_works, 0,
                        with_data);
    tcase_add_loop_test(t, a_write_over_the_limit_of_file_sizes_fails_and_ends_nothing, 0,
                        with_data);
    suite_add_tcase(s, t);

    t = tcase_create("linux-aio and io_uring, in memory");
    tcase_add_checked_fixture(t, make_image_in_memory, remove_image);
    tcase_add_loop_test(
        t, an_image_in_memory_is_read_by_ordinary_system_calls_at_the_end_of_the_turn, 0, 4);
    tcase_add_loop_test(t, every_request_completes_exactly_once_and_never_before_submit_returns, 0,
                        4);
    tcase_add_loop_test(t, data_of_each_request_goes_to_its_own_buffer, 0, 4);
    tcase_add_loop_test(t, a_bad_request_is_refused_and_has_no_effect, 0, 4);
    tcase_add_loop_test(t, requests_without_end_do_not_starve_a_descriptor, 0, 4);
    tcase_add_loop_test(t, what_is_written_is_read_back_at_its_offset, 0, 4);
    tcase_add_loop_test(t, a_callback_may_submit_again, 0, 4);
    tcase_add_loop_test(t, a_file_that_was_cut_gives_a_short_read, 0, 4);
    suite_add_tcase(s, t);

    t = tcase_create("null");
    tcase_add_loop_test(t, a_delay_is_kept_and_ends_a_block, 0, 2);
    suite_add_tcase(s, t);

    t = tcase_create("linux-aio");
    tcase_add_checked_fixture(t, make_image, remove_image);
    tcase_add_loop_test(t, a_device_gets_the_requests_of_a_turn_a_few_at_a_time, 0, 2);
    tcase_add_loop_test(t, requests_that_complete_at_once_are_submitted_in_one_batch, 0, 2);
    tcase_add_loop_test(t, a_batch_has_at_most_as_many_requests_as_configured, 0, 2);
    tcase_add_loop_test(t, requests_that_the_kernel_has_no_room_for_are_retried_without_spinning, 0,
                        2);
    tcase_add_loop_test(t, a_batch_that_the_kernel_takes_in_part_is_submitted_in_full, 0, 2);
    tcase_add_loop_test(t, with_nothing_in_flight_a_timer_tries_again, 0, 2);
    tcase_add_loop_test(t, an_engine_whose_retry_is_pending_leaves_nothing_behind, 0, 2);
    tcase_add_loop_test(t, of_a_batch_only_the_request_that_the_kernel_refuses_fails, 0, 2);
    tcase_add_loop_test(t, requests_that_fail_without_end_do_not_starve_a_descriptor, 0, 2);
    tcase_add_test(t, completions_inside_io_submit_are_reaped_in_that_turn_and_only_once);
    tcase_add_test(t, only_requests_that_complete_at_once_while_polling_name_no_eventfd);
    tcase_add_loop_test(t, a_late_request_without_an_eventfd_is_not_lost, 0, 2);
    tcase_add_test(t, no_room_for_the_requests_of_linux_aio_names_the_limit);
    tcase_add_loop_test(t, without_a_descriptor_for_its_eventfd_an_engine_is_refused, 0, 2);
    suite_add_tcase(s, t);

    return suite_run(s);
}

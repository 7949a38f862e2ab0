// SPDX-License-Identifier: MIT
/* Engine io_uring, beyond the rules for every engine: a kernel that refuses requests. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/image.h"
#include "engine/submit.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

static int answer; /* of the kernel, to so many submissions */
static unsigned answers, submissions;
static bool one_by_one;            /* the kernel takes only one request a call */
static struct io_uring *submitted; /* the ring of the last submission */

int io_uring_submit(struct io_uring *ring)
{
    int (*real)(struct io_uring *) = (__typeof__(real))dlsym(RTLD_NEXT, "io_uring_submit");

    submissions++;
    submitted = ring;
    if (answers) {
        answers--;
        return answer;
    }
    if (one_by_one) {
        unsigned tail = ring->sq.sqe_tail;
        int ret;

        ring->sq.sqe_tail = ring->sq.sqe_head + 1;
        ret = real(ring);
        ring->sq.sqe_tail = tail;
        return ret;
    }
    return real(ring);
}

static ssize_t result;
static unsigned done;

static void io_done(struct engine_req *req, ssize_t res)
{
    result = res;
    done++;
}

static char buf[512];
static struct iovec iov = {buf, sizeof(buf)};
static struct engine *engine;
static struct image image;
static AioContext *ctx;

static void setup(void)
{
    char path[] = "/var/tmp/pollux-uring-XXXXXX";
    struct image_config config = {.path = path};
    struct error err = {""};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    close(fd);
    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    unlink(path);
    ctx = loop_new(0, 0);
    ck_assert_msg(engine_open(&engine_io_uring, ctx, &image, &(struct engine_config){.depth = 8},
                              &engine, &err) == 0,
                  "%s", err.msg);
}

static void teardown(void)
{
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
}

START_TEST(with_nothing_in_flight_a_timer_tries_again)
{
    static const int of_the_kernel[] = {0, -EAGAIN, -EBUSY};
    struct engine_req req = {.op = ENGINE_READ, .iov = &iov, .iovcnt = 1, .cb = io_done};

    setup();
    answer = of_the_kernel[_i];
    answers = 3;
    ck_assert_int_eq(engine_submit(engine, &req), 0);
    while (!done) {
        aio_poll(ctx, true);
        virtual_clock_advance(ENGINE_RETRY_NS / 8);
    }
    ck_assert_int_eq(result, sizeof(buf));
    ck_assert_uint_eq(done, 1);
    if (!image.in_memory) { /* else no ring is used */
        ck_assert_uint_eq(submissions, 4);
    }
    teardown();
}
END_TEST

START_TEST(what_the_kernel_leaves_goes_down_in_the_same_turn)
{
    struct engine_req reqs[5];

    setup();
    one_by_one = true;
    for (unsigned i = 0; i < 5; i++) {
        reqs[i] = (struct engine_req){.op = ENGINE_READ, .iov = &iov, .iovcnt = 1, .cb = io_done};
        ck_assert_int_eq(engine_submit(engine, &reqs[i]), 0);
    }
    aio_poll(ctx, false);
    if (!image.in_memory) {
        ck_assert_uint_eq(submissions, 5);
    }
    while (done < 5) {
        aio_poll(ctx, true);
    }
    teardown();
}
END_TEST

/* Return: the result of a request that the engine does not make. */
static int refused_by_ring(void (*prepare)(struct io_uring_sqe *sqe))
{
    struct io_uring_cqe *cqe;
    int res;

    prepare(io_uring_get_sqe(submitted));
    ck_assert_int_eq(io_uring_submit_and_wait(submitted, 1), 1);
    ck_assert_int_eq(io_uring_wait_cqe(submitted, &cqe), 0);
    res = cqe->res;
    io_uring_cqe_seen(submitted, cqe);
    return res;
}

static void prepare_open(struct io_uring_sqe *sqe)
{
    io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static void prepare_other_file(struct io_uring_sqe *sqe)
{
    io_uring_prep_read(sqe, STDIN_FILENO, buf, sizeof(buf), 0);
}

START_TEST(the_ring_serves_the_image_only)
{
    struct engine_req req = {.op = ENGINE_READ, .iov = &iov, .iovcnt = 1, .cb = io_done};

    setup();
    ck_assert_int_eq(engine_submit(engine, &req), 0);
    while (!done) {
        aio_poll(ctx, true);
    }
    if (!image.in_memory) {
        ck_assert_int_eq(refused_by_ring(prepare_open), -EACCES);
        ck_assert_int_eq(refused_by_ring(prepare_other_file), -EACCES);
        ck_assert_int_eq(io_uring_register_probe(submitted, NULL, 0), -EACCES);
    }
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine io_uring");
    TCase *t = tcase_create("io_uring");

    tcase_add_loop_test(t, with_nothing_in_flight_a_timer_tries_again, 0, 3);
    tcase_add_test(t, the_ring_serves_the_image_only);
    tcase_add_test(t, what_the_kernel_leaves_goes_down_in_the_same_turn);
    suite_add_tcase(s, t);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/* Engine io_uring, beyond what every engine does: a kernel that takes nothing for a while. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
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

int io_uring_submit(struct io_uring *ring)
{
    int (*real)(struct io_uring *) = (__typeof__(real))dlsym(RTLD_NEXT, "io_uring_submit");

    submissions++;
    if (answers) {
        answers--;
        return answer;
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

START_TEST(with_nothing_in_flight_a_timer_tries_again)
{
    static const int of_the_kernel[] = {0, -EAGAIN, -EBUSY};
    char path[] = "/var/tmp/pollux-uring-XXXXXX", buf[512];
    struct image_config config = {.path = path};
    struct iovec iov = {buf, sizeof(buf)};
    struct engine_req req = {.op = ENGINE_READ, .iov = &iov, .iovcnt = 1, .cb = io_done};
    struct engine *engine;
    struct image image;
    struct error err = {""};
    AioContext *ctx;
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
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine io_uring");
    TCase *t = tcase_create("io_uring");

    tcase_add_loop_test(t, with_nothing_in_flight_a_timer_tries_again, 0, 3);
    suite_add_tcase(s, t);
    return suite_run(s);
}

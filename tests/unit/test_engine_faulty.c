// SPDX-License-Identifier: MIT
/* The engine that makes some requests of another engine fail, move less or take longer. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/image.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define DEPTH 4
#define BLOCK 512
#define ALL   1000000 /* parts per million */

static struct image image = {.fd = -1, .size = 1 << 20, .align = 1};
static AioContext *ctx;
static struct engine *engine;
static uint8_t buf[4 * BLOCK];

struct answer {
    struct engine_req req;
    struct iovec iov[4];
    unsigned times;
    ssize_t res;
};

static void answered(struct engine_req *req, ssize_t res)
{
    struct answer *a = container_of(req, struct answer, req);

    a->times++;
    a->res = res;
}

static void begin(struct engine_faults faults)
{
    struct engine_config config = {.depth = DEPTH, .faults = &faults};
    struct error err = {""};

    ctx = loop_new(0, 0);
    ck_assert_msg(engine_open(&engine_null, ctx, &image, &config, &engine, &err) == 0, "%s",
                  err.msg);
}

static void end(void)
{
    engine_close(engine);
    loop_free(ctx);
}

static int submit(struct answer *a, int buffers, size_t len)
{
    *a = (struct answer){.req = {.op = ENGINE_READ, .iov = a->iov, .iovcnt = buffers}};
    a->req.cb = answered;
    for (int i = 0; i < buffers; i++) {
        a->iov[i] = (struct iovec){buf + i * len, len};
    }
    return engine_submit(engine, &a->req);
}

static ssize_t do_read(int buffers, size_t len)
{
    struct answer a;

    ck_assert_int_eq(submit(&a, buffers, len), 0);
    loop_drain(ctx);
    ck_assert_uint_eq(a.times, 1);
    return a.res;
}

START_TEST(all_requests_fail_once_each_and_as_many_again)
{
    struct answer a[DEPTH + 1];

    begin((struct engine_faults){.error_ppm = ALL, .error = ENOSPC});
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < DEPTH; i++) {
            ck_assert_int_eq(submit(&a[i], 1, BLOCK), 0);
            ck_assert_uint_eq(a[i].times, 0);
        }
        ck_assert_int_eq(submit(&a[DEPTH], 1, BLOCK), -EAGAIN);
        loop_drain(ctx);
        for (unsigned i = 0; i < DEPTH; i++) {
            ck_assert_uint_eq(a[i].times, 1);
            ck_assert_int_eq(a[i].res, -ENOSPC);
        }
    }
    end();
}
END_TEST

START_TEST(a_short_request_moves_half_and_whole_sectors)
{
    begin((struct engine_faults){.short_ppm = ALL});
    ck_assert_int_eq(do_read(4, BLOCK), 2 * BLOCK);
    ck_assert_int_eq(do_read(1, 4 * BLOCK), 2 * BLOCK);
    ck_assert_int_eq(do_read(1, 3 * BLOCK), BLOCK);
    ck_assert_int_eq(do_read(1, 2 * BLOCK), BLOCK);
    ck_assert_int_eq(do_read(1, BLOCK), BLOCK); /* never nothing */
    end();
}
END_TEST

START_TEST(the_failure_rate_is_as_configured_and_repeats_with_the_seed)
{
    char first[1000];

    for (unsigned round = 0; round < 2; round++) {
        unsigned failed = 0;

        begin((struct engine_faults){.error_ppm = ALL / 4, .error = EIO, .seed = 7});
        for (unsigned i = 0; i < sizeof(first); i++) {
            char fails = do_read(1, BLOCK) < 0;

            failed += fails;
            if (round == 0) {
                first[i] = fails;
            }
            ck_assert_int_eq(fails, first[i]);
        }
        ck_assert_uint_ge(failed, 200);
        ck_assert_uint_le(failed, 300);
        end();
    }
}
END_TEST

START_TEST(the_delay_is_added_to_each_request)
{
    struct answer a;

    begin((struct engine_faults){.delay_ns = 1000000});
    ck_assert_int_eq(submit(&a, 1, BLOCK), 0);
    loop_drain(ctx);
    ck_assert_uint_eq(a.times, 0);
    virtual_clock_advance(900000);
    loop_drain(ctx);
    ck_assert_uint_eq(a.times, 0);
    virtual_clock_advance(100000);
    loop_drain(ctx);
    ck_assert_uint_eq(a.times, 1);
    ck_assert_int_eq(a.res, BLOCK);
    end();
}
END_TEST

START_TEST(with_a_trigger_requests_fail_while_its_file_is_there)
{
    char path[] = "/tmp/pollux-trigger-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    begin((struct engine_faults){.error_ppm = ALL, .error = EIO, .trigger = path});
    ck_assert_int_eq(do_read(1, BLOCK), -EIO);
    unlink(path);
    ck_assert_int_eq(do_read(1, BLOCK), BLOCK);
    end();
}
END_TEST

START_TEST(a_request_that_the_inner_engine_refuses_is_refused)
{
    struct answer a[DEPTH];

    begin((struct engine_faults){.short_ppm = 0});
    for (unsigned i = 0; i < 2 * DEPTH; i++) {
        a[0] = (struct answer){.req = {.op = ENGINE_READ, .offset = image.size + 1}};
        ck_assert_int_eq(engine_submit(engine, &a[0].req), -EINVAL);
    }
    for (unsigned i = 0; i < DEPTH; i++) {
        ck_assert_int_eq(submit(&a[i], 1, BLOCK), 0);
    }
    loop_drain(ctx);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine faulty");
    TCase *t = tcase_create("faults");

    tcase_add_test(t, all_requests_fail_once_each_and_as_many_again);
    tcase_add_test(t, a_short_request_moves_half_and_whole_sectors);
    tcase_add_test(t, the_failure_rate_is_as_configured_and_repeats_with_the_seed);
    tcase_add_test(t, the_delay_is_added_to_each_request);
    tcase_add_test(t, with_a_trigger_requests_fail_while_its_file_is_there);
    tcase_add_test(t, a_request_that_the_inner_engine_refuses_is_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}

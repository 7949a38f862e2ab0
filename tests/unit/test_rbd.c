// SPDX-License-Identifier: MIT
/* The engine rbd, on a librbd of the test's own that also misbehaves. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/unit/fake-rbd.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define DEPTH 64

static struct fake_rbd *fake;
static AioContext *ctx;
static struct image image;
static struct engine *engine;
static struct error err;
static unsigned changes;

static void changed(void *opaque)
{
    changes++;
}

static void setup(void)
{
    fake = fake_rbd_init();
    err.msg[0] = '\0';
    changes = 0;
}

static struct image_config config_of(const char *rbd)
{
    return (struct image_config){.rbd = rbd, .rbd_api = &fake_rbd_api, .changed = changed};
}

static void open_engine_on(int monitor, uint64_t poll_ns)
{
    const struct image_config image_config = config_of("pool/image");
    const struct engine_config config = {.depth = DEPTH, .name = "disk0"};
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = poll_ns};

    ck_assert_msg(image_open(&image, &image_config, &err) == 0, "%s", err.msg);
    ctx = loop_new_with(monitor, params, NULL);
    ck_assert_msg(engine_open(&engine_rbd, ctx, &image, &config, &engine, &err) == 0, "%s",
                  err.msg);
}

static void open_engine(void)
{
    open_engine_on(0, 0);
}

static void close_engine(void)
{
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
    ck_assert_uint_eq(fake->handles, 0);
    ck_assert_uint_eq(fake->completions, 0);
}

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

static int try_submit(struct answer *a)
{
    int ret;

    a->req.iov = a->iov;
    a->req.cb = answered;
    a->times = 0;
    ret = engine_submit(engine, &a->req);
    ck_assert_uint_eq(a->times, 0);
    return ret;
}

static ssize_t await(struct answer *a)
{
    while (!a->times) {
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(a->times, 1);
    return a->res;
}

static ssize_t run(struct answer *a)
{
    ck_assert_int_eq(try_submit(a), 0);
    return await(a);
}

static struct answer transfer(enum engine_op op, uint64_t offset, void *buf, size_t len)
{
    return (struct answer){.req = {.op = op, .offset = offset, .iovcnt = 1}, .iov = {{buf, len}}};
}

/* --- requests --- */

START_TEST(data_arrives_on_every_monitor)
{
    static uint8_t out[4096], in[4096];

    open_engine_on(_i / 2, _i % 2 ? 1000000 : 0);
    for (unsigned i = 0; i < 100; i++) {
        struct answer w = transfer(ENGINE_WRITE, 4096 * (uint64_t)i, out, sizeof(out));
        struct answer r = transfer(ENGINE_READ, 4096 * (uint64_t)i, in, sizeof(in));

        memset(out, (int)i + 1, sizeof(out));
        ck_assert_int_eq(run(&w), sizeof(out));
        ck_assert_int_eq(run(&r), sizeof(in));
        ck_assert_mem_eq(in, out, sizeof(in));
    }
    close_engine();
}
END_TEST

START_TEST(buffers_are_one_request)
{
    static uint8_t a[4096], b[4096];
    struct answer w = {
        .req = {.op = ENGINE_WRITE, .offset = 512, .iovcnt = 3},
        .iov = {{a, 4096}, {NULL, 0}, {b, 512}},
    };

    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    open_engine();
    ck_assert_int_eq(run(&w), 4608);
    ck_assert_str_eq(fake->calls, "w512+4608");
    ck_assert_mem_eq(fake->data + 512, a, sizeof(a));
    ck_assert_mem_eq(fake->data + 4608, b, 512);
    close_engine();
}
END_TEST

static const struct {
    struct engine_req req;
    const char *calls;
} ops[] = {
    {{.op = ENGINE_FLUSH}, "f"},
    {{.op = ENGINE_DISCARD, .offset = 4096, .len = 8192}, "t4096+8192"},
    {{.op = ENGINE_WRITE_ZEROES, .offset = 4096, .len = 8192}, "Z4096+8192"},
    {{.op = ENGINE_WRITE_ZEROES, .len = 8192, .may_unmap = true}, "z0+8192"},
    {{.op = ENGINE_WRITE_ZEROES, .len = 512, .durable = true}, "Z0+512 f"},
    {{.op = ENGINE_WRITE, .durable = true, .iovcnt = 1}, "w0+512 f"},
    {{.op = ENGINE_READ, .durable = true, .iovcnt = 1}, "r0+512"},
};

START_TEST(operations_become_calls)
{
    static uint8_t buf[512];
    struct answer a = {.req = ops[_i].req, .iov = {{buf, sizeof(buf)}}};

    open_engine();
    ck_assert_int_eq(run(&a), a.req.iovcnt ? 512 : 0);
    ck_assert_str_eq(fake->calls, ops[_i].calls);
    close_engine();
}
END_TEST

START_TEST(requests_beyond_the_depth_are_refused)
{
    static struct answer all[DEPTH + 1];
    static uint8_t buf[DEPTH + 1][512];

    fake->hold = true;
    open_engine();
    for (unsigned i = 0; i <= DEPTH; i++) {
        all[i] = transfer(ENGINE_WRITE, i * 512ull, buf[i], 512);
        ck_assert_int_eq(try_submit(&all[i]), i < DEPTH ? 0 : -EAGAIN);
    }
    fake_rbd_release();
    for (unsigned i = 0; i < DEPTH; i++) {
        ck_assert_int_eq(await(&all[i]), 512);
    }
    ck_assert_int_eq(run(&all[DEPTH]), 512);
    close_engine();
}
END_TEST

/* --- errors and a librbd that misbehaves --- */

static const struct {
    enum engine_op op;
    bool durable;
    ssize_t result, res;
} results[] = {
    {ENGINE_READ, false, -EIO, -EIO},
    {ENGINE_WRITE, false, -ENOSPC, -ENOSPC},
    {ENGINE_WRITE, true, -EROFS, -EROFS},
    {ENGINE_WRITE, false, -ESHUTDOWN, -ESHUTDOWN}, /* the client is on the cluster's blocklist */
    {ENGINE_FLUSH, false, -ETIMEDOUT, -ETIMEDOUT},
    {ENGINE_READ, false, 100, 100}, /* the image has become shorter */
    {ENGINE_READ, false, 513, -EIO},
    {ENGINE_WRITE, false, 513, 512},
    {ENGINE_READ, false, -5000, -EIO},
    {ENGINE_FLUSH, false, 7, 0},
};

START_TEST(results_of_librbd_are_checked)
{
    static uint8_t buf[512];
    struct answer a = {.req = {.op = results[_i].op, .durable = results[_i].durable},
                       .iov = {{buf, sizeof(buf)}}};

    a.req.iovcnt = a.req.op != ENGINE_FLUSH;
    fake->result = results[_i].result;
    fake->results = 1;
    open_engine();
    ck_assert_int_eq(run(&a), results[_i].res);
    close_engine();
}
END_TEST

START_TEST(a_flush_that_fails_fails_the_durable_write)
{
    static uint8_t buf[512];
    struct answer w = transfer(ENGINE_WRITE, 0, buf, sizeof(buf));

    w.req.durable = true;
    fake->result = -EIO;
    fake->results = 1;
    fake->kind = 'f';
    open_engine();
    ck_assert_int_eq(run(&w), -EIO);
    ck_assert_str_eq(fake->calls, "w0+512 f");
    close_engine();
}
END_TEST

START_TEST(busy_is_tried_again)
{
    static uint8_t buf[512];
    struct answer w = transfer(ENGINE_WRITE, 0, buf, sizeof(buf));

    fake->result = -EAGAIN;
    fake->results = 3;
    open_engine();
    ck_assert_int_eq(run(&w), 512);
    ck_assert_str_eq(fake->calls, "w0+512 w0+512 w0+512 w0+512");
    close_engine();
}
END_TEST

START_TEST(a_call_that_fails_changes_nothing)
{
    static uint8_t buf[512];
    struct answer w = transfer(ENGINE_WRITE, 0, buf, sizeof(buf));

    fake->issue_error = -EROFS;
    open_engine();
    for (unsigned i = 0; i < 2 * DEPTH; i++) {
        ck_assert_int_eq(try_submit(&w), -EROFS);
    }
    ck_assert_uint_eq(fake->completions, 0);
    fake->issue_error = 0;
    ck_assert_int_eq(run(&w), 512);
    close_engine();
}
END_TEST

/* Several threads return many requests, in any order; with a second call of each callback (1). */
START_TEST(every_request_is_answered_once)
{
    static struct answer all[DEPTH];
    static uint8_t buf[DEPTH][512];
    unsigned done = 0, next = 0;

    fake->twice = _i & 1;
    fake->reverse = _i & 2;
    open_engine_on(0, _i & 4 ? 20000 : 0);
    while (done < 5000) {
        for (; next < done + DEPTH; next++) {
            all[next % DEPTH] =
                transfer(ENGINE_READ, next % DEPTH * 512ull, buf[next % DEPTH], 512);
            if (try_submit(&all[next % DEPTH]) < 0) {
                break;
            }
        }
        ck_assert_int_eq(await(&all[done % DEPTH]), 512);
        done++;
        fake->calls[0] = '\0';
    }
    for (; done < next; done++) {
        await(&all[done % DEPTH]);
    }
    fake_rbd_await_idle(); /* no engine outlives a second callback that comes later still */
    close_engine();
}
END_TEST

/* --- images --- */

static const struct {
    const char *rbd, *conf, *id;
    bool readonly, direct, share_rw;
    uint64_t features;
    const char *opened; /* NULL: refused */
} places[] = {
    {"p/i", NULL, NULL, false, false, false, RBD_API_EXCLUSIVE_LOCK,
     "id= conf= pool=p image=i snap= lock="},
    {"p/i", "/c", "bob", false, true, false, RBD_API_EXCLUSIVE_LOCK,
     "id=bob conf=/c rbd_cache=false pool=p image=i snap= lock="},
    {"p/i", NULL, NULL, false, false, false, 1, "id= conf= pool=p image=i snap="},
    {"p/i", NULL, NULL, false, false, true, RBD_API_EXCLUSIVE_LOCK,
     "id= conf= pool=p image=i snap="},
    {"p/n/i@s", NULL, NULL, true, false, false, RBD_API_EXCLUSIVE_LOCK,
     "id= conf= pool=p namespace=n read-only=i snap=s"},
    {"p/i@s", NULL, NULL, false, false, false, 0, NULL},
    {"p", NULL, NULL, false, false, false, 0, NULL},
    {"/i", NULL, NULL, false, false, false, 0, NULL},
    {"p/", NULL, NULL, false, false, false, 0, NULL},
    {"p//i", NULL, NULL, false, false, false, 0, NULL},
    {"p/i@", NULL, NULL, true, false, false, 0, NULL},
};

START_TEST(an_image_has_pool_name_and_snapshot)
{
    struct image_config config = config_of(places[_i].rbd);
    int ret;

    config.rbd_conf = places[_i].conf;
    config.rbd_id = places[_i].id;
    config.readonly = places[_i].readonly;
    config.direct = places[_i].direct;
    config.share_rw = places[_i].share_rw;
    fake->features = places[_i].features;
    ret = image_open(&image, &config, &err);
    ck_assert_msg(places[_i].opened ? ret == 0 : ret < 0 && err.msg[0], "%s", err.msg);
    ck_assert_str_eq(fake->opened, places[_i].opened ? places[_i].opened : "");
    image_close(&image);
    ck_assert_uint_eq(fake->handles, 0);
}
END_TEST

START_TEST(what_fails_is_named_and_released)
{
    static const char *const words[] = {"connect", "pool", "open RBD image", "in use", "lock"};
    const struct image_config config = config_of("pool/image");

    fake->connect_error = _i == 0 ? -ETIMEDOUT : 0;
    fake->pool_error = _i == 1 ? -ENOENT : 0;
    fake->open_error = _i == 2 ? -ENOENT : 0;
    fake->lock_error = _i == 3 ? -EROFS : _i == 4 ? -EPERM : 0;
    ck_assert_int_lt(image_open(&image, &config, &err), 0);
    ck_assert_msg(strstr(err.msg, words[_i]) != NULL, "%s", err.msg);
    ck_assert_uint_eq(fake->handles, 0);
}
END_TEST

START_TEST(a_new_size_is_noticed)
{
    open_engine();
    ck_assert_uint_eq(image_size(&image), FAKE_RBD_SIZE);
    ck_assert_int_eq(image_update_size(&image, "i", &err), 0);
    fake_rbd_resize(FAKE_RBD_SIZE);
    ck_assert_uint_eq(changes, 0);
    fake_rbd_resize(FAKE_RBD_SIZE / 2 + 100);
    ck_assert_uint_eq(changes, 1);
    ck_assert_int_eq(image_update_size(&image, "i", &err), 1);
    ck_assert_uint_eq(image_size(&image), FAKE_RBD_SIZE / 2);
    ck_assert_uint_eq(image.left_out, 100);
    ck_assert_int_lt(image_resize(&image, FAKE_RBD_SIZE, "i", &err), 0);
    ck_assert_msg(strstr(err.msg, "rbd resize") != NULL, "%s", err.msg);
    close_engine();
}
END_TEST

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
    Suite *s = suite_create("rbd");
    TCase *tc = tcase_create("requests");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, data_arrives_on_every_monitor, 0, 2 * monitor_count());
    tcase_add_test(tc, buffers_are_one_request);
    tcase_add_loop_test(tc, operations_become_calls, 0, ROWS(ops));
    tcase_add_test(tc, requests_beyond_the_depth_are_refused);
    suite_add_tcase(s, tc);

    tc = tcase_create("errors");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, results_of_librbd_are_checked, 0, ROWS(results));
    tcase_add_test(tc, a_flush_that_fails_fails_the_durable_write);
    tcase_add_test(tc, busy_is_tried_again);
    tcase_add_test(tc, a_call_that_fails_changes_nothing);
    tcase_add_loop_test(tc, every_request_is_answered_once, 0, 8);
    suite_add_tcase(s, tc);

    tc = tcase_create("images");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, an_image_has_pool_name_and_snapshot, 0, ROWS(places));
    tcase_add_loop_test(tc, what_fails_is_named_and_released, 0, 5);
    tcase_add_test(tc, a_new_size_is_noticed);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

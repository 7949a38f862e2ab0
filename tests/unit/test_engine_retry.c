// SPDX-License-Identifier: MIT
/* A temporary lack of resources of the host is no error of the disk. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio/loop.h"
#include "engine/submit.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

static bool no_threads; /* pthread_create() fails, as at a limit of processes */

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (no_threads) {
        return EAGAIN;
    }
    if (!real) {
        real = (__typeof__(real))dlsym(RTLD_NEXT, "pthread_create");
    }
    return real(thread, attr, start, arg);
}

static AioContext *ctx;
static struct image image;
static char path[64];

static void setup(void)
{
    struct aio_context_config config = {0};
    struct image_config image_config = {.path = path};
    struct error err = {""};
    int fd;

    strcpy(path, "/tmp/pollux-retry-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    close(fd);
    poll_params_default(&config.poll);
    ck_assert_int_eq(aio_context_new(&config, &ctx, &err), 0);
    ck_assert_msg(image_open(&image, &image_config, &err) == 0, "%s", err.msg);
    no_threads = false;
}

static void teardown(void)
{
    image_close(&image);
    ck_assert_int_eq(aio_context_free(ctx), 0);
    unlink(path);
}

struct answer {
    struct engine_req req;
    unsigned times;
    ssize_t res;
};

static void answered(struct engine_req *req, ssize_t res)
{
    struct answer *a = container_of(req, struct answer, req);

    a->times++;
    a->res = res;
}

/* --- an engine whose host is out of something for the first submissions --- */

static int host_answers[4]; /* what the host says, one submission after the other; 0: done */
static unsigned submissions;

static int flaky_open(AioContext *c, const struct image *i, const struct engine_config *config,
                      struct engine **out, struct error *err)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : -ENOMEM;
}

static struct engine_req *pending;

static void complete_pending(void *opaque)
{
    struct engine_req *req = pending;

    pending = NULL;
    engine_complete(opaque, req, host_answers[submissions++]);
}

static struct aio_deferred deferred;

static int flaky_submit(struct engine *e, struct engine_req *req)
{
    pending = req;
    aio_deferred_init(&deferred, complete_pending, e);
    aio_defer(e->ctx, &deferred);
    return 0;
}

static void flaky_close(struct engine *e)
{
    free(e);
}

static const struct engine_ops flaky = {
    .name = "flaky",
    .open = flaky_open,
    .submit = flaky_submit,
    .close = flaky_close,
};

START_TEST(eagain_and_eintr_of_the_host_are_submitted_again)
{
    struct answer a = {.req = {.op = ENGINE_FLUSH, .cb = answered}};
    struct engine_config config = {0};
    struct error err = {""};
    struct engine *e;

    host_answers[0] = -EAGAIN;
    host_answers[1] = -EINTR;
    host_answers[2] = 0;
    submissions = 0;
    ck_assert_int_eq(engine_open(&flaky, ctx, &image, &config, &e, &err), 0);
    ck_assert_int_eq(engine_submit(e, &a.req), 0);
    while (!a.times) {
        ck_assert_uint_eq(e->in_flight, 1);
        aio_poll(ctx, true);
    }
    ck_assert_int_eq(a.res, 0);
    ck_assert_uint_eq(a.times, 1);
    ck_assert_uint_eq(submissions, 3);
    ck_assert_uint_eq(e->in_flight, 0);
    engine_close(e);
}
END_TEST

/* The clock of this loop stands still but for what the test adds. */
START_TEST(a_request_that_is_tried_again_without_end_holds_up_no_other_disk)
{
    struct answer again = {.req = {.op = ENGINE_FLUSH, .cb = answered}}, other;
    struct poll_params params = {.policy = &poll_policy_fixed};
    AioContext *loop = loop_new_with(0, params, virtual_now);
    struct engine_config config = {0};
    struct engine *busy, *disk;
    struct error err = {""};

    ck_assert_int_eq(engine_open(&flaky, loop, &image, &config, &busy, &err), 0);
    ck_assert_int_eq(engine_open(&engine_sync, loop, &image, &config, &disk, &err), 0);
    submissions = 0;
    for (unsigned tries = 1; tries <= 3; tries++) {
        host_answers[tries - 1] = -EAGAIN;
        if (tries == 1) {
            ck_assert_int_eq(engine_submit(busy, &again.req), 0);
        } else {
            virtual_clock_advance(ENGINE_RETRY_NS);
        }
        for (unsigned i = 0; i < 100; i++) {
            other = (struct answer){.req = {.op = ENGINE_FLUSH, .cb = answered}};
            ck_assert_int_eq(engine_submit(disk, &other.req), 0);
            while (!other.times) {
                aio_poll(loop, false);
            }
            ck_assert_int_eq(other.res, 0);
        }
        ck_assert_uint_eq(submissions, tries);
        ck_assert_uint_eq(again.times, 0);
    }
    host_answers[3] = 0;
    virtual_clock_advance(ENGINE_RETRY_NS);
    loop_drain(loop);
    ck_assert_uint_eq(again.times, 1);
    engine_close(disk);
    engine_close(busy);
    loop_free(loop);
}
END_TEST

START_TEST(any_other_error_of_the_host_is_the_result)
{
    struct answer a = {.req = {.op = ENGINE_FLUSH, .cb = answered}};
    struct engine_config config = {0};
    struct error err = {""};
    struct engine *e;

    host_answers[0] = -EIO;
    submissions = 0;
    ck_assert_int_eq(engine_open(&flaky, ctx, &image, &config, &e, &err), 0);
    ck_assert_int_eq(engine_submit(e, &a.req), 0);
    while (!a.times) {
        aio_poll(ctx, true);
    }
    ck_assert_int_eq(a.res, -EIO);
    ck_assert_uint_eq(submissions, 1);
    engine_close(e);
}
END_TEST

START_TEST(requests_are_served_where_no_further_thread_can_be_made)
{
    struct answer a[8];
    struct engine_config config = {0};
    struct error err = {""};
    struct engine *e;
    unsigned done = 0;

    ck_assert_msg(engine_open(&engine_threads, ctx, &image, &config, &e, &err) == 0, "%s", err.msg);
    no_threads = true;
    for (unsigned i = 0; i < 8; i++) {
        a[i] = (struct answer){.req = {.op = ENGINE_FLUSH, .cb = answered}};
        ck_assert_int_eq(engine_submit(e, &a[i].req), 0);
    }
    while (done < 8) {
        aio_poll(ctx, true);
        done = 0;
        for (unsigned i = 0; i < 8; i++) {
            done += a[i].times;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_int_eq(a[i].res, 0);
        ck_assert_uint_eq(a[i].times, 1);
    }
    no_threads = false;
    engine_close(e);
}
END_TEST

START_TEST(a_disk_that_gets_no_thread_at_all_is_refused_with_the_limit)
{
    struct engine_config config = {0};
    struct error err = {""};
    struct engine *e;

    no_threads = true;
    ck_assert_int_eq(engine_open(&engine_threads, ctx, &image, &config, &e, &err), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "pids.max"));
    no_threads = false;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine, means of the host");
    TCase *t = tcase_create("retry");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, eagain_and_eintr_of_the_host_are_submitted_again);
    tcase_add_test(t, a_request_that_is_tried_again_without_end_holds_up_no_other_disk);
    tcase_add_test(t, any_other_error_of_the_host_is_the_result);
    tcase_add_test(t, requests_are_served_where_no_further_thread_can_be_made);
    tcase_add_test(t, a_disk_that_gets_no_thread_at_all_is_refused_with_the_limit);
    suite_add_tcase(s, t);
    return suite_run(s);
}

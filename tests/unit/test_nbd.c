// SPDX-License-Identifier: MIT
/* The engine nbd, on a server that also breaks the protocol. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/nbd-export.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/nbd-server.h"
#include "tests/unit/suite.h"

#define FOREVER  UINT32_MAX
#define LONG_NS  3600000000000ull /* never reached */
#define BRIEF_NS 50000000ull      /* waited for */

static struct nbd_server server;
static AioContext *ctx;
static struct image image;
static struct engine *engine;
static struct error err;
static char log_text[8192];

static void setup(void)
{
    nbd_server_init(&server);
    log_text[0] = err.msg[0] = '\0';
}

static void teardown(void)
{
    nbd_server_destroy(&server);
}

static void log_line(void *opaque, const char *line)
{
    size_t len = strlen(log_text);

    snprintf(log_text + len, sizeof(log_text) - len, "%s\n", line);
}

static int try_open_image(bool readonly, uint64_t reconnect_ns)
{
    const struct image_config config = {
        .uri = server.uri, .readonly = readonly, .reconnect_ns = reconnect_ns};

    nbd_server_start(&server);
    return image_open(&image, &config, &err);
}

static void open_engine_on(int monitor, uint64_t poll_ns, uint64_t reconnect_ns)
{
    const struct engine_config config = {.depth = 64, .name = "disk0", .log = log_line};
    struct poll_params params = {.policy = &poll_policy_fixed, .max_ns = poll_ns};

    ck_assert_msg(try_open_image(false, reconnect_ns) == 0, "%s", err.msg);
    ctx = loop_new_with(monitor, params, NULL);
    ck_assert_msg(engine_open(&engine_nbd, ctx, &image, &config, &engine, &err) == 0, "%s",
                  err.msg);
}

static void open_engine(uint64_t reconnect_ns)
{
    open_engine_on(0, 0, reconnect_ns);
}

static void close_engine(void)
{
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
    nbd_server_stop(&server);
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

static void submit(struct answer *a)
{
    a->req.iov = a->iov;
    a->req.cb = answered;
    a->times = 0;
    ck_assert_int_eq(engine_submit(engine, &a->req), 0);
    ck_assert_uint_eq(a->times, 0);
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
    submit(a);
    return await(a);
}

static struct answer transfer(enum engine_op op, uint64_t offset, void *buf, size_t len)
{
    return (struct answer){.req = {.op = op, .offset = offset, .iovcnt = 1}, .iov = {{buf, len}}};
}

/* The commands that the server got, as "w0+4096 f" and so on; with the connection before each if
 * there were several. */
static const char *commands(void)
{
    static char text[4096];
    size_t used = 0;

    text[0] = '\0';
    pthread_mutex_lock(&server.lock);
    for (unsigned i = 0; i < server.nr_commands; i++) {
        const struct nbd_server_command *c = &server.commands[i];

        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", i ? " " : "");
        if (server.connections > 1) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%u:", c->connection);
        }
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%c", "rwxftcz"[c->type]);
        if (c->type != CMD_FLUSH) {
            used += (size_t)snprintf(
                text + used, sizeof(text) - used, "%llu+%u%s%s", (unsigned long long)c->offset,
                c->len, c->flags & CMD_FLAG_FUA ? "F" : "", c->flags & CMD_FLAG_NO_HOLE ? "N" : "");
        }
    }
    pthread_mutex_unlock(&server.lock);
    return text;
}

/* --- requests become commands --- */

START_TEST(data_arrives_on_every_monitor)
{
    uint8_t out[8192], in[8192];
    struct answer w = transfer(ENGINE_WRITE, 4096, out, sizeof(out));
    struct answer r = transfer(ENGINE_READ, 4096, in, sizeof(in));

    open_engine_on(_i / 2, _i % 2 ? 1000000 : 0, LONG_NS);
    for (unsigned i = 0; i < 100; i++) {
        memset(out, (int)i + 1, sizeof(out));
        ck_assert_int_eq(run(&w), sizeof(out));
        ck_assert_int_eq(run(&r), sizeof(in));
        ck_assert_mem_eq(in, out, sizeof(in));
    }
    ck_assert_mem_eq(server.data + 4096, out, sizeof(out));
    close_engine();
    ck_assert_str_eq(log_text, "");
}
END_TEST

START_TEST(buffers_become_commands)
{
    static uint8_t a[8192], b[4096];
    struct answer w = {
        .req = {.op = ENGINE_WRITE, .offset = 512, .iovcnt = 4},
        .iov = {{a, 4096}, {a + 4096, 4096}, {NULL, 0}, {b, 512}},
    };

    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    open_engine(LONG_NS);
    ck_assert_int_eq(run(&w), 8704);
    ck_assert_str_eq(commands(), "w512+8192 w8704+512");
    ck_assert_uint_eq(server.data[511], 0);
    ck_assert_mem_eq(server.data + 512, a, sizeof(a));
    ck_assert_mem_eq(server.data + 8704, b, 512);
    close_engine();
}
END_TEST

START_TEST(large_requests_are_split)
{
    static uint8_t buf[16384];
    struct answer r = transfer(ENGINE_READ, 0, buf, sizeof(buf));

    server.max_block = 4096;
    server.min_block = 4096;
    server.data[16383] = 7;
    open_engine(LONG_NS);
    ck_assert_uint_eq(image.align, 4096);
    r.iov[0].iov_base = aligned_alloc(4096, sizeof(buf));
    ck_assert_int_eq(run(&r), sizeof(buf));
    ck_assert_uint_eq(((uint8_t *)r.iov[0].iov_base)[16383], 7);
    ck_assert_str_eq(commands(), "r0+4096 r4096+4096 r8192+4096 r12288+4096");
    free(r.iov[0].iov_base);
    close_engine();
}
END_TEST

/* More commands than may be in flight. */
START_TEST(many_requests_are_all_answered)
{
    static struct answer all[64];
    static uint8_t buf[64][4096];

    server.max_block = 512;
    open_engine(LONG_NS);
    for (unsigned i = 0; i < 64; i++) {
        memset(buf[i], (int)i + 1, sizeof(buf[i]));
        all[i] = transfer(ENGINE_WRITE, i * 4096, buf[i], 4096);
        submit(&all[i]);
    }
    for (unsigned i = 0; i < 64; i++) {
        ck_assert_int_eq(await(&all[i]), 4096);
    }
    ck_assert_mem_eq(server.data, buf, sizeof(buf));
    close_engine();
}
END_TEST

static const struct {
    unsigned without; /* flags of the export that are missing */
    struct engine_req req;
    const char *commands;
} ops[] = {
    {0, {.op = ENGINE_FLUSH}, "f"},
    {0, {.op = ENGINE_DISCARD, .offset = 4096, .len = 8192}, "t4096+8192"},
    {0, {.op = ENGINE_WRITE_ZEROES, .offset = 4096, .len = 8192}, "z4096+8192N"},
    {0, {.op = ENGINE_WRITE_ZEROES, .offset = 4096, .len = 8192, .may_unmap = true}, "z4096+8192"},
    {0, {.op = ENGINE_WRITE_ZEROES, .len = 512, .durable = true}, "z0+512FN"},
    {0, {.op = ENGINE_WRITE, .durable = true, .iovcnt = 1}, "w0+512F"},
    {0, {.op = ENGINE_DISCARD, .len = 0}, ""},
    {EXPORT_FLUSH | EXPORT_FUA, {.op = ENGINE_FLUSH}, ""},
    {EXPORT_FLUSH | EXPORT_FUA, {.op = ENGINE_WRITE, .durable = true, .iovcnt = 1}, "w0+512"},
    {EXPORT_TRIM, {.op = ENGINE_DISCARD, .offset = 4096, .len = 8192}, ""},
    {EXPORT_FUA, {.op = ENGINE_WRITE, .durable = true, .iovcnt = 1}, "w0+512 f"},
    {EXPORT_FUA, {.op = ENGINE_WRITE_ZEROES, .len = 512, .durable = true}, "z0+512N f"},
    {EXPORT_FUA, {.op = ENGINE_READ, .durable = true, .iovcnt = 1}, "r0+512"},
    {EXPORT_ZEROES,
     {.op = ENGINE_WRITE_ZEROES, .offset = 512, .len = 300000},
     "w512+262144 w262656+37856"},
};

START_TEST(operations_respect_the_flags_of_the_server)
{
    static uint8_t buf[512];
    struct answer a = {.req = ops[_i].req, .iov = {{buf, sizeof(buf)}}};

    memset(server.data, 1, sizeof(server.data));
    server.export_flags &= ~ops[_i].without;
    open_engine(LONG_NS);
    ck_assert_int_eq(run(&a), a.req.iovcnt ? 512 : 0);
    ck_assert_str_eq(commands(), ops[_i].commands);
    if (a.req.op == ENGINE_WRITE_ZEROES) {
        ck_assert_uint_eq(server.data[a.req.offset], 0);
        ck_assert_uint_eq(server.data[a.req.offset + a.req.len - 1], 0);
        ck_assert_uint_eq(server.data[a.req.offset + a.req.len], 1);
    }
    close_engine();
}
END_TEST

static const struct {
    unsigned error; /* of the protocol */
    enum engine_op op;
    ssize_t res;
} errors[] = {
    {5, ENGINE_READ, -EIO},         {28, ENGINE_WRITE, -ENOSPC}, {1, ENGINE_WRITE, -EPERM},
    {5, ENGINE_FLUSH, -EIO},        {95, ENGINE_DISCARD, 0},     {5, ENGINE_DISCARD, -EIO},
    {0x1234, ENGINE_READ, -EINVAL},
};

START_TEST(errors_of_the_server_reach_the_request)
{
    static uint8_t buf[512];
    struct answer a = {.req = {.op = errors[_i].op}, .iov = {{buf, sizeof(buf)}}};

    a.req.iovcnt = a.req.op == ENGINE_READ || a.req.op == ENGINE_WRITE;
    a.req.len = a.req.op == ENGINE_DISCARD ? 512 : 0;
    server.error = errors[_i].error;
    open_engine(LONG_NS);
    ck_assert_int_eq(run(&a), errors[_i].res);
    ck_assert_uint_eq(server.connections, 1);
    close_engine();
}
END_TEST

/* --- exports that cannot be used --- */

START_TEST(an_export_is_described_by_the_image)
{
    server.export_flags |= EXPORT_MULTI_CONN;
    server.min_block = 512;
    server.size = (1 << 20) - 100;
    ck_assert_msg(try_open_image(false, LONG_NS) == 0, "%s", err.msg);
    ck_assert_uint_eq(image.size, (1 << 20) - 512);
    ck_assert_uint_eq(image.left_out, 412);
    ck_assert_uint_eq(image.align, 512);
    ck_assert_uint_eq(image.physical_block, 4096);
    ck_assert(!image.one_engine);
    image_close(&image);
    nbd_server_stop(&server);
}
END_TEST

START_TEST(a_server_without_block_sizes_takes_sectors)
{
    server.min_block = 0;
    ck_assert_msg(try_open_image(false, LONG_NS) == 0, "%s", err.msg);
    ck_assert_uint_eq(image.align, 512);
    ck_assert(image.one_engine);
    image_close(&image);
    nbd_server_stop(&server);
}
END_TEST

START_TEST(readonly_exports_need_readonly)
{
    server.export_flags |= EXPORT_READ_ONLY;
    ck_assert_int_eq(try_open_image(false, LONG_NS), -EROFS);
    ck_assert_ptr_nonnull(strstr(err.msg, "add readonly=on"));
    nbd_server_stop(&server);
    ck_assert_int_eq(try_open_image(true, LONG_NS), 0);
    ck_assert(image.readonly && !image.one_engine);
    image_close(&image);
    nbd_server_stop(&server);
}
END_TEST

START_TEST(exports_that_cannot_be_used_are_refused)
{
    static const struct {
        uint64_t size;
        uint32_t min_block;
        const char *why;
    } bad[] = {{1 << 20, 8192, "at least 8192 bytes"},
               {0, 1, "less than a block"},
               {100, 1, "less than a block"}};

    server.size = bad[_i].size;
    server.min_block = bad[_i].min_block;
    ck_assert_int_eq(try_open_image(false, LONG_NS), -EINVAL);
    ck_assert_msg(strstr(err.msg, bad[_i].why) != NULL, "%s", err.msg);
    nbd_server_stop(&server);
}
END_TEST

START_TEST(no_server_is_an_error)
{
    const struct image_config config = {.uri = server.uri};

    ck_assert_int_lt(image_open(&image, &config, &err), 0);
    ck_assert_msg(strstr(err.msg, server.uri) != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_uri_that_is_none_is_an_error)
{
    const struct image_config config = {.uri = "http://example.com/"};

    ck_assert_int_lt(image_open(&image, &config, &err), 0);
}
END_TEST

/* --- the connection is lost --- */

static const enum nbd_server_fault passing[] = {FAULT_CLOSE, FAULT_COOKIE, FAULT_MAGIC, FAULT_SHORT,
                                                FAULT_SHUTDOWN};

START_TEST(a_request_is_sent_again)
{
    static uint8_t buf[4096];
    struct answer r = transfer(ENGINE_READ, 4096, buf, sizeof(buf));

    memset(server.data + 4096, 9, 4096);
    open_engine(LONG_NS);
    nbd_server_set_fault(&server, passing[_i], 0, 1);
    ck_assert_int_eq(run(&r), 4096);
    ck_assert_mem_eq(buf, server.data + 4096, 4096);
    ck_assert_str_eq(commands(), "1:r4096+4096 2:r4096+4096");
    ck_assert_ptr_nonnull(strstr(log_text, "is lost"));
    ck_assert_ptr_nonnull(strstr(log_text, "connected to"));
    close_engine();
}
END_TEST

START_TEST(a_reply_to_no_request_ends_the_connection)
{
    static uint8_t buf[512];
    struct answer r = transfer(ENGINE_READ, 0, buf, sizeof(buf));

    open_engine(LONG_NS);
    nbd_server_set_fault(&server, FAULT_UNASKED, 0, 1);
    ck_assert_int_eq(run(&r), 512);
    while (!strstr(log_text, "connected to")) {
        aio_poll(ctx, true);
    }
    ck_assert_int_eq(run(&r), 512);
    ck_assert_str_eq(commands(), "1:r0+512 2:r0+512");
    close_engine();
}
END_TEST

START_TEST(requests_are_sent_again_in_order)
{
    static uint8_t buf[512];
    struct answer a = transfer(ENGINE_WRITE, 0, buf, 512),
                  b = transfer(ENGINE_WRITE, 512, buf, 512);
    struct answer f = {.req = {.op = ENGINE_FLUSH}};

    open_engine(LONG_NS);
    nbd_server_set_fault(&server, FAULT_CLOSE, 0, 1);
    submit(&a);
    submit(&b);
    submit(&f);
    ck_assert_int_eq(await(&f), 0);
    ck_assert_int_eq(await(&a), 512);
    ck_assert_int_eq(await(&b), 512);
    ck_assert_str_eq(commands(), "1:w0+512 2:w0+512 2:w512+512 2:f");
    close_engine();
}
END_TEST

/* The write was acknowledged on the connection that is lost before the flush. */
START_TEST(a_durable_write_without_fua_is_flushed_where_it_was_written)
{
    static uint8_t buf[512];
    struct answer w = transfer(ENGINE_WRITE, 0, buf, 512);

    w.req.durable = true;
    server.export_flags &= ~EXPORT_FUA;
    open_engine(LONG_NS);
    nbd_server_set_fault(&server, FAULT_CLOSE, 1, 1);
    ck_assert_int_eq(run(&w), 512);
    ck_assert_str_eq(commands(), "1:w0+512 1:f 2:w0+512 2:f");
    close_engine();
}
END_TEST

START_TEST(a_server_that_was_killed_comes_back)
{
    static uint8_t buf[512];
    struct answer r = transfer(ENGINE_READ, 0, buf, 512);

    open_engine(LONG_NS);
    ck_assert_int_eq(run(&r), 512);
    nbd_server_stop(&server);
    submit(&r);
    while (!strstr(log_text, "is lost")) {
        aio_poll(ctx, true);
    }
    ck_assert_uint_eq(r.times, 0);
    nbd_server_start(&server);
    ck_assert_int_eq(await(&r), 512);
    close_engine();
}
END_TEST

static const enum nbd_server_fault lasting[] = {FAULT_CLOSE,   FAULT_COOKIE,    FAULT_MAGIC,
                                                FAULT_SHORT,   FAULT_SHUTDOWN,  FAULT_SILENCE,
                                                FAULT_SMALLER, FAULT_NO_WELCOME};

/* With and without a time for reconnecting. The size is what a look of engine/nbd-probe.c would find. */
START_TEST(an_export_that_has_grown_is_connected_to_again)
{
    static uint8_t buf[512];
    struct answer w = transfer(ENGINE_WRITE, NBD_SERVER_SIZE - 512, buf, sizeof(buf));

    server.size = NBD_SERVER_SIZE / 2;
    memset(buf, 7, sizeof(buf));
    open_engine(_i ? LONG_NS : 0);
    w.req.iov = w.iov;
    ck_assert_int_eq(engine_submit(engine, &w.req), -EINVAL);
    server.size = NBD_SERVER_SIZE;
    store_relaxed(&image.nbd->size, server.size);
    ck_assert_int_eq(image_update_size(&image, "disk0", &err), 1);
    ck_assert_int_eq(run(&w), sizeof(buf));
    ck_assert_str_eq(commands(), "2:w1048064+512");
    ck_assert_mem_eq(server.data + NBD_SERVER_SIZE - 512, buf, sizeof(buf));
    close_engine();
}
END_TEST

START_TEST(requests_fail_when_the_time_is_over)
{
    static uint8_t buf[512];
    struct answer r = transfer(ENGINE_READ, 0, buf, 512);

    open_engine(BRIEF_NS);
    nbd_server_set_fault(&server, lasting[_i], 0, FOREVER);
    ck_assert_int_eq(run(&r), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(log_text, "fail until it answers again"));

    /* A server that has recovered is used again. */
    nbd_server_set_fault(&server, FAULT_NONE, 0, 0);
    nbd_server_stop(&server);
    nbd_server_start(&server);
    while (run(&r) != 512) {
        aio_poll(ctx, true);
    }
    close_engine();
}
END_TEST

START_TEST(requests_fail_at_once_without_a_time)
{
    static uint8_t buf[512];
    struct answer r = transfer(ENGINE_READ, 0, buf, 512);

    open_engine(0);
    nbd_server_set_fault(&server, FAULT_CLOSE, 0, 1);
    ck_assert_int_eq(run(&r), -ETIMEDOUT);
    ck_assert_str_eq(commands(), "r0+512");
    close_engine();
}
END_TEST

START_TEST(an_engine_closes_while_it_connects)
{
    static uint8_t buf[512];
    struct answer r = transfer(ENGINE_READ, 0, buf, 512);

    open_engine(BRIEF_NS);
    nbd_server_set_fault(&server, FAULT_NO_WELCOME, 0, FOREVER);
    ck_assert_int_eq(run(&r), -ETIMEDOUT);
    close_engine();
}
END_TEST

/* --- formats other than raw; "qemu-nbd" is a script --- */

static const struct {
    const char *script; /* NULL: none */
    const char *why;
} helpers[] = {
    {NULL, "install the package qemu-utils"},
    {"echo first >&2; echo 'qemu-nbd: Image is not in qcow2 format' >&2; exit 1",
     "qemu-nbd for format=qcow2: Image is not in qcow2 format"},
    {"exit 0", "qemu-nbd for format=qcow2 says nothing: NBD server "},
    {"echo $LISTEN_FDS $((LISTEN_PID - $$)) $*", "1 0 --format qcow2 --cache=none --discard=unmap "
                                                 "--persistent --shared=0 -- /"},
    {"readlink /proc/self/fd/0; exit 3", "/dev/null"},
    {"test -S /proc/self/fd/3 && echo a socket", "a socket"},
};

START_TEST(a_helper_that_fails_says_why)
{
    char file[96], script[96], none[96];
    const struct image_config config = {
        .path = file, .format = "qcow2", .direct = true, .discard = true};
    FILE *f;

    snprintf(file, sizeof(file), "%s/image", server.dir);
    snprintf(script, sizeof(script), "%s/qemu-nbd", server.dir);
    ck_assert_ptr_nonnull(f = fopen(file, "w"));
    fclose(f);
    if (helpers[_i].script) {
        ck_assert_ptr_nonnull(f = fopen(script, "w"));
        fprintf(f, "#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", helpers[_i].script);
        fclose(f);
        chmod(script, 0700);
    }
    snprintf(none, sizeof(none), "%s", server.dir);
    setenv("PATH", none, 1);
    ck_assert_int_lt(image_open(&image, &config, &err), 0);
    ck_assert_msg(strstr(err.msg, helpers[_i].why) != NULL, "%s", err.msg);
    unlink(script);
    unlink(file);
}
END_TEST

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
    Suite *s = suite_create("nbd");
    TCase *tc = tcase_create("commands");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, data_arrives_on_every_monitor, 0, 2 * monitor_count());
    tcase_add_test(tc, buffers_become_commands);
    tcase_add_test(tc, large_requests_are_split);
    tcase_add_test(tc, many_requests_are_all_answered);
    tcase_add_loop_test(tc, operations_respect_the_flags_of_the_server, 0, ROWS(ops));
    tcase_add_loop_test(tc, errors_of_the_server_reach_the_request, 0, ROWS(errors));
    suite_add_tcase(s, tc);

    tc = tcase_create("exports");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_export_is_described_by_the_image);
    tcase_add_test(tc, a_server_without_block_sizes_takes_sectors);
    tcase_add_test(tc, readonly_exports_need_readonly);
    tcase_add_loop_test(tc, exports_that_cannot_be_used_are_refused, 0, 3);
    tcase_add_test(tc, no_server_is_an_error);
    tcase_add_test(tc, a_uri_that_is_none_is_an_error);
    suite_add_tcase(s, tc);

    tc = tcase_create("lost");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_request_is_sent_again, 0, ROWS(passing));
    tcase_add_test(tc, a_reply_to_no_request_ends_the_connection);
    tcase_add_test(tc, requests_are_sent_again_in_order);
    tcase_add_test(tc, a_durable_write_without_fua_is_flushed_where_it_was_written);
    tcase_add_test(tc, a_server_that_was_killed_comes_back);
    tcase_add_loop_test(tc, requests_fail_when_the_time_is_over, 0, ROWS(lasting));
    tcase_add_loop_test(tc, an_export_that_has_grown_is_connected_to_again, 0, 2);
    tcase_add_test(tc, requests_fail_at_once_without_a_time);
    tcase_add_test(tc, an_engine_closes_while_it_connects);
    suite_add_tcase(s, tc);

    tc = tcase_create("formats");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_helper_that_fails_says_why, 0, ROWS(helpers));
    suite_add_tcase(s, tc);
    return suite_run(s);
}

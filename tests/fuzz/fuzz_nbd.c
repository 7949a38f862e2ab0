// SPDX-License-Identifier: MIT
/*
 * What an NBD server sends, from the handshake or from the first reply on: each request is answered
 * once, within its length, and no error of libnbd's own gets through. Cookies count from 1, so the
 * server need not read them: it sends all up to the first reply, waits for a request, sends the rest,
 * and closes.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/engine.h"
#include "tests/fuzz/fuzz.h"

#define STREAM_MAX  8192
#define NR_REQUESTS 6
#define BUFFER      4096

/* The first byte of an input. */
#define WITH_HANDSHAKE 1 /* the rest begins with the handshake; else with the first reply */
#define STRUCTURED     2 /* the server agrees to structured replies */
#define READ_ONLY      4

#define REQUEST_MAGIC    0x25609513
#define REPLY_MAGIC      0x67446698
#define STRUCTURED_MAGIC 0x668e33ef

#define REP_ACK         1
#define REP_INFO        3
#define REP_UNSUPPORTED 0x80000001u

/* --- a stream of the server --- */

struct stream {
    uint8_t bytes[STREAM_MAX];
    size_t len;
};

static void put(struct stream *s, uint64_t value, unsigned size)
{
    uint64_t big = htobe64(value << (64 - 8 * size));

    if (s->len + size <= sizeof(s->bytes)) {
        memcpy(s->bytes + s->len, &big, size);
        s->len += size;
    }
}

static void put_option(struct stream *s, uint32_t option, uint32_t type, uint32_t len)
{
    put(s, 0x3e889045565a9, 8);
    put(s, option, 4);
    put(s, type, 4);
    put(s, len, 4);
}

static void put_handshake(struct stream *s, unsigned how)
{
    put(s, 0x4e42444d41474943, 8); /* NBDMAGIC */
    put(s, 0x49484156454f5054, 8); /* IHAVEOPT */
    put(s, 3, 2);                  /* newstyle, no zeroes */
    put_option(s, 8, how & STRUCTURED ? REP_ACK : REP_UNSUPPORTED, 0);
    put_option(s, 7, REP_INFO, 12);
    put(s, 0, 2); /* the export: 1 MiB; flush, FUA, trim, zeroes */
    put(s, 1 << 20, 8);
    put(s, how & READ_ONLY ? 3 : 0x6d, 2);
    put_option(s, 7, REP_INFO, 14);
    put(s, 3, 2); /* block sizes */
    put(s, 512, 4);
    put(s, 4096, 4);
    put(s, 1 << 20, 4);
    put_option(s, 7, REP_ACK, 0);
}

static void put_reply(struct stream *s, uint32_t error, uint64_t cookie, size_t data)
{
    put(s, REPLY_MAGIC, 4);
    put(s, error, 4);
    put(s, cookie, 8);
    for (size_t i = 0; i < data; i += 8) {
        put(s, 0x0102030405060708, 8);
    }
}

static void put_chunk(struct stream *s, unsigned flags, unsigned type, uint64_t cookie,
                      uint32_t len)
{
    put(s, STRUCTURED_MAGIC, 4);
    put(s, flags, 2);
    put(s, type, 2);
    put(s, cookie, 8);
    put(s, len, 4);
}

static size_t seed(unsigned i, uint8_t *out, size_t max)
{
    static const uint8_t how[] = {0, WITH_HANDSHAKE, STRUCTURED, WITH_HANDSHAKE | STRUCTURED, 0};
    struct stream s = {.len = 0};

    if (i >= sizeof(how)) {
        return 0;
    }
    put(&s, how[i], 1);
    if (how[i] & WITH_HANDSHAKE) {
        put_handshake(&s, how[i]);
    }
    if (how[i] & STRUCTURED) {
        put_chunk(&s, 0, 1, 1, 8 + 504); /* offset and data */
        put(&s, 0, 8);
        for (unsigned n = 0; n < 504; n += 8) {
            put(&s, n, 8);
        }
        put_chunk(&s, 0, 2, 1, 12); /* a hole */
        put(&s, 504, 8);
        put(&s, 8, 4);
        put_chunk(&s, 1, 0, 1, 0);
    } else {
        put_reply(&s, 0, 1, 512);
    }
    for (uint64_t cookie = 2; cookie <= NR_REQUESTS + 1; cookie++) {
        put_reply(&s, i == 4 ? 5 : 0, cookie, 0);
    }
    s.len = s.len < max ? s.len : max;
    memcpy(out, s.bytes, s.len);
    return s.len;
}

/* Most inputs keep the shape of replies: one of their fields changes. */
static size_t mutate(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    struct fuzz_field fields[64];
    unsigned n = 0;

    for (size_t at = 1; at + 16 <= size && n + 4 <= 64; at++) {
        uint32_t magic;

        memcpy(&magic, data + at, sizeof(magic));
        if (magic == htobe32(REPLY_MAGIC) || magic == htobe32(STRUCTURED_MAGIC)) {
            fields[n++] = (struct fuzz_field){(unsigned)at, 4};
            fields[n++] = (struct fuzz_field){(unsigned)at + 4, 4};
            fields[n++] = (struct fuzz_field){(unsigned)at + 15, 1};
            fields[n++] = (struct fuzz_field){(unsigned)at + 19, 1};
        }
    }
    if (n == 0 || fuzz_random(random, 3) == 0) {
        return fuzz_mutate_bytes(data, size, max);
    }
    fuzz_mutate_field(data, size, fields, n, random);
    return size;
}

/* --- the server --- */

static struct stream sent;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int listen_fd;
static char uri[64];

static bool is_at(const uint8_t *bytes, uint32_t magic)
{
    magic = htobe32(magic);
    return memcmp(bytes, &magic, sizeof(magic)) == 0;
}

/* The options and requests of the client are not looked at otherwise. A client that waits for the rest
 * of a handshake sends nothing. Return: false at the end. */
static bool await_request(int fd)
{
    static const struct timeval patience = {.tv_usec = 20000};
    uint8_t last[4] = {0};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (!is_at(last, REQUEST_MAGIC)) {
        memmove(last, last + 1, 3);
        if (recv(fd, last + 3, 1, 0) <= 0) {
            return false;
        }
    }
    return true;
}

static void *serve(void *opaque)
{
    for (;;) {
        struct stream s;
        size_t first = 0;
        int fd = accept(listen_fd, NULL, NULL);

        pthread_mutex_lock(&lock);
        s = sent;
        pthread_mutex_unlock(&lock);
        while (first + 4 <= s.len && !is_at(s.bytes + first, REPLY_MAGIC) &&
               !is_at(s.bytes + first, STRUCTURED_MAGIC)) {
            first++;
        }
        send(fd, s.bytes, first, MSG_NOSIGNAL);
        if (first + 4 <= s.len && await_request(fd)) {
            send(fd, s.bytes + first, s.len - first, MSG_NOSIGNAL);
        }
        close(fd);
    }
    return NULL;
}

/* A socket without a name, as engine/format-helper.c has one. */
static void set_up(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/fuzz-nbd-XXXXXX";
    pthread_t thread;

    FUZZ_CHECK(mkdtemp(dir) != NULL, "%s", strerror(errno));
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/nbd", dir);
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
                   listen(listen_fd, 64) == 0,
               "%s", strerror(errno));
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=/proc/self/fd/%d",
             open(addr.sun_path, O_PATH | O_CLOEXEC));
    unlink(addr.sun_path);
    rmdir(dir);
    pthread_create(&thread, NULL, serve, NULL);
    pthread_detach(thread);
}

/* --- the client --- */

struct request {
    struct engine_req req;
    struct iovec iov[2];
    unsigned times;
    ssize_t res, most;
};

static unsigned answered;

static void request_done(struct engine_req *req, ssize_t res)
{
    struct request *r = container_of(req, struct request, req);

    answered++;
    r->times++;
    r->res = res;
}

static void use(const struct image *image)
{
    static const struct engine_config config = {.depth = NR_REQUESTS};
    static const struct aio_context_config loop = {.poll = {.policy = &poll_policy_block},
                                                   .fdmon = "ppoll"};
    static uint8_t buffer[BUFFER];
    struct request all[NR_REQUESTS] = {
        {.req = {.op = ENGINE_READ, .iovcnt = 1}, .iov = {{buffer, 512}}, .most = 512},
        {.req = {.op = ENGINE_WRITE, .iovcnt = 2, .offset = 4096},
         .iov = {{buffer, 512}, {buffer + 1024, 512}},
         .most = 1024},
        {.req = {.op = ENGINE_FLUSH}},
        {.req = {.op = ENGINE_DISCARD, .len = 4096}},
        {.req = {.op = ENGINE_WRITE_ZEROES, .len = 4096, .durable = true}},
        {.req = {.op = ENGINE_READ, .iovcnt = 1}, .iov = {{buffer, 1024}}, .most = 1024},
    };
    struct engine *engine;
    struct error err = {""};
    AioContext *ctx;
    unsigned submitted = 0;

    FUZZ_CHECK(aio_context_new(&loop, &ctx, &err) == 0, "%s", err.msg);
    FUZZ_CHECK(engine_open(&engine_nbd, ctx, image, &config, &engine, &err) == 0, "%s", err.msg);
    answered = 0;
    for (unsigned i = 0; i < NR_REQUESTS; i++) {
        all[i].req.iov = all[i].iov;
        all[i].req.cb = request_done;
        submitted += engine_submit(engine, &all[i].req) == 0;
    }
    while (answered < submitted) {
        aio_poll(ctx, true);
    }
    for (unsigned i = 0; i < NR_REQUESTS; i++) {
        FUZZ_CHECK(all[i].times <= 1, "request %u: %u answers", i, all[i].times);
        FUZZ_CHECK(all[i].res <= all[i].most, "request %u: %zd", i, all[i].res);
        FUZZ_CHECK(all[i].res != -ENOTCONN && all[i].res != -ESHUTDOWN, "request %u: %zd", i,
                   all[i].res);
    }
    engine_close(engine);
    FUZZ_CHECK(aio_context_free(ctx) == 0, "something is left in the loop");
}

static void run(const uint8_t *data, size_t size)
{
    struct image_config config = {.uri = uri};
    struct error err = {""};
    struct image image;

    if (size == 0) {
        return;
    }
    if (!uri[0]) {
        set_up();
    }
    pthread_mutex_lock(&lock);
    sent.len = 0;
    if (!(data[0] & WITH_HANDSHAKE)) {
        put_handshake(&sent, data[0]);
    }
    for (size_t i = 1; i < size; i++) {
        put(&sent, data[i], 1);
    }
    pthread_mutex_unlock(&lock);
    config.readonly = data[0] & READ_ONLY;
    if (image_open(&image, &config, &err) < 0) {
        FUZZ_CHECK(err.msg[0], "an error without a message");
        return;
    }
    use(&image);
    image_close(&image);
}

const struct fuzz_target fuzz_target = {.seed = seed, .mutate = mutate, .run = run};

// SPDX-License-Identifier: MIT
/*
 * A client of the control socket: whatever it sends, each line that comes back is an answer or an event,
 * and how the bytes are cut into pieces changes nothing.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/qmp.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX  16384
#define OUTPUT_MAX (1 << 20)

#define HELLO "{\"execute\":\"qmp_capabilities\"}"

static const char *const texts[] = {
    HELLO "{\"execute\":\"query-commands\",\"id\":1}",
    HELLO "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/objects/io0\",\"property\":"
          "\"poll-max-ns\",\"value\":32768}}\r\n{\"execute\":\"qom-get\",\"arguments\":{\"path\":"
          "\"/objects/io0\",\"property\":\"poll-max-ns\"}}",
    HELLO "{\"execute\":\"stop\"} {\"execute\":\"cont\"}{\"execute\":\"system_powerdown\"}",
    HELLO "[{\"a\":[[\"\\u00e4\\\\\\\"\"]]}]",
    HELLO "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/objects\"}}{\"execute\":"
          "\"query-iothreads\"}{\"execute\":\"query-block\"}",
    "{\"execute\":\"stop\"}",
    HELLO "{\"execute\":\"qom-list\",\"arguments\":{\"path\":true}}",
};

static const char *const words[] = {
    "{",           "}",
    "[",           "]",
    "\"",          ":",
    ",",           "\\",
    " ",           "\xc3\xa4",
    "1e400",       "-1",
    "null",        "true",
    "\"execute\"", "\"arguments\"",
    "\"id\":",     "qom-list",
    "qom-get",     "qom-set",
    "quit",        "block_resize",
    "path",        "property",
    "value",       "poll-policy",
    "weighted",    "poll-grow",
    "/objects",    "/objects/io0",
    "device",      "size",
    "query-name",  HELLO,
};

static size_t seed(unsigned i, uint8_t *out, size_t max)
{
    size_t len = i < sizeof(texts) / sizeof(texts[0]) ? strlen(texts[i]) : 0;

    memcpy(out, texts[len ? i : 0], len);
    return len;
}

static size_t mutate(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    if (fuzz_random(random, 3) == 0) {
        return fuzz_mutate_bytes(data, size, max);
    }
    return fuzz_mutate_words(data, size, max, words, sizeof(words) / sizeof(words[0]), random);
}

/* --- the process --- */

static bool guest_is_paused;

static void pause_guest(void *opaque)
{
    guest_is_paused = true;
}

static void resume_guest(void *opaque)
{
    guest_is_paused = false;
}

static bool paused(void *opaque)
{
    return guest_is_paused;
}

static void nothing(void *opaque)
{
}

static int cpu_tid(void *opaque, unsigned cpu)
{
    return 1;
}

static int resized(void *opaque, unsigned i, struct error *err)
{
    return 0;
}

static const struct qmp_guest_ops guest_ops = {
    .pause = pause_guest,
    .resume = resume_guest,
    .paused = paused,
    .powerdown = nothing,
    .reset = nothing,
    .cpu_tid = cpu_tid,
};

static struct iothread_config iothread_config = {.id = "io0"};
static struct iothread *iothread;
static AioContext *loop;
static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static socklen_t addr_len = sizeof(addr);
static int listen_fd = -1;

static void set_up(void)
{
    struct aio_context_config config = {.poll = {.policy = &poll_policy_block}, .fdmon = "ppoll"};
    struct error err = {""};

    poll_params_default(&iothread_config.poll);
    FUZZ_CHECK(iothread_new(&iothread_config, &iothread, &err) == 0, "%s", err.msg);
    FUZZ_CHECK(aio_context_new(&config, &loop, &err) == 0, "%s", err.msg);
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* An address without a path: the kernel chooses one. */
    FUZZ_CHECK(bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr.sun_family)) == 0 &&
                   listen(listen_fd, 1) == 0 &&
                   getsockname(listen_fd, (struct sockaddr *)&addr, &addr_len) == 0,
               "%s", strerror(errno));
}

static void step(void)
{
    for (unsigned i = 0; i < 1000 && aio_poll(loop, false); i++) {
    }
}

/* --- a client --- */

static size_t receive(int fd, char *out, size_t len)
{
    ssize_t n;

    while (len < OUTPUT_MAX && (n = recv(fd, out + len, OUTPUT_MAX - len, 0)) > 0) {
        len += (size_t)n;
    }
    return len;
}

/* Return: the number of bytes that came back. */
static size_t talk(const uint8_t *data, size_t size, size_t piece, char *out)
{
    const struct qmp_target target = {.iothreads = &iothread,
                                      .iothread_configs = &iothread_config,
                                      .nr_iothreads = 1,
                                      .guest = &guest_ops,
                                      .nr_cpus = 1,
                                      .quit = nothing,
                                      .resized = resized};
    struct qmp_server *server;
    struct error err = {""};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    size_t len = 0;

    guest_is_paused = false;
    FUZZ_CHECK(qmp_server_new(loop, listen_fd, &target, &server, &err) == 0, "%s", err.msg);
    FUZZ_CHECK(connect(fd, (struct sockaddr *)&addr, addr_len) == 0, "%s", strerror(errno));
    for (size_t at = 0; at < size;) {
        size_t want = size - at < piece ? size - at : piece;
        ssize_t n = send(fd, data + at, want, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
        step();
        len = receive(fd, out, len);
    }
    step();
    len = receive(fd, out, len);
    qmp_server_free(server);
    close(fd);
    return len;
}

/* Answers only: when an event comes depends on how the input is cut. Return: the bytes left in @out. */
static size_t check_lines(char *out, size_t len)
{
    size_t kept = 0;

    for (size_t at = 0; at < len;) {
        char *end = memchr(out + at, '\n', len - at);
        size_t line = end ? (size_t)(end - (out + at)) + 1 : 0;
        json_t *json;

        FUZZ_CHECK(line >= 2 && out[at + line - 2] == '\r', "a line without an end");
        json = json_loadb(out + at, line, 0, NULL);
        FUZZ_CHECK(json_is_object(json), "no object: %.*s", (int)line, out + at);
        if (!json_object_get(json, "event")) {
            FUZZ_CHECK(!json_object_get(json, "QMP") == (at > 0), "the greeting");
            FUZZ_CHECK(at == 0 ||
                           !json_object_get(json, "return") != !json_object_get(json, "error"),
                       "neither answer nor event: %.*s", (int)line, out + at);
            memmove(out + kept, out + at, line);
            kept += line;
        }
        json_decref(json);
        at += line;
    }
    return kept;
}

static bool has_account(const uint8_t *data, size_t size)
{
    return memmem(data, size, "x-pollux", 8);
}

static void run(const uint8_t *data, size_t size)
{
    static char whole[OUTPUT_MAX], pieces[OUTPUT_MAX];
    size_t len, other;

    if (size == 0 || size > INPUT_MAX || has_account(data, size)) {
        return; /* the account of polling is another at each look */
    }
    if (listen_fd < 0) {
        set_up();
    }
    len = check_lines(whole, talk(data, size, size, whole));
    other = check_lines(pieces, talk(data, size, 1 + data[size / 2] % 64, pieces));
    FUZZ_CHECK(len == other && !memcmp(whole, pieces, len), "%.*s\nin pieces:\n%.*s", (int)len,
               whole, (int)other, pieces);
}

const struct fuzz_target fuzz_target = {.seed = seed, .mutate = mutate, .run = run};

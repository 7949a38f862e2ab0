// SPDX-License-Identifier: MIT
/* The client of a control socket, with servers that are good, broken or hostile. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/listen.h"
#include "cli/qmp-client.h"
#include "tests/unit/suite.h"

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"
#define OK       "{\"return\":{}}\r\n"

#define LIMIT_NS 60000000000 /* of answers that come */

/* Short enough that a test of silence is short, in which nothing else is waited for. */
#define SILENCE_NS 50000000

static char dir[32], path[64];
static int listen_fd;
static pthread_t thread;
static struct error err;
static struct qmp_connection c;
static char long_text[1 << 20]; /* a part of a line */

/* A server with one client: sends @greeting, then an answer for each line that comes. */
struct server {
    const char *greeting;
    const char *answers[4]; /* NULL: hangs up */
    bool endless;           /* the last answer again and again */
};

static const struct server *served;

static void setup(void)
{
    err.msg[0] = '\0';
    strcpy(dir, "/tmp/qmp-client-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    listen_fd = listen_at_path(path, 0600, &err);
    ck_assert_msg(listen_fd >= 0, "%s", err.msg);
}

static void teardown(void)
{
    qmp_connection_close(&c);
    if (thread) {
        pthread_join(thread, NULL);
        thread = 0;
    }
    close(listen_fd);
    unlink(path);
    rmdir(dir);
}

static bool put(int fd, const char *text)
{
    for (size_t left = strlen(text); left;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

        if (n < 0) {
            return false;
        }
        text += n;
        left -= (size_t)n;
    }
    return true;
}

static bool take_line(int fd)
{
    char byte = '\0';

    while (byte != '\n') {
        if (recv(fd, &byte, 1, 0) <= 0) {
            return false;
        }
    }
    return true;
}

static void *serve(void *opaque)
{
    struct pollfd p = {.fd = listen_fd, .events = POLLIN};
    const char *const *answer = served->answers;
    int fd;

    poll(&p, 1, -1);
    fd = accept(listen_fd, NULL, NULL);
    if (put(fd, served->greeting)) {
        while (*answer && take_line(fd) && put(fd, *answer)) {
            answer++;
            while (served->endless && !*answer && put(fd, answer[-1])) {
            }
        }
    }
    close(fd);
    return NULL;
}

static void start(const struct server *s)
{
    served = s;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

static int open_and_ask(const struct server *s, json_t **result)
{
    int ret;

    start(s);
    ret = qmp_connection_open(&c, path, -1, LIMIT_NS, &err);
    *result = NULL;
    return ret < 0 ? ret : qmp_connection_ask(&c, "query-x", result, &err);
}

START_TEST(an_answer_comes_after_events)
{
    static const struct server s = {
        .greeting = GREETING,
        .answers = {OK, "{\"event\":\"STOP\"}\r\n{\"event\":\"RESUME\"}\n{\"return\":[7]}\n"},
    };
    json_t *result;

    ck_assert_msg(open_and_ask(&s, &result) == 0, "%s", err.msg);
    ck_assert_int_eq(json_integer_value(json_array_get(result, 0)), 7);
    json_decref(result);
}
END_TEST

START_TEST(the_path_may_have_the_prefix_of_the_option)
{
    static const struct server s = {.greeting = GREETING, .answers = {OK}};
    char with_prefix[80];

    snprintf(with_prefix, sizeof(with_prefix), "unix:%s", path);
    start(&s);
    ck_assert_msg(qmp_connection_open(&c, with_prefix, -1, LIMIT_NS, &err) == 0, "%s", err.msg);
    ck_assert_str_eq(c.path, path);
}
END_TEST

/* What comes of a server that is not one, or that gives an error or its end. */
static const struct {
    struct server server;
    int ret;
    const char *message;
} bad[] = {
    {{.greeting = ""}, -EPIPE, "has closed the connection"},
    {{.greeting = "SSH-2.0-OpenSSH\r\n"}, -EPROTO, "does not speak QMP"},
    {{.greeting = "[1]\n"}, -EPROTO, "does not speak QMP"},
    {{.greeting = "{\"x\":1}\n"}, -EPROTO, "does not speak QMP"},
    {{.greeting = "\n"}, -EPROTO, "does not speak QMP"},
    {{.greeting = "{\"error\":{\"class\":\"GenericError\",\"desc\":\"too many clients\"}}\n"},
     -EPROTO,
     "refused: too many clients"},
    {{.greeting = GREETING}, -EPIPE, "has ended"},
    {{.greeting = GREETING, .answers = {OK}}, -EPIPE, "has ended"},
    {{.greeting = GREETING,
      .answers = {OK, "{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"host-\\u001bsignal\"}}\n"}},
     -EPIPE,
     "has ended: host-?signal"},
    {{.greeting = GREETING,
      .answers = {OK, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"none\"}}\n"}},
     -ENOSYS,
     "query-x: none"},
    {{.greeting = GREETING, .answers = {OK, "{\"error\":5}\n"}}, -EPROTO, "query-x: "},
    {{.greeting = GREETING, .answers = {OK, "{\"return\":\n"}}, -EPROTO, "does not speak QMP"},
    {{.greeting = GREETING, .answers = {OK, "{\"event\":\"STOP\"}\n"}, .endless = true},
     -ETIMEDOUT,
     "does not answer"},
    {{.greeting = GREETING, .answers = {OK, long_text}, .endless = true},
     -EMSGSIZE,
     "a line of more than 16 MiB"},
};

START_TEST(a_bad_server_is_an_error_with_a_reason)
{
    json_t *result;
    int ret;

    start(&bad[_i].server);
    ret =
        qmp_connection_open(&c, path, -1, bad[_i].ret == -ETIMEDOUT ? SILENCE_NS : LIMIT_NS, &err);
    if (ret == 0) {
        ret = qmp_connection_ask(&c, "query-x", &result, &err);
        ck_assert_ptr_null(result);
    }
    ck_assert_msg(ret == bad[_i].ret, "%d: %s", ret, err.msg);
    ck_assert_msg(strstr(err.msg, bad[_i].message) != NULL, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, path) != NULL, "%s", err.msg);
}
END_TEST

/* Nobody accepts: the connection is in the queue of the socket. */
START_TEST(a_server_that_is_silent_is_an_error)
{
    ck_assert_int_eq(qmp_connection_open(&c, path, -1, SILENCE_NS, &err), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(err.msg, "does not answer"));
}
END_TEST

START_TEST(a_wait_can_be_cancelled)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(qmp_connection_open(&c, path, fds[0], LIMIT_NS, &err), -EINTR);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_queue_that_is_full_is_an_error)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fds[1000], n = 0, ret = 0;

    strcpy(addr.sun_path, path);
    ck_assert_int_eq(listen(listen_fd, 1), 0);
    while (ret == 0 && n < 1000) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ret = connect(fds[n++], (struct sockaddr *)&addr, sizeof(addr));
    }
    ck_assert_int_eq(qmp_connection_open(&c, path, -1, LIMIT_NS, &err), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "too many wait"));
    while (n) {
        close(fds[--n]);
    }
}
END_TEST

/* Return: the result of opening @name, where no server is. */
static int open_nothing(const char *name)
{
    int ret = qmp_connection_open(&c, name, -1, 0, &err);

    qmp_connection_close(&c);
    return ret;
}

START_TEST(what_is_no_socket_is_an_error)
{
    char name[200];

    ck_assert_int_eq(open_nothing(dir), -ENOTSOCK);
    ck_assert_ptr_nonnull(strstr(err.msg, "is no socket"));
    snprintf(name, sizeof(name), "%s/none", dir);
    ck_assert_int_eq(open_nothing(name), -ENOENT);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    ck_assert_int_eq(open_nothing(name), -ENAMETOOLONG);
    close(listen_fd);
    ck_assert_int_eq(open_nothing(path), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(err.msg, "no process listens"));
    listen_fd = dup(0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qmp_client");
    TCase *tc = tcase_create("qmp_client");

    memset(long_text, 'x', sizeof(long_text) - 1);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_answer_comes_after_events);
    tcase_add_test(tc, the_path_may_have_the_prefix_of_the_option);
    tcase_add_loop_test(tc, a_bad_server_is_an_error_with_a_reason, 0,
                        sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tc, a_server_that_is_silent_is_an_error);
    tcase_add_test(tc, a_wait_can_be_cancelled);
    tcase_add_test(tc, a_queue_that_is_full_is_an_error);
    tcase_add_test(tc, what_is_no_socket_is_an_error);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * Clients of the control socket that send what they should not, or do not read. Each costs itself
 * the connection, or nothing; another client that is there all the time is served.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "control/json-stream.h"
#include "tests/unit/qmp-rig.h"
#include "tests/unit/suite.h"

static struct qmp_rig rig;
static int bystander;

static void setup(void)
{
    qmp_rig_init(&rig, true);
    bystander = qmp_open(&rig);
}

/* The bystander is asked, and hears events. */
static void teardown(void)
{
    json_t *event;

    qmp_do(&rig, bystander, "query-name", NULL);
    qmp_do(&rig, bystander, "stop", NULL);
    qmp_rig_step(&rig);
    event = qmp_read(bystander);
    ck_assert_msg(event != NULL, "the bystander hears nothing");
    json_decref(event);
    close(bystander);
    qmp_rig_destroy(&rig);
}

/* @count times @unit, then @end. Return: malloc()ed text and its length. */
static char *repeated(const char *start, const char *unit, size_t count, const char *end,
                      size_t *len)
{
    size_t n = strlen(unit), at = strlen(start);
    char *text = malloc(at + n * count + strlen(end) + 1);

    strcpy(text, start);
    for (size_t i = 0; i < count; i++, at += n) {
        memcpy(text + at, unit, n);
    }
    strcpy(text + at, end);
    *len = at + strlen(end);
    return text;
}

static const struct hostile {
    const char *what;
    const char *start, *unit;
    size_t count;
    const char *end;
    const char *error; /* in the answer; NULL: there is none */
    bool ends;         /* the connection */
} inputs[] = {
    {"half a message", "{\"execute\":\"query-na", "", 0, "", NULL, false},
    {"half a string", "{\"execute\":\"", "a", 1000, "", NULL, false},
    {"64 MiB in a string", "{\"execute\":\"", "a", 64u << 20, "\"}", "longer than 64 KiB", true},
    {"64 MiB of members", "{", "\"a\":1,", (64u << 20) / 6, "\"b\":2}", "longer than 64 KiB", true},
    {"the longest message", "{\"execute\":\"", "a", JSON_STREAM_SIZE_MAX - 14, "\"}",
     "has not been found", false},
    {"a byte more", "{\"execute\":\"", "a", JSON_STREAM_SIZE_MAX - 13, "\"}", "longer than 64 KiB",
     true},
    {"depth 10 000", "{\"a\":", "[", 10000, "", "in each other", true},
    {"the greatest depth", "{\"execute\":", "[", JSON_STREAM_DEPTH_MAX - 1,
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", "'execute'", false},
    {"invalid UTF-8", "{\"execute\":\"\xc3\x28\"}", "", 0, "", "Invalid JSON", false},
    {"a NUL in a name", "{\"execute\":\"stop\\u0000\"}", "", 0, "", "Invalid JSON", false},
    {"brackets that do not match", "{\"execute\":[}]", "", 0, "", "Invalid JSON", false},
    {"a closing bracket", "}", "", 0, "", "Invalid JSON", true},
    {"a line of text", "quit\n", "", 0, "", "Invalid JSON", true},
    {"a number", "17", "", 0, "", "Invalid JSON", true},
    {"a line feed in a string", "{\"execute\":\"stop\n\"}", "", 0, "", "Invalid JSON", true},
    {"64 MiB of blanks", "", " ", 64u << 20, "", NULL, false},
    {"a number that is too large",
     "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"disk0\",\"size\":", "9", 40, "}}",
     "Invalid JSON", false},
};

START_TEST(input)
{
    const struct hostile *h = &inputs[_i];
    int fd = qmp_open(&rig);
    size_t len;
    char *text = repeated(h->start, h->unit, h->count, h->end, &len);
    json_t *line;

    qmp_send(&rig, fd, text, len);
    line = qmp_read(fd);
    if (h->error) {
        const char *desc =
            json_string_value(json_object_get(json_object_get(line, "error"), "desc"));

        ck_assert_msg(desc && strstr(desc, h->error), "%s: \"%s\"", h->what, desc);
    } else {
        ck_assert_msg(line == NULL, "%s has an answer", h->what);
    }
    ck_assert_msg(qmp_ended(fd) == h->ends, "%s: the connection %s", h->what,
                  h->ends ? "goes on" : "ended");
    ck_assert(!rig.paused);
    json_decref(line);
    free(text);
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle)
{
    int fd = qmp_open(&rig);

    ck_assert(qmp_send(&rig, fd, "{\"execute\":", 11));
    close(fd);
    qmp_rig_step(&rig);
}
END_TEST

START_TEST(what_was_asked_before_the_end_of_file_is_answered)
{
    static const char text[] = "{\"execute\":\"query-name\",\"id\":1}{\"execute\":\"stop\"}";
    int fd = qmp_open(&rig);
    json_t *line;

    ck_assert_int_eq(send(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
    shutdown(fd, SHUT_WR);
    qmp_rig_step(&rig);
    line = qmp_read(fd);
    ck_assert_ptr_nonnull(json_object_get(line, "return"));
    json_decref(line);
    line = qmp_read(fd);
    ck_assert_ptr_nonnull(json_object_get(line, "return"));
    json_decref(line);
    ck_assert(rig.paused);
    json_decref(qmp_assert_event(&rig, fd, "STOP"));
    json_decref(qmp_assert_event(&rig, bystander, "STOP"));
    ck_assert(qmp_ended(fd));
    rig.paused = false;
    qmp_guest_changed(rig.server);
    json_decref(qmp_assert_event(&rig, bystander, "RESUME"));
    close(fd);
}
END_TEST

/* Sends until neither socket takes more: the server has stopped to read. */
static void send_and_never_read(int fd)
{
    static const char text[] = "{\"execute\":\"query-commands\"}";

    while (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) > 0) {
        qmp_rig_step(&rig);
    }
    ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(a_client_that_asks_and_never_reads)
{
    int fd = qmp_open(&rig);

    send_and_never_read(fd);
    virtual_clock_advance(QMP_STALL_NS / 2);
    qmp_rig_step(&rig);
    ck_assert_int_eq(send(fd, " ", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    virtual_clock_advance(QMP_STALL_NS);
    qmp_rig_step(&rig);
    ck_assert_int_eq(send(fd, " ", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(fd);
}
END_TEST

/* Unlike qmp_ended(), also while there is something to read. */
static bool hung_up(int fd)
{
    struct pollfd pfd = {.fd = fd};

    return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP;
}

/* @size bytes of an answer: a command with a long id. */
static char *long_message(size_t size, size_t *len)
{
    return repeated("{\"execute\":\"quit\",\"id\":\"", "i", size, "\"}", len);
}

START_TEST(a_client_that_reads_slowly_is_served)
{
    static char part[40000];
    int fd = qmp_open(&rig);
    size_t len;
    char *text = long_message(60000, &len);

    for (ssize_t at = 0, n; (n = send(fd, text + at, len - (size_t)at, MSG_NOSIGNAL)) > 0;
         at = (at + n) % (ssize_t)len) {
        qmp_rig_step(&rig);
    }
    for (unsigned i = 0; i < 6; i++) {
        virtual_clock_advance(QMP_STALL_NS * 3 / 4);
        for (ssize_t n = 1; n > 0;) {
            n = recv(fd, part, sizeof(part), 0);
        }
        qmp_rig_step(&rig);
    }
    ck_assert(!hung_up(fd));
    free(text);
    close(fd);
}
END_TEST

/* Of the answers that the socket does not take, one exists. */
START_TEST(the_next_message_waits_for_the_last_answer)
{
    static char part[4096];
    int fd = qmp_open(&rig);
    size_t len, answer = 100 + strlen("{'return':{},'id':''}\r\n"), received = 0;
    char *text = long_message(100, &len);
    ssize_t n;

    while (send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len) {
        qmp_rig_step(&rig);
    }
    /* After the first round the server finds many messages at once. */
    for (unsigned round = 0; round < 2; round++) {
        qmp_rig_step(&rig);
        while ((n = recv(fd, part, sizeof(part), 0)) > 0) {
            received += (size_t)n;
        }
    }
    ck_assert_uint_gt(rig.quits, 100);
    ck_assert_uint_le(rig.quits * answer - received, answer);
    free(text);
    close(fd);
}
END_TEST

/* Time does not pass: it is the amount of events that ends the connection. */
START_TEST(a_client_that_hears_events_and_never_reads)
{
    int fd = qmp_open(&rig);
    unsigned events = 0;

    while (!hung_up(fd)) {
        rig.paused = !rig.paused;
        qmp_guest_changed(rig.server);
        json_decref(qmp_assert_event(&rig, bystander, rig.paused ? "STOP" : "RESUME"));
        events++;
        ck_assert_uint_lt(events, 100000);
    }
    ck_assert_uint_gt(events * 80, QMP_EVENTS_MAX);
    qmp_do(&rig, bystander, "cont", NULL);
    qmp_rig_step(&rig);
    json_decref(qmp_read(bystander));
    close(fd);
}
END_TEST

START_TEST(a_thousand_clients)
{
    enum { CLIENTS = 1000 };
    static int fds[CLIENTS];
    struct rlimit limit = {.rlim_cur = 2100, .rlim_max = 2100};
    unsigned served = 0, refused = 0;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        json_t *line;

        fds[i] = qmp_connect(&rig);
        line = qmp_read(fds[i]);
        served += json_object_get(line, "QMP") != NULL;
        if (json_object_get(line, "error")) {
            refused++;
            ck_assert(qmp_ended(fds[i]));
        }
        json_decref(line);
    }
    ck_assert_uint_eq(served, QMP_CLIENTS_MAX - 1);
    ck_assert_uint_eq(refused, CLIENTS - served);
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(fds[i]);
    }
    qmp_rig_step(&rig);
    close(qmp_open(&rig)); /* there is room again */
}
END_TEST

/* The connection that cannot be accepted would keep the loop awake. */
START_TEST(no_descriptor_for_a_client)
{
    struct rlimit old, none;
    int fd;

    getrlimit(RLIMIT_NOFILE, &old);
    fd = qmp_connect(&rig);
    none = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = old.rlim_max};
    close(fd);
    qmp_rig_step(&rig);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    none.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &none);
    qmp_connect_socket(&rig, fd);
    ck_assert_ptr_null(qmp_read(fd));
    ck_assert(!aio_poll(rig.loop, false));
    setrlimit(RLIMIT_NOFILE, &old);
    virtual_clock_advance(2000000000);
    qmp_rig_step(&rig);
    json_decref(qmp_read(fd));
    qmp_do(&rig, fd, "qmp_capabilities", NULL);
    close(fd);
}
END_TEST

/* An event that disconnects a client in the middle of the list leaves no other client out. */
START_TEST(clients_that_stall_together)
{
    int fds[4];

    for (unsigned i = 0; i < 4; i++) {
        fds[i] = qmp_open(&rig);
        send_and_never_read(fds[i]);
    }
    virtual_clock_advance(QMP_STALL_NS + 1);
    qmp_rig_step(&rig);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(send(fds[i], " ", 1, MSG_NOSIGNAL), -1);
        ck_assert_int_eq(errno, EPIPE);
        close(fds[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qmp hostile");
    TCase *tc = tcase_create("clients");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, input, 0, sizeof(inputs) / sizeof(inputs[0]));
    tcase_add_test(tc, a_client_that_leaves_in_the_middle);
    tcase_add_test(tc, what_was_asked_before_the_end_of_file_is_answered);
    tcase_add_test(tc, a_client_that_asks_and_never_reads);
    tcase_add_test(tc, a_client_that_reads_slowly_is_served);
    tcase_add_test(tc, the_next_message_waits_for_the_last_answer);
    tcase_add_test(tc, a_client_that_hears_events_and_never_reads);
    tcase_add_test(tc, a_thousand_clients);
    tcase_add_test(tc, no_descriptor_for_a_client);
    tcase_add_test(tc, clients_that_stall_together);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

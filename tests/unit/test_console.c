// SPDX-License-Identifier: MIT
/* The guest's console on a terminal that nobody reads: a pty whose master stays unread. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/console.h"
#include "tests/unit/suite.h"

#define NR_WRITES 8

static struct console console;
static AioContext *loop;
static int master, saved_stdout;

static void nothing(void *opaque)
{
}

static const struct console_ops no_ops = {.quit = nothing, .powerdown = nothing};

static void setup(void)
{
    struct aio_context_config config = {.poll = {.policy = &poll_policy_block}, .fdmon = "ppoll"};
    struct error err = {""};
    int slave;

    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(slave, 0);
    saved_stdout = dup(STDOUT_FILENO);
    dup2(slave, STDOUT_FILENO);
    close(slave);
    ck_assert_int_eq(aio_context_new(&config, &loop, &err), 0);
    ck_assert_int_eq(console_start(&console, loop, &no_ops, NULL), 0);
}

static void teardown(void)
{
    console_stop(&console);
    console_destroy(&console);
    aio_context_free(loop);
    dup2(saved_stdout, STDOUT_FILENO);
    close(saved_stdout);
    close(master);
}

static void *write_line_feeds(void *opaque)
{
    static char lines[16384];

    memset(lines, '\n', sizeof(lines));
    for (unsigned i = 0; i < NR_WRITES; i++) {
        console_out(&console, lines, sizeof(lines));
    }
    return NULL;
}

/* The terminal's buffer has taken all that it can hold. */
static void wait_until_full(void)
{
    int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    while (write(fd, "\n", 1) == 1) {
    }
    close(fd);
}

START_TEST(a_terminal_that_nobody_reads_does_not_hold_the_end)
{
    pthread_t writer;

    ck_assert_int_eq(pthread_create(&writer, NULL, write_line_feeds, NULL), 0);
    wait_until_full();
    console_abandon(&console);
    ck_assert_int_eq(pthread_join(writer, NULL), 0); /* check's own limit ends a test that hangs */
}
END_TEST

START_TEST(every_byte_arrives_once_somebody_reads)
{
    size_t nr_read = 0, expected = 2 * NR_WRITES * 16384; /* each line feed becomes two bytes */
    pthread_t writer;
    char buf[4096];

    ck_assert_int_eq(pthread_create(&writer, NULL, write_line_feeds, NULL), 0);
    while (nr_read < expected) {
        ssize_t n = read(master, buf, sizeof(buf));

        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++) {
            ck_assert_int_eq(buf[i], (nr_read + (size_t)i) % 2 ? '\n' : '\r');
        }
        nr_read += (size_t)n;
    }
    ck_assert_uint_eq(nr_read, expected);
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
}
END_TEST

START_TEST(the_flags_of_the_shared_standard_output_stay_as_they_were)
{
    ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(keys_after_ctrl_a_are_commands)
{
    static const struct {
        const char *typed, *for_guest;
        enum terminal_command command;
    } rows[] = {
        {"a\001pb", "ab", TERMINAL_POWERDOWN}, {"\001x", "", TERMINAL_QUIT},
        {"\001h", "", TERMINAL_HELP},          {"p\001\001p", "p\001p", TERMINAL_NONE},
        {"\001zp", "p", TERMINAL_NONE},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct terminal term = {.is_tty = true};
        size_t len = strlen(rows[i].typed);
        char buf[16];

        strcpy(buf, rows[i].typed);
        ck_assert_int_eq(terminal_filter(&term, buf, &len), rows[i].command);
        ck_assert_uint_eq(len, strlen(rows[i].for_guest));
        ck_assert_mem_eq(buf, rows[i].for_guest, len);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("console");
    TCase *t = tcase_create("terminal");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_terminal_that_nobody_reads_does_not_hold_the_end, 0, 20);
    tcase_add_test(t, every_byte_arrives_once_somebody_reads);
    tcase_add_test(t, the_flags_of_the_shared_standard_output_stay_as_they_were);
    tcase_add_test(t, keys_after_ctrl_a_are_commands);
    suite_add_tcase(s, t);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/* Child programs: their start, their output and their end. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/child.h"
#include "tests/unit/suite.h"

#define HANG_MS 20000

static struct error err;

/* @script is for the shell; @fd: inherited as well, or -1. */
static struct child shell(const char *script, int fd, int stop_fd)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    struct child c;

    ck_assert_msg(child_start(&c, argv, (const int[]){fd, -1}, stop_fd, &err) == 0, "%s", err.msg);
    return c;
}

START_TEST(a_program_that_is_missing_is_named)
{
    char *argv[] = {"/nonexistent/program", NULL};
    struct child c;

    ck_assert_int_eq(child_start(&c, argv, (const int[]){-1}, -1, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/program"));
}
END_TEST

START_TEST(output_that_does_not_fit_is_dropped)
{
    struct child c = shell("printf 0123456789", -1, -1);
    char text[5];

    ck_assert_int_eq(child_read_all(&c, text, sizeof(text), HANG_MS), 4);
    ck_assert_str_eq(text, "0123");
    ck_assert_int_eq(child_end(&c, NULL, 0), 0);
}
END_TEST

START_TEST(the_first_line_of_a_complaint_is_kept)
{
    struct child c = shell("printf 'bad thing\\nmore\\n' >&2; exit 3", -1, -1);
    char text[64];

    ck_assert_int_eq(child_read_all(&c, text, sizeof(text), HANG_MS), 0);
    ck_assert_int_eq(child_end(&c, text, sizeof(text)), 3);
    ck_assert_str_eq(text, "bad thing");
}
END_TEST

START_TEST(reading_ends_when_it_is_stopped)
{
    int stop_fd = eventfd(1, EFD_CLOEXEC);
    struct child c = shell("sleep 1000", -1, stop_fd);
    char text[8];

    ck_assert_int_eq(child_read(&c, text, sizeof(text), HANG_MS), -EINTR);
    ck_assert_int_eq(child_end(&c, NULL, 0), 128 + 9);
    close(stop_fd);
}
END_TEST

/* The pipe hangs up when nobody has its other end any more. */
START_TEST(what_a_program_has_started_ends_with_it)
{
    struct child c;
    struct pollfd end;
    char text[8];
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    c = shell("sleep 1000 & echo up; wait", fds[1], -1);
    close(fds[1]);
    ck_assert_int_eq(child_read(&c, text, sizeof(text), HANG_MS), 3);
    ck_assert_int_eq(child_end(&c, NULL, 0), 128 + 9);
    end = (struct pollfd){.fd = fds[0]};
    ck_assert_msg(poll(&end, 1, HANG_MS) == 1, "it still runs");
    close(fds[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("child");
    TCase *t = tcase_create("child");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_program_that_is_missing_is_named);
    tcase_add_test(t, output_that_does_not_fit_is_dropped);
    tcase_add_test(t, the_first_line_of_a_complaint_is_kept);
    tcase_add_test(t, reading_ends_when_it_is_stopped);
    tcase_add_test(t, what_a_program_has_started_ends_with_it);
    suite_add_tcase(s, t);
    return suite_run(s);
}

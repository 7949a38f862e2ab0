// SPDX-License-Identifier: MIT
/* Requests to end the process. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/ending.h"
#include "tests/unit/suite.h"

#define SECOND UINT64_C(1000000000)

START_TEST(the_first_request_repeats_none)
{
    ck_assert(!ending_repeats(0, 0));
    ck_assert(!ending_repeats(0, 5 * SECOND));
}
END_TEST

START_TEST(requests_within_a_second_are_one)
{
    ck_assert(ending_repeats(SECOND, SECOND));
    ck_assert(ending_repeats(SECOND, SECOND + 100000));
    ck_assert(ending_repeats(SECOND, 2 * SECOND - 1));
    ck_assert(!ending_repeats(SECOND, 2 * SECOND));
    ck_assert(!ending_repeats(SECOND, 9 * SECOND));
}
END_TEST

static int status_of(void (*child)(void))
{
    int status = -1;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        child();
        _exit(7);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void get_the_same_signal_twice(void)
{
    ending_take_signals();
    ending_request(); /* the main loop has seen the first */
    raise(SIGTERM);
    raise(SIGTERM);
}

/* What is written between the first request and the end would be lost. */
START_TEST(a_repeated_signal_does_not_end_the_process)
{
    int status = status_of(get_the_same_signal_twice);

    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

static void ignore_and_take(void)
{
    struct sigaction now;

    signal(SIGHUP, SIG_IGN);
    ending_take_signals();
    sigaction(SIGHUP, NULL, &now);
    _exit(now.sa_handler == SIG_IGN ? 0 : 1);
}

START_TEST(an_ignored_signal_stays_ignored)
{
    ck_assert_int_eq(status_of(ignore_and_take), 0);
}
END_TEST

static void note(void *opaque)
{
    *(bool *)opaque = true;
}

START_TEST(what_closes_in_time_is_closed)
{
    bool closed = false;

    ending_request();
    ck_assert(ending_close(note, &closed));
    ck_assert(closed);
}
END_TEST

static void hang(void *opaque)
{
    for (;;) {
        pause();
    }
}

START_TEST(a_request_bounds_the_wait_for_a_thread_that_hangs)
{
    ending_take_signals();
    raise(SIGTERM); /* the first request may also come while the machine is closed */
    ck_assert(!ending_close(hang, NULL));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ending");
    TCase *t = tcase_create("requests");

    tcase_add_test(t, the_first_request_repeats_none);
    tcase_add_test(t, requests_within_a_second_are_one);
    tcase_add_test(t, a_repeated_signal_does_not_end_the_process);
    tcase_add_test(t, an_ignored_signal_stays_ignored);
    tcase_add_test(t, what_closes_in_time_is_closed);
    tcase_add_test(t, a_request_bounds_the_wait_for_a_thread_that_hangs);
    suite_add_tcase(s, t);
    return suite_run(s);
}

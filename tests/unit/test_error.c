// SPDX-License-Identifier: MIT
/* Error messages: what error_set() and error_prefix() write and return. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "tests/unit/suite.h"

START_TEST(the_number_passes_through)
{
    struct error err = {""};

    ck_assert_int_eq(error_set(&err, -EINVAL, "disk is %s", "empty"), -EINVAL);
    ck_assert_str_eq(err.msg, "disk is empty");
    ck_assert_int_eq(error_set(NULL, -EIO, "not written"), -EIO);
    ck_assert_int_eq(error_prefix(NULL, -ENOMEM, "not written"), -ENOMEM);
}
END_TEST

START_TEST(each_caller_adds_its_context_in_front)
{
    struct error err = {""};

    error_set(&err, -ENOMEM, "out of memory");
    ck_assert_int_eq(error_prefix(&err, -ENOMEM, "queue %u: ", 3), -ENOMEM);
    ck_assert_int_eq(error_prefix(&err, -ENOMEM, "disk %s: ", "disk0"), -ENOMEM);
    ck_assert_str_eq(err.msg, "disk disk0: queue 3: out of memory");
}
END_TEST

START_TEST(a_message_that_becomes_too_long_loses_its_end)
{
    char text[2 * ERROR_MSG_MAX];
    struct error err = {""};

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&err, -EIO, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), ERROR_MSG_MAX - 1);
    error_prefix(&err, -EIO, "disk0: ");
    ck_assert_uint_eq(strlen(err.msg), ERROR_MSG_MAX - 1);
    ck_assert_int_eq(strncmp(err.msg, "disk0: xxx", 10), 0);
    error_prefix(&err, -EIO, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), ERROR_MSG_MAX - 1);
    ck_assert_ptr_null(strchr(err.msg, 'd'));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tests = tcase_create("error");

    tcase_add_test(tests, the_number_passes_through);
    tcase_add_test(tests, each_caller_adds_its_context_in_front);
    tcase_add_test(tests, a_message_that_becomes_too_long_loses_its_end);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}

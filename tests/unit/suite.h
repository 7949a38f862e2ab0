// SPDX-License-Identifier: MIT
/* The end of the main() of every unit test. */
#ifndef POLLUX_TESTS_UNIT_SUITE_H
#define POLLUX_TESTS_UNIT_SUITE_H

#include <check.h>

/* suite_run - run all tests of @s and free it. Return: the status of the program */
static inline int suite_run(Suite *s)
{
    SRunner *runner = srunner_create(s);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif

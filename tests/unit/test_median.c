// SPDX-License-Identifier: MIT
/* The median and its interval, which the bench uses for ratios. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "cli/median.h"
#include "tests/unit/suite.h"

START_TEST(the_median_is_the_middle_or_between_the_two)
{
    double odd[] = {9, 1, 5}, even[] = {4, 1, 9, 2}, one[] = {7};

    ck_assert_double_eq(median(odd, 3), 5);
    ck_assert_double_eq(median(even, 4), 3);
    ck_assert_double_eq(median(one, 1), 7);
}
END_TEST

/* Ranks, counted from 1, of the two ends, from printed tables of the sign test. */
static const struct {
    unsigned n, low, high;
    double coverage;
} table[] = {
    {1, 1, 1, 0},          {2, 1, 2, 0.5},          {5, 1, 5, 0.9375},    {6, 1, 6, 0.96875},
    {8, 1, 8, 0.992188},   {9, 2, 8, 0.960938},     {10, 2, 9, 0.978516}, {20, 6, 15, 0.958611},
    {25, 8, 18, 0.956715}, {100, 40, 61, 0.964800},
};

START_TEST(the_interval_is_the_narrowest_that_covers_95_percent)
{
    unsigned n = table[_i].n;
    struct interval in;
    double v[100];

    for (unsigned i = 0; i < n; i++) {
        v[i] = (double)(n - i);
    }
    median_interval(v, n, &in);
    ck_assert_double_eq(in.median, (n + 1) / 2.0);
    ck_assert_double_eq(in.low, table[_i].low);
    ck_assert_double_eq(in.high, table[_i].high);
    ck_assert_double_eq_tol(in.coverage, table[_i].coverage, 1e-6);
}
END_TEST

/* What the interval is for: of many samples of a skewed distribution, it holds the true median. */
START_TEST(the_interval_holds_the_true_median_as_often_as_it_says)
{
    const unsigned n = 9, samples = 20000;
    unsigned held = 0;

    srand48(1);
    for (unsigned s = 0; s < samples; s++) {
        struct interval in;
        double v[9];

        for (unsigned i = 0; i < n; i++) {
            v[i] = exp(3 * drand48()); /* median exp(1.5) */
        }
        median_interval(v, n, &in);
        held += in.low <= exp(1.5) && exp(1.5) <= in.high;
    }
    ck_assert_double_eq_tol((double)held / samples, 0.960938, 0.005);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("median");
    TCase *t = tcase_create("median");

    tcase_add_test(t, the_median_is_the_middle_or_between_the_two);
    tcase_add_loop_test(t, the_interval_is_the_narrowest_that_covers_95_percent, 0,
                        (int)(sizeof(table) / sizeof(table[0])));
    tcase_add_test(t, the_interval_holds_the_true_median_as_often_as_it_says);
    suite_add_tcase(s, t);
    return suite_run(s);
}

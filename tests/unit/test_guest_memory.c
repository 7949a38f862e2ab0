// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "virtq/guest-memory.h"
#include "tests/unit/suite.h"

static uint8_t low[0x1000], high[0x2000];
static struct guest_memory mem;

static void two_regions(void)
{
    mem = (struct guest_memory){0};
    ck_assert_int_eq(guest_memory_add(&mem, 0x10000, sizeof(low), low), 0);
    ck_assert_int_eq(guest_memory_add(&mem, 0x100000000, sizeof(high), high), 0);
}

START_TEST(an_address_translates_to_its_byte)
{
    ck_assert_ptr_eq(guest_memory_at(&mem, 0x10000, 1), low);
    ck_assert_ptr_eq(guest_memory_at(&mem, 0x10123, 4), low + 0x123);
    ck_assert_ptr_eq(guest_memory_at(&mem, 0x100000000, sizeof(high)), high);
    ck_assert_ptr_eq(guest_memory_at(&mem, 0x10fff, 1), low + 0xfff);
}
END_TEST

START_TEST(no_part_of_a_range_translates)
{
    ck_assert_ptr_null(guest_memory_at(&mem, 0xffff, 1));
    ck_assert_ptr_null(guest_memory_at(&mem, 0xffff, 2));
    ck_assert_ptr_null(guest_memory_at(&mem, 0x10fff, 2));
    ck_assert_ptr_null(guest_memory_at(&mem, 0x11000, 1));
    ck_assert_ptr_null(guest_memory_at(&mem, 0x10000, sizeof(low) + 1));
    ck_assert_ptr_null(guest_memory_at(&mem, 0, UINT64_MAX));
}
END_TEST

START_TEST(a_range_that_wraps_around_does_not_translate)
{
    ck_assert_ptr_null(guest_memory_at(&mem, 0x10001, UINT64_MAX));
    ck_assert_ptr_null(guest_memory_at(&mem, 0x10001, UINT64_MAX - 0x10000));
    ck_assert_ptr_null(guest_memory_at(&mem, UINT64_MAX, 2));
}
END_TEST

START_TEST(a_range_of_no_bytes_does_not_translate)
{
    ck_assert_ptr_null(guest_memory_at(&mem, 0x10000, 0));
}
END_TEST

START_TEST(a_region_at_the_end_of_the_address_space_works)
{
    ck_assert_int_eq(guest_memory_add(&mem, UINT64_MAX - 0xfff, 0x1000, low), 0);
    ck_assert_ptr_eq(guest_memory_at(&mem, UINT64_MAX, 1), low + 0xfff);
    ck_assert_ptr_null(guest_memory_at(&mem, UINT64_MAX, 2));
}
END_TEST

START_TEST(a_range_over_two_adjacent_regions_does_not_translate)
{
    ck_assert_int_eq(guest_memory_add(&mem, 0x11000, sizeof(high), high), 0);
    ck_assert_ptr_null(guest_memory_at(&mem, 0x10fff, 2));
    ck_assert_ptr_eq(guest_memory_at(&mem, 0x11000, 1), high);
}
END_TEST

START_TEST(regions_may_not_be_empty_or_wrap_or_overlap)
{
    static const struct {
        uint64_t gpa, size;
    } bad[] = {
        {0x50000, 0},           {UINT64_MAX, 2},      {1, UINT64_MAX}, {0x10000, 1},
        {0xf000, 0x1001},       {0x10fff, 0x1000},    {0x10800, 4},    {0, 0x20000},
        {0x100001fff, 0x10000}, {0xffffffff, 0x4000},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(guest_memory_add(&mem, bad[i].gpa, bad[i].size, low) == -EINVAL, "row %zu",
                      i);
    }
    ck_assert_uint_eq(mem.nr, 2);
}
END_TEST

START_TEST(the_smallest_region_has_one_byte)
{
    struct guest_memory none = {0};

    ck_assert_int_eq(guest_memory_add(&none, 0, 0, low), -EINVAL);
    ck_assert_int_eq(guest_memory_add(&none, 0, 1, low), 0);
    ck_assert_ptr_eq(guest_memory_at(&none, 0, 1), low);
    ck_assert_ptr_null(guest_memory_at(&none, 0, 2));
}
END_TEST

START_TEST(a_full_table_takes_no_more)
{
    while (mem.nr < GUEST_MEMORY_REGIONS) {
        ck_assert_int_eq(guest_memory_add(&mem, 0x1000000ull * mem.nr, 0x1000, low), 0);
    }
    ck_assert_int_eq(guest_memory_add(&mem, 0x70000000, 0x1000, low), -ENOSPC);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("guest_memory");
    TCase *tc = tcase_create("two regions");

    tcase_add_checked_fixture(tc, two_regions, NULL);
    tcase_add_test(tc, an_address_translates_to_its_byte);
    tcase_add_test(tc, no_part_of_a_range_translates);
    tcase_add_test(tc, a_range_that_wraps_around_does_not_translate);
    tcase_add_test(tc, a_range_of_no_bytes_does_not_translate);
    tcase_add_test(tc, a_region_at_the_end_of_the_address_space_works);
    tcase_add_test(tc, a_range_over_two_adjacent_regions_does_not_translate);
    tcase_add_test(tc, regions_may_not_be_empty_or_wrap_or_overlap);
    tcase_add_test(tc, the_smallest_region_has_one_byte);
    tcase_add_test(tc, a_full_table_takes_no_more);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/* Output files, and images that must not be overwritten. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output-file.h"
#include "engine/image.h"
#include "tests/unit/suite.h"

static char path[64];

static void make_file(void)
{
    int fd;

    strcpy(path, "/tmp/pollux-output-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

static off_t size_of_file(void)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

START_TEST(a_file_that_nobody_uses_is_truncated)
{
    struct error err = {""};
    FILE *out;

    ck_assert_msg(output_file_open("--trace", path, &out, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(size_of_file(), 0);
    ck_assert_int_gt(fprintf(out, "text"), 0);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(size_of_file(), 4);
}
END_TEST

START_TEST(an_image_in_use_is_refused_and_stays_as_it_was)
{
    struct image_config config = {.path = path, .readonly = _i & 1, .share_rw = _i & 2};
    struct error err = {""};
    struct image image;
    FILE *out;

    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    ck_assert_int_lt(output_file_open("--trace", path, &out, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "is not overwritten"));
    ck_assert_int_eq(size_of_file(), 1 << 20);
    image_close(&image);
}
END_TEST

START_TEST(a_file_that_is_being_written_is_no_disk)
{
    struct image_config config = {.path = path, .readonly = _i & 1, .share_rw = _i & 2};
    struct error err = {""};
    struct image image;
    FILE *out;

    ck_assert_int_eq(output_file_open("--trace", path, &out, &err), 0);
    ck_assert_int_eq(ftruncate(fileno(out), 1 << 20), 0);
    ck_assert_int_eq(image_open(&image, &config, &err), -EBUSY);
    fclose(out);
    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    image_close(&image);
}
END_TEST

START_TEST(a_fifo_without_a_reader_does_not_hang)
{
    struct error err = {""};
    FILE *out;

    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(output_file_open("record", path, &out, &err), -ENXIO);
    ck_assert_ptr_nonnull(strstr(err.msg, "FIFO that no process reads"));
}
END_TEST

START_TEST(a_fifo_with_a_reader_takes_what_is_written)
{
    struct error err = {""};
    char buf[8] = "";
    FILE *out;
    int in;

    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    in = open(path, O_RDONLY | O_NONBLOCK);
    ck_assert_int_ge(in, 0);
    ck_assert_msg(output_file_open("record", path, &out, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(fcntl(fileno(out), F_GETFL) & O_NONBLOCK, 0);
    fprintf(out, "text");
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(read(in, buf, sizeof(buf)), 4);
    ck_assert_str_eq(buf, "text");
    close(in);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("output file");
    TCase *t = tcase_create("open");

    tcase_add_checked_fixture(t, make_file, remove_file);
    tcase_add_test(t, a_file_that_nobody_uses_is_truncated);
    tcase_add_loop_test(t, an_image_in_use_is_refused_and_stays_as_it_was, 0, 4);
    tcase_add_loop_test(t, a_file_that_is_being_written_is_no_disk, 0, 4);
    tcase_add_test(t, a_fifo_without_a_reader_does_not_hang);
    tcase_add_test(t, a_fifo_with_a_reader_takes_what_is_written);
    suite_add_tcase(s, t);
    return suite_run(s);
}

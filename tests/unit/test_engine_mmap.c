// SPDX-License-Identifier: MIT
/* Engine mmap, beyond the rules for every engine: reads without a system call, and faults. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aio/loop.h"
#include "engine/submit.h"
#include "base/bus-error.h"
#include "base/guarded-copy.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define CHUNK      65536u
#define IMAGE_SIZE (4 * CHUNK)

static int fd;
static struct image image;
static AioContext *ctx;
static struct engine *engine;
static uint8_t buf[IMAGE_SIZE];

static void open_engine(bool readonly)
{
    char path[32];
    struct image_config config = {.path = path, .readonly = readonly};
    struct error err = {""};

    sprintf(path, "/proc/self/fd/%d", fd);
    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    ctx = loop_new(0, 0);
    ck_assert_msg(engine_open(&engine_mmap, ctx, &image, &(struct engine_config){.depth = 8},
                              &engine, &err) == 0,
                  "%s", err.msg);
}

static void fill(uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at += 512) {
        memset(buf, 1 + at / 512 % 255, 512);
        ck_assert_int_eq(pwrite(fd, buf, 512, at), 512);
    }
}

static void set_up(void)
{
    fd = memfd_create("pollux-mmap", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, IMAGE_SIZE), 0);
}

static void full(void)
{
    set_up();
    fill(0, IMAGE_SIZE);
    open_engine(false);
}

static void end(void)
{
    engine_close(engine);
    loop_free(ctx);
    image_close(&image);
    close(fd);
}

static ssize_t result;
static unsigned done;

static void io_done(struct engine_req *req, ssize_t res)
{
    result = res;
    done++;
}

static ssize_t run(struct engine_req *req)
{
    req->cb = io_done;
    done = 0;
    ck_assert_int_eq(engine_submit(engine, req), 0);
    while (!done) {
        aio_poll(ctx, true);
    }
    return result;
}

/* In two buffers. */
static ssize_t read_at(uint64_t offset, size_t len)
{
    struct iovec iov[] = {{buf, len / 2}, {buf + len / 2, len - len / 2}};
    struct engine_req req = {.op = ENGINE_READ, .offset = offset, .iov = iov, .iovcnt = 2};

    memset(buf, 0xee, len);
    return run(&req);
}

/* By system calls. */
static unsigned reads;

ssize_t preadv(int file, const struct iovec *iov, int cnt, off_t offset)
{
    reads++;
    return syscall(SYS_preadv, file, iov, cnt, offset, 0);
}

static void assert_data(uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (buf[i] != 1 + (offset + i) / 512 % 255) {
            ck_abort_msg("byte %zu from %llu: %u", i, (unsigned long long)offset, buf[i]);
        }
    }
}

static void assert_zeroes(size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (buf[i]) {
            ck_abort_msg("byte %zu: %u", i, buf[i]);
        }
    }
}

static blkcnt_t blocks(void)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return st.st_blocks;
}

START_TEST(data_is_read_without_system_calls)
{
    ck_assert_int_eq(read_at(512, 4096), 4096);
    assert_data(512, 4096);
    ck_assert_int_eq(read_at(0, IMAGE_SIZE), IMAGE_SIZE);
    assert_data(0, IMAGE_SIZE);
    ck_assert_uint_eq(reads, 0);
}
END_TEST

START_TEST(writes_of_other_processes_are_read)
{
    ck_assert_int_eq(read_at(0, 512), 512);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
    ck_assert_int_eq(read_at(0, 512), 512);
    ck_assert_uint_eq(buf[0], 'x');
}
END_TEST

START_TEST(a_hole_is_read_as_zeroes_and_stays_one)
{
    set_up();
    open_engine(_i);
    fill(CHUNK, CHUNK + 4096); /* and a chunk with data in it is no hole as a whole */
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(read_at(0, CHUNK), CHUNK);
        assert_zeroes(CHUNK);
        ck_assert_int_eq(read_at(CHUNK, CHUNK), CHUNK);
        assert_data(CHUNK, 512);
        ck_assert_int_eq(read_at(2 * CHUNK, 2 * CHUNK), 2 * CHUNK);
        assert_zeroes(2 * CHUNK);
    }
    ck_assert_uint_eq(reads, 6);
    ck_assert_int_eq(blocks(), 8);
    end();
}
END_TEST

/* Which a mapping that is private must see, too. */
START_TEST(a_hole_that_others_fill_is_soon_read_without_system_calls)
{
    set_up();
    open_engine(_i);
    ck_assert_int_eq(read_at(4096, 4096), 4096);
    assert_zeroes(4096);
    fill(0, CHUNK);
    for (unsigned i = 0; i < 300; i++) {
        ck_assert_int_eq(read_at(4096, 4096), 4096);
        assert_data(4096, 4096);
    }
    ck_assert_uint_lt(reads, 300);
    end();
}
END_TEST

START_TEST(written_data_is_read_without_system_calls)
{
    struct iovec iov = {buf, CHUNK};
    struct engine_req req = {.op = ENGINE_WRITE, .iov = &iov, .iovcnt = 1};

    set_up();
    open_engine(false);
    ck_assert_int_eq(read_at(4096, 4096), 4096);
    fill(CHUNK, 2 * CHUNK);
    ck_assert_int_eq(pread(fd, buf, CHUNK, CHUNK), CHUNK);
    ck_assert_int_eq(run(&req), CHUNK);
    reads = 0;
    ck_assert_int_eq(read_at(4096, 4096), 4096);
    assert_data(CHUNK + 4096, 4096);
    ck_assert_uint_eq(reads, 0);
    end();
}
END_TEST

START_TEST(discarded_blocks_stay_free_after_reads)
{
    struct engine *mine = engine, *other;
    struct engine_req discard = {.op = ENGINE_DISCARD, .offset = CHUNK, .len = CHUNK};
    struct engine_req zeroes = {
        .op = ENGINE_WRITE_ZEROES, .offset = 3 * CHUNK, .len = CHUNK, .may_unmap = true};

    ck_assert_int_eq(
        engine_open(&engine_mmap, ctx, &image, &(struct engine_config){.depth = 8}, &other, NULL),
        0);
    ck_assert_int_eq(read_at(0, IMAGE_SIZE), IMAGE_SIZE);
    engine = other;
    ck_assert_int_eq(read_at(0, IMAGE_SIZE), IMAGE_SIZE);
    engine = mine;
    ck_assert_int_eq(run(&discard), 0);
    ck_assert_int_eq(run(&zeroes), 0);
    ck_assert_int_eq(blocks(), 2 * CHUNK / 512);
    ck_assert_int_eq(read_at(3 * CHUNK, CHUNK), CHUNK);
    assert_zeroes(CHUNK);
    ck_assert_int_eq(read_at(0, 2 * CHUNK), 2 * CHUNK);
    assert_data(0, CHUNK);
    engine = other;
    ck_assert_int_eq(read_at(0, IMAGE_SIZE), IMAGE_SIZE);
    assert_data(0, CHUNK);
    ck_assert_int_eq(blocks(), 2 * CHUNK / 512);
    engine_close(other);
    engine = mine;
}
END_TEST

START_TEST(a_mapping_that_was_cut_gives_a_short_read)
{
    ck_assert_int_eq(read_at(0, IMAGE_SIZE), IMAGE_SIZE);
    ck_assert_int_eq(ftruncate(fd, CHUNK + 4096), 0);
    ck_assert_int_eq(read_at(CHUNK, 12288), 4096);
    assert_data(CHUNK, 4096);
    ck_assert_int_eq(read_at(2 * CHUNK, 4096), 0);
    ck_assert_int_eq(read_at(0, CHUNK), CHUNK);
    assert_data(0, CHUNK);
}
END_TEST

START_TEST(data_behind_the_old_end_of_a_file_is_read_too)
{
    ck_assert_int_eq(ftruncate(fd, 2 * IMAGE_SIZE), 0);
    fill(IMAGE_SIZE, 2 * IMAGE_SIZE);
    ck_assert_int_eq(image_update_size(&image, "image", NULL), 1);
    ck_assert_int_eq(read_at(2 * IMAGE_SIZE - 4096, 4096), 4096);
    assert_data(2 * IMAGE_SIZE - 4096, 4096);
    ck_assert_int_eq(read_at(IMAGE_SIZE - 4096, 8192), 8192);
    assert_data(IMAGE_SIZE - 4096, 8192);
}
END_TEST

/* The map ends within a chunk. What is read behind it by a system call tells nothing of that chunk. */
START_TEST(the_first_byte_behind_the_map_is_read_by_a_system_call_and_the_last_chunk_is_not)
{
    const uint64_t size = CHUNK + 4096;

    set_up();
    ck_assert_int_eq(ftruncate(fd, size), 0);
    fill(0, size);
    open_engine(false);
    ck_assert_int_eq(ftruncate(fd, 2 * CHUNK), 0);
    fill(size, 2 * CHUNK);
    ck_assert_int_eq(image_update_size(&image, "image", NULL), 1);
    ck_assert_int_eq(read_at(size, 4096), 4096);
    assert_data(size, 4096);
    ck_assert_uint_eq(reads, 1);
    ck_assert_int_eq(read_at(CHUNK, 4096), 4096);
    assert_data(CHUNK, 4096);
    ck_assert_uint_eq(reads, 1);
    end();
}
END_TEST

static int nr_fds(void)
{
    int n = 0;

    for (int i = 0; i < 256; i++) {
        n += fcntl(i, F_GETFD) >= 0;
    }
    return n;
}

/* As where a seccomp profile has no userfaultfd. */
START_TEST(a_missing_userfaultfd_is_named)
{
    struct engine_config config = {.depth = 8};
    struct error err = {""};
    struct rlimit limit, no_more;
    struct engine *none;
    int before = nr_fds();

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    no_more = (struct rlimit){0, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &no_more), 0);
    ck_assert_int_eq(engine_open(&engine_mmap, ctx, &image, &config, &none, &err), -EMFILE);
    ck_assert_ptr_nonnull(strstr(err.msg, "userfaultfd"));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(nr_fds(), before);
}
END_TEST

START_TEST(an_image_on_disk_is_refused)
{
    char path[] = "/var/tmp/pollux-mmap-XXXXXX";
    struct image_config config = {.path = path};
    struct engine_config engine_config = {.depth = 8};
    struct error err = {""};

    fd = mkstemp(path);
    ck_assert_int_eq(ftruncate(fd, IMAGE_SIZE), 0);
    ck_assert_int_eq(image_open(&image, &config, NULL), 0);
    if (image.in_memory) {
        printf("skipped: /var/tmp is in memory\n");
    } else {
        ctx = loop_new(0, 0);
        ck_assert_int_eq(engine_open(&engine_mmap, ctx, &image, &engine_config, &engine, &err),
                         -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.msg, "tmpfs"));
        loop_free(ctx);
    }
    image_close(&image);
    close(fd);
    unlink(path);
}
END_TEST

/* --- the copy --- */

static uint8_t *cut_mapping(void)
{
    uint8_t *map;

    set_up();
    fill(0, 8192);
    map = mmap(NULL, IMAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert(map != MAP_FAILED);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    return map;
}

START_TEST(a_copy_ends_where_the_memory_does)
{
    const uint8_t *map = cut_mapping();

    ck_assert_int_eq(guarded_copy_install(), 0);
    ck_assert_int_eq(guarded_copy_install(), 0);
    memset(buf, 0, sizeof(buf));
    ck_assert_uint_eq(guarded_copy(buf, map + 1, 4095), 0);
    ck_assert_mem_eq(buf, map + 1, 4095);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(guarded_copy(buf, map + 4000, 4096), 4000);
        ck_assert_uint_eq(buf[95], 8);
    }
    ck_assert_uint_eq(guarded_copy(buf, map + 4096, 1), 1);
}
END_TEST

static void exit_7(int sig)
{
    _exit(7);
}

static void ignore_sent_ones(const volatile uint8_t *map)
{
    signal(SIGBUS, SIG_IGN);
    guarded_copy_install();
    raise(SIGBUS);
    _exit(guarded_copy(buf, (const void *)(map + 4095), 2) == 1 ? 9 : 10);
}

static void exit_8_unless_ours(int sig, siginfo_t *info, void *context)
{
    if (!bus_error_recover(info, context)) {
        _exit(8);
    }
}

static int status_of(void (*child)(const volatile uint8_t *map))
{
    const uint8_t *map = cut_mapping();
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        child(map);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void touch(const volatile uint8_t *map)
{
    signal(SIGBUS, SIG_DFL);
    guarded_copy_install();
    (void)map[4096];
}

static void touch_with_a_handler(const volatile uint8_t *map)
{
    signal(SIGBUS, exit_7);
    guarded_copy_install();
    (void)map[4096];
}

static void send_with_a_handler(const volatile uint8_t *map)
{
    signal(SIGBUS, exit_7);
    guarded_copy_install();
    raise(SIGBUS);
}

static void copy_with_a_later_handler(const volatile uint8_t *map)
{
    struct sigaction action = {.sa_sigaction = exit_8_unless_ours, .sa_flags = SA_SIGINFO};

    guarded_copy_install();
    sigaction(SIGBUS, &action, NULL);
    _exit(guarded_copy(buf, (const void *)(map + 4095), 2) == 1 ? 9 : 10);
}

START_TEST(a_bus_error_elsewhere_goes_to_the_earlier_handler)
{
    int status = status_of(touch);

    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    status = status_of(touch_with_a_handler);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = status_of(send_with_a_handler);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = status_of(ignore_sent_ones);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}
END_TEST

START_TEST(a_later_handler_can_call_bus_error_recover)
{
    int status = status_of(copy_with_a_later_handler);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine mmap");
    TCase *t = tcase_create("data");

    tcase_add_checked_fixture(t, full, end);
    tcase_add_test(t, data_is_read_without_system_calls);
    tcase_add_test(t, writes_of_other_processes_are_read);
    tcase_add_test(t, discarded_blocks_stay_free_after_reads);
    tcase_add_test(t, a_mapping_that_was_cut_gives_a_short_read);
    tcase_add_test(t, data_behind_the_old_end_of_a_file_is_read_too);
    tcase_add_test(t, a_missing_userfaultfd_is_named);
    suite_add_tcase(s, t);

    t = tcase_create("holes");
    tcase_add_loop_test(t, a_hole_is_read_as_zeroes_and_stays_one, 0, 2);
    tcase_add_loop_test(t, a_hole_that_others_fill_is_soon_read_without_system_calls, 0, 2);
    tcase_add_test(t, written_data_is_read_without_system_calls);
    suite_add_tcase(s, t);

    t = tcase_create("other files");
    tcase_add_test(
        t, the_first_byte_behind_the_map_is_read_by_a_system_call_and_the_last_chunk_is_not);
    tcase_add_test(t, an_image_on_disk_is_refused);
    suite_add_tcase(s, t);

    t = tcase_create("guarded copy");
    tcase_add_test(t, a_copy_ends_where_the_memory_does);
    tcase_add_test(t, a_bus_error_elsewhere_goes_to_the_earlier_handler);
    tcase_add_test(t, a_later_handler_can_call_bus_error_recover);
    suite_add_tcase(s, t);

    return suite_run(s);
}

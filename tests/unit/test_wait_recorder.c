// SPDX-License-Identifier: MIT
/* The waits that a loop records, read back. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "aio/aio.h"
#include "aio/waits/file.h"
#include "aio/waits/recorder.h"
#include "iothread/iothread-set.h"
#include "tests/unit/suite.h"

/* A source that has an event when it was looked at often enough, so that every wait is a hit. */
struct source {
    struct aio_handler handler;
    unsigned looks, in_flight;
    bool armed;
};

static void nothing(void *opaque, int revents)
{
}

static bool look(void *opaque)
{
    struct source *s = opaque;

    return s->armed && s->looks++ > 100;
}

static void take(void *opaque)
{
    struct source *s = opaque;

    s->looks = 0;
}

static const struct aio_handler_ops ops = {.ready = nothing, .poll = look, .poll_ready = take};

/* Not the real one: a machine that stops for a while would make a source look quiet. */
static uint64_t clock_of_looks(void)
{
    static uint64_t now;

    return now += 100;
}

static char path[64];
static AioContext *ctx;
static struct source kick, disk;
static int fd;

static void name_the_file(void)
{
    snprintf(path, sizeof(path), "/tmp/pollux-waits-%d", getpid());
}

static void setup(void)
{
    struct aio_context_config config = {.record = path, .clock = clock_of_looks};
    struct error err;

    name_the_file();
    poll_params_default(&config.poll);
    config.poll.policy = &poll_policy_fixed;
    config.poll.max_ns = 1000000000;
    kick = disk = (struct source){.armed = false};
    fd = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(aio_context_new(&config, &ctx, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(aio_handler_add(ctx, &kick.handler, fd, POLLIN, &ops, &kick, "vq 0", NULL), 0);
    ck_assert_int_eq(
        aio_handler_add(ctx, &disk.handler, fd, POLLIN, &ops, &disk, "disk", &disk.in_flight), 0);
}

static void run(struct source *s, unsigned n)
{
    s->armed = true;
    for (uint64_t polled = s->handler.stats.hits; s->handler.stats.hits < polled + n;) {
        aio_poll(ctx, true);
    }
    s->armed = false;
}

static void read_back(struct waits *t)
{
    struct error err;
    FILE *in;

    aio_handler_remove(&kick.handler);
    aio_handler_remove(&disk.handler);
    ck_assert_int_eq(aio_context_free(ctx), 0);
    close(fd);
    in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_msg(waits_read(in, path, t, &err) == 0, "%s", err.msg);
    fclose(in);
    unlink(path);
}

START_TEST(waits_are_recorded_with_the_sources_that_fired_or_were_in_flight)
{
    struct waits t;

    run(&kick, 10);
    disk.in_flight = 3;
    run(&disk, 5);
    disk.in_flight = 0;
    run(&kick, 1);
    read_back(&t);

    ck_assert_uint_eq(t.nr_sources, 2);
    ck_assert_str_eq(t.sources[0].name, "vq_0");
    ck_assert_str_eq(t.sources[1].name, "disk");
    ck_assert(!t.sources[0].counted && t.sources[1].counted);
    ck_assert_uint_eq(t.nr_waits, 16);
    for (unsigned i = 0; i < 16; i++) {
        bool of_disk = i >= 10 && i < 15;

        ck_assert_uint_eq(t.waits[i].ready, of_disk ? 2 : 1);
        ck_assert_uint_eq(t.waits[i].in_flight, of_disk ? 2 : 0);
        ck_assert(!t.waits[i].blocked);
    }
    waits_free(&t);
}
END_TEST

START_TEST(a_long_record_is_written_while_the_loop_runs)
{
    struct waits t;

    run(&kick, 100000); /* three times the ring */
    read_back(&t);
    ck_assert_uint_le(t.nr_waits, 100000);
    ck_assert_uint_gt(t.nr_waits, 40000); /* more than fits at once */
    waits_free(&t);
}
END_TEST

static uint64_t measured_17_us(const struct poll_policy *p)
{
    return 17000;
}

START_TEST(what_blocking_cost_is_written_if_it_was_measured)
{
    static const struct poll_policy_ops knows = {.name = "knows", .wake_ns = measured_17_us};
    const struct poll_policy_ops *policies[] = {&knows, &poll_policy_fixed};
    const uint64_t wake_ns[] = {17000, POLL_WAKE_NS_DEFAULT};

    name_the_file();
    for (unsigned i = 0; i < 2; i++) {
        struct aio_context_config config = {.record = path, .clock = clock_of_looks};
        struct waits t;
        struct error err;
        FILE *in;

        poll_params_default(&config.poll);
        config.poll.policy = policies[i];
        ck_assert_msg(aio_context_new(&config, &ctx, &err) == 0, "%s", err.msg);
        ck_assert_int_eq(aio_context_free(ctx), 0);
        in = fopen(path, "r");
        ck_assert_ptr_nonnull(in);
        ck_assert_msg(waits_read(in, path, &t, &err) == 0, "%s", err.msg);
        fclose(in);
        unlink(path);
        ck_assert_uint_eq(t.wake_ns, wake_ns[i]);
        waits_free(&t);
    }
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_reported)
{
    struct aio_context_config config = {.record = "/nonexistent/waits"};
    AioContext *none;
    struct error err;

    poll_params_default(&config.poll);
    ck_assert_int_eq(aio_context_new(&config, &none, &err), -ENOENT);
    ck_assert_msg(strstr(err.msg, "/nonexistent/waits") != NULL, "%s", err.msg);
}
END_TEST

/* A full disk shows when the buffer is written: at the end, or while the loop runs. */
START_TEST(a_disk_that_is_full_is_reported_at_the_end)
{
    struct iothread_config config = {.id = "io0", .record = "/dev/full"};
    struct error err = {""};
    struct iothread *io;

    poll_params_default(&config.poll);
    ck_assert_msg(iothread_new(&config, &io, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(iothread_end_record(io, &err), -ENOSPC);
    ck_assert_msg(strstr(err.msg, "'/dev/full'") && strstr(err.msg, strerror(ENOSPC)), "%s",
                  err.msg);
    ck_assert_int_eq(iothread_end_record(io, &err), 0); /* reported once */
    iothread_free(io);
}
END_TEST

START_TEST(of_several_threads_the_one_whose_disk_is_full_is_reported)
{
    struct iothread_config configs[2] = {{.id = "io0"}, {.id = "io1", .record = "/dev/full"}};
    struct iothread_set set;
    struct error err = {""};

    poll_params_default(&configs[0].poll);
    poll_params_default(&configs[1].poll);
    ck_assert_msg(iothread_set_start(&set, configs, 2, NULL, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(iothread_set_end_records(&set, &err), -ENOSPC);
    ck_assert_ptr_ne(strstr(err.msg, "'/dev/full'"), NULL);
    iothread_set_stop(&set);
}
END_TEST

START_TEST(a_file_that_may_not_grow_is_reported_at_the_end)
{
    const struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    struct error err = {""};

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    run(&kick, 50000);
    ck_assert_int_eq(aio_record_end(ctx, &err), -EFBIG);
    ck_assert_msg(strstr(err.msg, path) && strstr(err.msg, strerror(EFBIG)), "%s", err.msg);
    run(&kick, 10); /* no longer recorded */
    aio_handler_remove(&kick.handler);
    aio_handler_remove(&disk.handler);
    ck_assert_int_eq(aio_context_free(ctx), 0);
    close(fd);
    unlink(path);
}
END_TEST

/* A library call that succeeds may leave any errno. */
START_TEST(an_errno_from_before_is_no_error_of_the_file)
{
    struct poll_policy policy = {.ops = &poll_policy_fixed};
    struct poll_wait w = {.start_ns = 100, .end_ns = 200};
    struct wait_recorder *r;
    struct error err = {""};

    name_the_file();
    list_init(&policy.counted);
    errno = EIO;
    ck_assert_msg(wait_recorder_open(path, &policy, &r, &err) == 0, "%s", err.msg);
    wait_recorder_add(r, &w, 0);
    errno = EIO;
    ck_assert_msg(wait_recorder_close(r, &err) == 0, "%s", err.msg);
    unlink(path);
}
END_TEST

static unsigned long lost_of(FILE *in)
{
    unsigned long lost = 0;
    char line[256];

    while (fgets(line, sizeof(line), in)) {
        sscanf(line, "# %lu waits were lost", &lost);
    }
    rewind(in);
    return lost;
}

/* Waits come faster than they can be written: each is written as it was, or counted as lost. */
START_TEST(no_wait_is_overwritten_before_it_is_in_the_file)
{
    const unsigned nr = 300000;
    struct poll_policy policy = {.ops = &poll_policy_fixed};
    struct poll_wait w = {.start_ns = 100};
    struct wait_recorder *r;
    struct waits t;
    unsigned long lost;
    struct error err = {""};
    FILE *in;

    name_the_file();
    list_init(&policy.counted);
    ck_assert_msg(wait_recorder_open(path, &policy, &r, &err) == 0, "%s", err.msg);
    for (unsigned i = 0; i < nr; i++) {
        w.end_ns = w.start_ns + i;
        wait_recorder_add(r, &w, 0);
        w.start_ns = w.end_ns;
    }
    ck_assert_msg(wait_recorder_close(r, &err) == 0, "%s", err.msg);
    in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    unlink(path);
    lost = lost_of(in);
    ck_assert_msg(waits_read(in, path, &t, &err) == 0, "%s", err.msg);
    fclose(in);
    ck_assert_uint_eq(t.nr_waits + lost, nr);
    for (unsigned i = 1; i < t.nr_waits; i++) {
        ck_assert_uint_gt(t.waits[i].wait_ns, t.waits[i - 1].wait_ns);
    }
    waits_free(&t);
}
END_TEST

struct copy {
    int from;
    FILE *to;
};

/* Return: bytes copied, 0 at the end. */
static size_t copy_some(struct copy *c)
{
    char buf[4096];
    ssize_t n = read(c->from, buf, sizeof(buf));

    ck_assert_int_ge(n, 0);
    ck_assert_uint_eq(fwrite(buf, 1, (size_t)n, c->to), (size_t)n);
    return (size_t)n;
}

static void *copy_all(void *opaque)
{
    while (copy_some(opaque)) {
    }
    return NULL;
}

/* The writer blocks in a full pipe. */
START_TEST(while_the_writer_is_held_up_a_ring_of_waits_is_held_and_the_rest_is_lost)
{
    const unsigned ring = 32768, nr = 4 * ring;
    struct poll_policy policy = {.ops = &poll_policy_fixed};
    struct poll_wait w = {.start_ns = 100};
    struct copy copy = {.to = tmpfile()};
    struct wait_recorder *r;
    struct waits t;
    unsigned long lost;
    struct error err = {""};
    pthread_t reader;
    int fds[2];

    ck_assert_ptr_nonnull(copy.to);
    ck_assert_int_eq(pipe(fds), 0);
    copy.from = fds[0];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
    list_init(&policy.counted);
    ck_assert_msg(wait_recorder_open(path, &policy, &r, &err) == 0, "%s", err.msg);
    close(fds[1]);
    for (unsigned i = 0; i < nr; i++) {
        w.end_ns = w.start_ns + i;
        wait_recorder_add(r, &w, 0);
        w.start_ns = w.end_ns;
        if (i == ring / 2) {
            copy_some(&copy); /* the writer has begun */
        }
    }
    ck_assert_int_eq(pthread_create(&reader, NULL, copy_all, &copy), 0);
    ck_assert_msg(wait_recorder_close(r, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
    close(fds[0]);
    rewind(copy.to);
    lost = lost_of(copy.to);
    ck_assert_msg(waits_read(copy.to, path, &t, &err) == 0, "%s", err.msg);
    fclose(copy.to);
    ck_assert_uint_gt(t.nr_waits, ring);
    ck_assert_uint_gt(lost, ring);
    ck_assert_uint_eq(t.nr_waits + lost, nr);
    for (unsigned i = 1; i < t.nr_waits; i++) {
        ck_assert_uint_gt(t.waits[i].wait_ns, t.waits[i - 1].wait_ns);
    }
    waits_free(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wait-recorder");
    TCase *tc = tcase_create("recorder"), *plain = tcase_create("plain");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, waits_are_recorded_with_the_sources_that_fired_or_were_in_flight);
    tcase_add_test(tc, a_long_record_is_written_while_the_loop_runs);
    tcase_add_test(tc, a_file_that_may_not_grow_is_reported_at_the_end);
    suite_add_tcase(s, tc);
    tcase_add_test(plain, what_blocking_cost_is_written_if_it_was_measured);
    tcase_add_test(plain, no_wait_is_overwritten_before_it_is_in_the_file);
    tcase_add_test(plain, while_the_writer_is_held_up_a_ring_of_waits_is_held_and_the_rest_is_lost);
    tcase_add_test(plain, an_errno_from_before_is_no_error_of_the_file);
    tcase_add_test(plain, a_file_that_cannot_be_written_is_reported);
    tcase_add_test(plain, a_disk_that_is_full_is_reported_at_the_end);
    tcase_add_test(plain, of_several_threads_the_one_whose_disk_is_full_is_reported);
    suite_add_tcase(s, plain);

    return suite_run(s);
}

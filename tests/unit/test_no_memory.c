// SPDX-License-Identifier: MIT
/*
 * Each allocation and each start of a thread fails once while a loop, an engine or a block device is
 * made; for an engine, each new descriptor, too: the caller gets an error and a line, and no
 * descriptor is left open (nor memory, says a sanitizer).
 */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/blocking-io.h"
#include "engine/image.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

/* Of this thread, so many allocations and threads more; -1: all succeed. */
static _Thread_local int until_failure = -1;

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

extern void *__libc_calloc(size_t nr, size_t size);
extern void *__interceptor_calloc(size_t nr, size_t size) __attribute__((weak)); /* sanitizers */

void *calloc(size_t nr, size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }
    return __interceptor_calloc ? __interceptor_calloc(nr, size) : __libc_calloc(nr, size);
}

void *reallocarray(void *p, size_t nr, size_t size)
{
    return fails() ? NULL : realloc(p, nr * size);
}

void *aligned_alloc(size_t align, size_t size)
{
    void *p;

    if (fails()) {
        return NULL;
    }
    return posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, size) ? NULL : p;
}

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern int __interceptor_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                                        void *(*start)(void *), void *arg) __attribute__((weak));

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    create_fn real = __interceptor_pthread_create;

    if (fails()) {
        return EAGAIN;
    }
    if (!real) {
        real = (create_fn)dlsym(RTLD_NEXT, "pthread_create");
    }
    return real(thread, attr, start, arg);
}

static int nr_fds(void)
{
    int n = 0;

    for (int i = 0; i < 256; i++) {
        n += fcntl(i, F_GETFD) >= 0;
    }
    return n;
}

/* @make must do without the memory, or fail; it is called until no allocation fails any more. */
static void fail_each_allocation(int (*make)(struct error *err), void (*unmake)(void))
{
    bool failed = true;

    for (int n = 0; failed; n++) {
        struct error err = {""};
        int before = nr_fds(), ret;

        until_failure = n;
        ret = make(&err);
        failed = until_failure < 0;
        until_failure = -1;
        if (ret == 0) {
            ck_assert_str_eq(err.msg, "");
            unmake();
        } else {
            ck_assert_msg(failed, "%s", err.msg);
            ck_assert_int_lt(ret, 0);
            ck_assert_str_ne(err.msg, "");
        }
        ck_assert_int_eq(nr_fds(), before);
    }
}

/* @make fails while the process may open no, one, two ... descriptors more, then there are enough. */
static unsigned fail_each_descriptor(int (*make)(struct error *err), void (*unmake)(void))
{
    struct rlimit was;
    unsigned n = 0;
    int before = nr_fds(), free_fd = dup(0), ret;

    ck_assert_int_ge(free_fd, 0);
    close(free_fd);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    do {
        struct rlimit now = {.rlim_cur = (rlim_t)free_fd + n, .rlim_max = was.rlim_max};
        struct error err = {""};

        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
        ret = make(&err);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
        if (ret == 0) {
            unmake();
        } else {
            ck_assert_int_eq(ret, -EMFILE);
            ck_assert_str_ne(err.msg, "");
            n++;
        }
        ck_assert_int_eq(nr_fds(), before);
    } while (ret < 0);
    return n;
}

static AioContext *ctx;
static int monitor;

static int make_loop(struct error *err)
{
    struct aio_context_config config = {
        .poll = {.policy = &poll_policy_cost, .max_ns = 10000},
        .fdmon = aio_fdmon_name(monitor),
        .record = "/dev/null",
    };

    ctx = NULL;
    return aio_context_new(&config, &ctx, err);
}

static void unmake_loop(void)
{
    loop_free(ctx);
}

START_TEST(a_loop)
{
    monitor = _i;
    fail_each_allocation(make_loop, unmake_loop);
}
END_TEST

static const struct {
    const struct engine_ops *ops;
    bool in_memory; /* the image is */
} engines[] = {
    {&engine_linux_aio, false}, {&engine_linux_aio, true}, {&engine_io_uring, false},
    {&engine_threads, false},   {&engine_mmap, true},      {&engine_null, false},
};
#define NR_ENGINES (sizeof(engines) / sizeof(engines[0]))

static const struct engine_faults faults = {.error_ppm = 1};
static bool with_faults;
static const struct engine_ops *ops;
static struct image image;
static struct engine *engine;

static int make_engine(struct error *err)
{
    struct engine_config config = {.depth = 8, .faults = with_faults ? &faults : NULL};
    static const struct engine no_engine; /* not to be written */
    int ret;

    engine = (struct engine *)&no_engine;
    ret = engine_open(ops, ctx, &image, &config, &engine, err);
    ck_assert_ptr_ne(engine, &no_engine);
    ck_assert_int_eq(ret == 0, engine != NULL);
    return ret;
}

static void unmake_engine(void)
{
    engine_close(engine);
}

static void set_up_engine(int i)
{
    char path[] = "/var/tmp/pollux-memory-XXXXXX";
    struct image_config config = {.path = path};
    struct error err = {""};
    int fd;

    ops = engines[i / 2].ops;
    with_faults = i % 2;
    if (engines[i / 2].in_memory) {
        strcpy(path, "/dev/shm/memory-XXXXXX");
    }
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    close(fd);
    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    unlink(path);
    ctx = loop_new(0, 0);
}

static void tear_down_engine(void)
{
    loop_free(ctx);
    image_close(&image);
}

START_TEST(an_engine)
{
    set_up_engine(_i);
    fail_each_allocation(make_engine, unmake_engine);
    tear_down_engine();
}
END_TEST

START_TEST(an_engine_without_descriptors)
{
    unsigned failed;

    set_up_engine(_i);
    failed = fail_each_descriptor(make_engine, unmake_engine);
    ck_assert_uint_ge(failed, ops->offloads); /* the event descriptor of the worker threads */
    tear_down_engine();
}
END_TEST

static struct blk_rig rig;
static struct virtio_device *dev;

static int make_device(struct error *err)
{
    struct virtio_blk_options options = {
        .name = "disk1",
        .image = &rig.image,
        .engine = &engine_null,
        .queue_size = 64,
        .nr_queues = 2,
        .iothreads = rig.iothreads,
        .nr_iothreads = 1,
    };

    dev = NULL;
    return virtio_blk_new(&options, &rig.drv[0].gm, &dev, err);
}

static void unmake_device(void)
{
    dev->ops->free(dev);
}

START_TEST(a_block_device)
{
    blk_rig_init(&rig, &(struct blk_rig_options){.align = 512});
    fail_each_allocation(make_device, unmake_device);
    blk_rig_destroy(&rig);
}
END_TEST

/* The host has no call for zeroes. */
int fallocate(int fd, int mode, off_t offset, off_t len)
{
    errno = EOPNOTSUPP;
    return -1;
}

START_TEST(zeroes_that_are_written_to_a_file)
{
    struct image none = {.fd = -1};

    until_failure = 0;
    ck_assert_int_eq(blocking_write_zeroes(&none, 0, 4096, true), -1);
    ck_assert_int_eq(errno, EAGAIN); /* tried again, no error of the disk */
}
END_TEST

START_TEST(a_packed_ring)
{
    struct virtqueue vq = {.indirect = true};
    struct fake_driver drv;

    fake_driver_init(&drv, 8, false);
    fake_driver_pack(&drv);
    fake_driver_setup(&drv, &vq);
    until_failure = 0;
    ck_assert_int_eq(virtq_start(&vq, &drv.gm), -EINVAL);
    ck_assert_ptr_nonnull(strstr(vq.fault.what, "memory"));
    fake_driver_destroy(&drv);
}
END_TEST

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    printf(
        "skip: ThreadSanitizer itself needs memory, in each thread; the other builds run this\n");
    return 77;
#endif
    Suite *s = suite_create("no memory");
    TCase *t = tcase_create("no memory for");

    tcase_add_loop_test(t, a_loop, 0, monitor_count());
    tcase_add_loop_test(t, an_engine, 0, 2 * NR_ENGINES);
    tcase_add_loop_test(t, an_engine_without_descriptors, 0, 2 * NR_ENGINES);
    tcase_add_test(t, a_block_device);
    tcase_add_test(t, zeroes_that_are_written_to_a_file);
    tcase_add_test(t, a_packed_ring);
    suite_add_tcase(s, t);
    return suite_run(s);
}

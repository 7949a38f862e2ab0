// SPDX-License-Identifier: MIT
/* Policies for errors of the host: report, ignore, stop and retry, enospc. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "blk/device.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define OK    VIRTIO_BLK_S_OK
#define IOERR VIRTIO_BLK_S_IOERR
#define READ  VIRTIO_BLK_T_IN
#define WRITE VIRTIO_BLK_T_OUT
#define FLUSH VIRTIO_BLK_T_FLUSH
#define NONE  0xff /* the request is held */

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static uint8_t data[4096];

static uint16_t chain(struct fake_driver *d, uint32_t type, uint64_t sector)
{
    switch (type) {
    case READ:
        return fake_driver_chain(d, HDR(.type = type, .sector = sector), IN(sizeof(data)),
                                 STATUS());
    case WRITE:
        return fake_driver_chain(d, HDR(.type = type, .sector = sector),
                                 OUT_BYTES(data, sizeof(data)), STATUS());
    default:
        return fake_driver_chain(d, HDR(.type = type), STATUS());
    }
}

static void begin(struct blk_rig_options options)
{
    blk_rig_init(&rig, &options);
    memset(rig.disk, 0x5a, RIG_DISK_SIZE);
    memset(data, 0xc3, sizeof(data));
    blk_rig_go_live(&rig);
}

/* --- each action for each kind of request and error --- */

static const struct {
    enum virtio_blk_on_error rerror, werror;
    uint32_t type;
    int error;
    uint8_t status;
} rows[] = {
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_IGNORE, READ, -EIO, IOERR},
    {VIRTIO_BLK_IGNORE, VIRTIO_BLK_REPORT, WRITE, -EIO, IOERR},
    {VIRTIO_BLK_IGNORE, VIRTIO_BLK_REPORT, FLUSH, -EIO, IOERR},
    {VIRTIO_BLK_IGNORE, VIRTIO_BLK_REPORT, READ, -EIO, OK},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_IGNORE, WRITE, -ENOSPC, OK},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_IGNORE, FLUSH, -EIO, OK},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_ENOSPC, WRITE, -EIO, IOERR},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_ENOSPC, WRITE, -ENOSPC, NONE},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_ENOSPC, FLUSH, -ENOSPC, NONE},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_ENOSPC, WRITE, -EDQUOT, NONE},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_ENOSPC, FLUSH, -EDQUOT, NONE},
    {VIRTIO_BLK_ENOSPC, VIRTIO_BLK_REPORT, READ, -EIO, IOERR},
    {VIRTIO_BLK_STOP, VIRTIO_BLK_REPORT, READ, -EIO, NONE},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_STOP, WRITE, -EIO, NONE},
    {VIRTIO_BLK_REPORT, VIRTIO_BLK_STOP, FLUSH, -EIO, NONE},
};

static void expect_moved(uint16_t head, uint32_t type)
{
    if (type == READ) {
        ck_assert_mem_eq(fake_driver_buf(drv, head, 1), rig.disk, sizeof(data));
    } else if (type == WRITE) {
        ck_assert_mem_eq(rig.disk, data, sizeof(data));
    }
}

START_TEST(an_error_becomes_what_the_action_says)
{
    uint16_t head;

    begin((struct blk_rig_options){.rerror = rows[_i].rerror, .werror = rows[_i].werror});
    rig.fail = rows[_i].error;
    head = chain(drv, rows[_i].type, 0);
    fake_driver_kick(drv, head);
    if (rows[_i].status == NONE) {
        blk_rig_await_stop(&rig);
        ck_assert_uint_eq(fake_driver_used_idx(drv), 0);
        ck_assert_uint_eq(blk_rig_stats(&rig).held, 1);
        ck_assert_uint_eq(blk_rig_stats(&rig).in_flight, 1);
        ck_assert_ptr_nonnull(strstr(rig.stopped, "disk0 queue 0: "));
        ck_assert_ptr_nonnull(strstr(rig.stopped, strerror(-rows[_i].error)));
        rig.fail = 0;
        virtio_blk_retry(rig.dev);
    }
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head),
                      rows[_i].status == NONE ? OK : rows[_i].status);
    if (rows[_i].status == NONE) {
        expect_moved(head, rows[_i].type);
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).held, 0);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, rows[_i].status == IOERR);
    ck_assert_uint_eq(blk_rig_stats(&rig).ignored, rows[_i].status == OK);
    ck_assert_uint_eq(rig.stops, rows[_i].status == NONE);
    ck_assert_uint_eq(rig.log_lines, rows[_i].status != NONE);
    blk_rig_destroy(&rig);
}
END_TEST

/* --- held requests --- */

static int nothing(void *opaque)
{
    return 0;
}

static int wait_for(void *opaque)
{
    sem_wait(opaque);
    return 0;
}

static void *hang(void *opaque)
{
    iothread_call(rig.iothreads[0], wait_for, opaque);
    return NULL;
}

/* The calling thread has other work, for example the end of the machine. */
START_TEST(a_retry_does_not_wait_for_a_thread_that_hangs)
{
    pthread_t thread;
    uint16_t head;
    sem_t release;

    begin((struct blk_rig_options){.rerror = VIRTIO_BLK_STOP});
    rig.fail = -EIO;
    head = chain(drv, READ, 0);
    fake_driver_kick(drv, head);
    blk_rig_await_stop(&rig);
    rig.fail = 0;
    sem_init(&release, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hang, &release), 0);
    while (aio_asleep(iothread_ctx(rig.iothreads[0]))) {
        cpu_relax();
    }
    virtio_blk_retry(rig.dev);
    ck_assert_uint_eq(fake_driver_used_idx(drv), 0);
    sem_post(&release);
    pthread_join(thread, NULL);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head), OK);
    blk_rig_destroy(&rig);
    sem_destroy(&release);
}
END_TEST

START_TEST(many_failures_ask_for_one_stop_and_all_are_retried)
{
    uint16_t head[20];

    /* Some go through bounce buffers, of which there are fewer. */
    begin((struct blk_rig_options){.rerror = VIRTIO_BLK_STOP, .align = 512, .merge = _i});
    rig.fail = -EIO;
    rig.hold = true;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t gpa = fake_driver_alloc(drv, sizeof(data) + 1, 512) + i % 2;

        head[i] = fake_driver_chain(drv, HDR(.type = READ, .sector = i * 8),
                                    IN_AT(gpa, sizeof(data)), STATUS());
        fake_driver_kick(drv, head[i]);
    }
    while (blk_rig_stats(&rig).in_flight < 20) {
        cpu_relax();
    }
    blk_rig_release(&rig);
    blk_rig_await_stop(&rig);
    while (blk_rig_stats(&rig).held < 20) {
        cpu_relax();
    }
    ck_assert_uint_eq(fake_driver_used_idx(drv), 0);
    ck_assert_uint_eq(rig.stops, 1);

    virtio_blk_retry(rig.dev); /* which fails again */
    blk_rig_await_stop(&rig);
    while (blk_rig_stats(&rig).held < 20) {
        cpu_relax();
    }
    ck_assert_uint_eq(rig.stops, 2);

    iothread_call(rig.iothreads[0], nothing, NULL); /* it is done with the disk */
    for (unsigned i = 0; i < RIG_DISK_SIZE; i++) {
        rig.disk[i] = (uint8_t)(i >> 9);
    }
    rig.fail = 0;
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 20);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(fake_driver_status(drv, head[i]), OK);
        ck_assert_mem_eq(fake_driver_buf(drv, head[i], 1), rig.disk + i * 4096, 4096);
    }
    ck_assert_uint_eq(rig.stops, 2);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* Bytes that were moved before the error are not moved again. */
static void *release_thread(void *opaque)
{
    blk_rig_release(opaque);
    return NULL;
}

static void *retry_thread(void *opaque)
{
    virtio_blk_retry(opaque);
    return NULL;
}

/* Else the guest would be stopped, with nothing held for the next retry. */
START_TEST(a_request_that_fails_before_the_retry_runs_is_retried_too)
{
    pthread_t releasing, retrying;
    sem_t entered, go;
    uint16_t head[2];

    begin((struct blk_rig_options){.rerror = VIRTIO_BLK_STOP});
    rig.fail = -EIO;
    rig.fail_times = 2;
    head[0] = fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS());
    fake_driver_kick(drv, head[0]);
    blk_rig_await_stop(&rig);
    rig.hold = true;
    head[1] = fake_driver_chain(drv, HDR(.type = READ, .sector = 1), IN(512), STATUS());
    fake_driver_kick(drv, head[1]);
    blk_rig_await_held(&rig, 1);

    /* The I/O thread is about to fail the second request when the retry is asked for. */
    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    rig.releasing = &entered;
    rig.go = &go;
    ck_assert_int_eq(pthread_create(&releasing, NULL, release_thread, &rig), 0);
    sem_wait(&entered);
    ck_assert_int_eq(pthread_create(&retrying, NULL, retry_thread, rig.dev), 0);
    while (load_acquire(&container_of(rig.dev, struct blk, dev)->stopped)) {
        cpu_relax();
    }
    sem_post(&go);
    pthread_join(releasing, NULL);
    pthread_join(retrying, NULL);
    fake_driver_await(drv, 2);
    ck_assert_uint_eq(fake_driver_status(drv, head[0]), OK);
    ck_assert_uint_eq(fake_driver_status(drv, head[1]), OK);
    ck_assert_uint_eq(rig.stops, 1);
    sem_destroy(&entered);
    sem_destroy(&go);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_retry_continues_where_the_disk_failed)
{
    uint16_t head;

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_STOP});
    rig.move_at_most = 1024;
    rig.fail_after = 3;
    head = chain(drv, WRITE, 0);
    fake_driver_kick(drv, head);
    blk_rig_await_stop(&rig);
    ck_assert_ptr_nonnull(strstr(rig.stopped, "write of 1024 bytes at 3072"));
    ck_assert_mem_eq(rig.disk, data, 3072);
    memset(rig.disk, 0, 3072);
    rig.fail = 0;
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head), OK);
    ck_assert_mem_eq(rig.disk + 3072, data, 1024);
    ck_assert_uint_eq(rig.disk[3071], 0);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_reset_fails_held_requests)
{
    uint16_t head[2];

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_STOP, .nr_queues = 2, .nr_iothreads = 2});
    rig.fail = -EIO;
    for (unsigned q = 0; q < 2; q++) {
        head[q] = chain(&rig.drv[q], WRITE, q * 8);
        fake_driver_kick(&rig.drv[q], head[q]);
    }
    while (blk_rig_stats(&rig).held < 2) {
        cpu_relax();
    }
    virtio_set_status(rig.dev, 0);
    for (unsigned q = 0; q < 2; q++) {
        ck_assert_int_eq(fake_driver_reap(&rig.drv[q]), head[q]);
        ck_assert_uint_eq(fake_driver_status(&rig.drv[q], head[q]), IOERR);
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).held, 0);
    rig.fail = 0;
    virtio_blk_retry(rig.dev); /* there is nothing */
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, WRITE, 0)), OK);
    blk_rig_destroy(&rig);
}
END_TEST

static unsigned handlers(void)
{
    static struct iothread_account account;
    unsigned live = 0;

    ck_assert_int_eq(iothread_get_account(rig.iothreads[0], 60000000000, &account), 0);
    for (unsigned i = 0; i < account.nr_handlers; i++) {
        live += account.handlers[i].live;
    }
    return live;
}

static void *reset(void *opaque)
{
    virtio_set_status(rig.dev, 0);
    return NULL;
}

/* The reset waits for the request, and no retry would follow. */
START_TEST(a_request_that_fails_during_a_reset_is_not_held)
{
    pthread_t thread;
    unsigned before;
    uint16_t head;

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_STOP});
    rig.fail = -EIO;
    rig.hold = true;
    head = chain(drv, WRITE, 0);
    fake_driver_kick(drv, head);
    blk_rig_await_held(&rig, 1);
    before = handlers();
    ck_assert_int_eq(pthread_create(&thread, NULL, reset, NULL), 0);
    while (handlers() == before) { /* until the queue takes no more kicks */
    }
    blk_rig_release(&rig);
    pthread_join(thread, NULL);
    ck_assert_int_eq(fake_driver_reap(drv), head);
    ck_assert_uint_eq(fake_driver_status(drv, head), IOERR);
    ck_assert_uint_eq(rig.stops, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* --- an image that was cut short --- */

/* Each retry would fail, so the machine would pause again and again. */
START_TEST(beyond_the_end_of_a_file_requests_fail_and_nothing_pauses)
{
    begin((struct blk_rig_options){
        .rerror = VIRTIO_BLK_STOP, .werror = VIRTIO_BLK_STOP, .align = _i ? 4096 : 1});
    rig.ends_at = 4096;
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, READ, 8)), IOERR);
    ck_assert_ptr_nonnull(strstr(rig.log, "shorter than it was; SIGHUP"));
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, WRITE, 9)), IOERR);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, READ, 0)), OK);
    ck_assert_uint_eq(rig.stops, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* --- the page cache --- */

/*
 * The kernel drops pages that it could not write and reports this once, so a retry of the flush
 * would succeed. A descriptor number makes the image one of a file; the engine is still the rig's.
 */
static const struct {
    enum virtio_blk_on_error werror;
    bool direct;
    uint8_t first, second;
    const char *page_cache;
} flushes[] = {
    {VIRTIO_BLK_REPORT, false, IOERR, IOERR, NULL},
    {VIRTIO_BLK_STOP, false, IOERR, IOERR, NULL},
    {VIRTIO_BLK_ENOSPC, false, IOERR, IOERR, NULL},
    {VIRTIO_BLK_IGNORE, false, OK, OK, NULL},
    {VIRTIO_BLK_REPORT, true, IOERR, OK, NULL},
    {VIRTIO_BLK_STOP, true, NONE, OK, NULL},
    {VIRTIO_BLK_STOP, true, IOERR, IOERR, "a loop device"},
};

START_TEST(after_a_failed_flush_of_the_page_cache_every_flush_fails)
{
    uint16_t head;

    begin((struct blk_rig_options){
        .werror = flushes[_i].werror,
        .image = {.fd = 0,
                  .align = 1,
                  .direct = flushes[_i].direct,
                  .page_cache = flushes[_i].page_cache,
                  .size = RIG_DISK_SIZE},
    });
    rig.fail = flushes[_i].werror == VIRTIO_BLK_ENOSPC ? -ENOSPC : -EIO;
    head = chain(drv, FLUSH, 0);
    fake_driver_kick(drv, head);
    if (flushes[_i].first == NONE) {
        blk_rig_await_stop(&rig);
        rig.fail = 0;
        virtio_blk_retry(rig.dev);
    }
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head),
                      flushes[_i].first == NONE ? OK : flushes[_i].first);
    ck_assert_uint_eq(rig.stops, flushes[_i].first == NONE);

    rig.fail = 0;
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, FLUSH, 0)), flushes[_i].second);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, WRITE, 0)), OK);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_flush_beside_one_that_failed_fails_too)
{
    uint16_t first, second;

    begin((struct blk_rig_options){
        .werror = VIRTIO_BLK_REPORT,
        .nr_queues = 2,
        .nr_iothreads = 2,
        .image = {.fd = 0, .align = 1, .size = RIG_DISK_SIZE},
    });
    rig.hold = true;
    second = chain(&rig.drv[1], FLUSH, 0);
    fake_driver_kick(&rig.drv[1], second);
    blk_rig_await_held(&rig, 1);
    rig.hold = false;
    rig.fail = -EIO;
    first = chain(drv, FLUSH, 0);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, first), IOERR);
    rig.fail = 0;
    blk_rig_release(&rig);
    fake_driver_await(&rig.drv[1], 1);
    ck_assert_uint_eq(fake_driver_status(&rig.drv[1], second), IOERR);
    blk_rig_destroy(&rig);
}
END_TEST

/* Completed, it is to be stable, though it was under way when the cache was on. */
START_TEST(a_write_in_flight_when_the_cache_is_switched_off_is_flushed)
{
    const uint8_t off = 0;
    uint64_t gpa;
    uint16_t head;

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_REPORT, .align = 512});
    gpa = fake_driver_alloc(drv, sizeof(data) + 1, 512) + _i;
    rig.hold = true;
    head = fake_driver_chain(drv, HDR(.type = WRITE), OUT_AT(gpa, sizeof(data)), STATUS());
    fake_driver_kick(drv, head);
    blk_rig_await_held(&rig, 1);
    virtio_config_write(rig.dev, offsetof(struct virtio_blk_config, wce), &off, 1);
    blk_rig_release(&rig);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head), OK);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).flushes, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).bounced, _i);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, READ, 0)), OK);
    blk_rig_destroy(&rig);
}
END_TEST

/* An eventfd cannot be flushed. */
START_TEST(a_failed_flush_as_the_cache_is_switched_off_is_final)
{
    const uint8_t off = 0, on = 1;
    int fd = eventfd(0, EFD_CLOEXEC);

    begin((struct blk_rig_options){
        .werror = VIRTIO_BLK_STOP,
        .image = {.fd = fd, .align = 1, .direct = _i, .size = RIG_DISK_SIZE},
    });
    virtio_config_write(rig.dev, offsetof(struct virtio_blk_config, wce), &off, 1);
    ck_assert_uint_eq(rig.log_lines, 1);
    virtio_config_write(rig.dev, offsetof(struct virtio_blk_config, wce), &on, 1);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, FLUSH, 0)), _i ? OK : IOERR);
    ck_assert_uint_eq(rig.stops, 0);
    blk_rig_destroy(&rig);
    close(fd);
}
END_TEST

static unsigned interrupts, syncs; /* of fdatasync(): to come, and calls so far */

int fdatasync(int fd)
{
    syncs++;
    if (interrupts) {
        interrupts--;
        errno = EINTR;
        return -1;
    }
    return ((__typeof__(&fdatasync))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

START_TEST(a_signal_during_the_flush_as_the_cache_is_switched_off_is_no_loss)
{
    const uint8_t off = 0, on = 1;
    int fd = memfd_create("pollux-errors", MFD_CLOEXEC);

    begin((struct blk_rig_options){
        .werror = VIRTIO_BLK_STOP,
        .image = {.fd = fd, .align = 1, .size = RIG_DISK_SIZE},
    });
    interrupts = 2;
    syncs = 0;
    virtio_config_write(rig.dev, offsetof(struct virtio_blk_config, wce), &off, 1);
    ck_assert_uint_eq(syncs, 3);
    ck_assert_uint_eq(rig.log_lines, 0);
    virtio_config_write(rig.dev, offsetof(struct virtio_blk_config, wce), &on, 1);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, chain(drv, FLUSH, 0)), OK);
    blk_rig_destroy(&rig);
    close(fd);
}
END_TEST

/* The machine may end with a held request. */
START_TEST(a_device_is_freed_with_held_requests)
{
    begin((struct blk_rig_options){.rerror = VIRTIO_BLK_STOP});
    rig.fail = -EIO;
    fake_driver_kick(drv, chain(drv, READ, 0));
    blk_rig_await_stop(&rig);
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_errors");
    TCase *errors = tcase_create("errors");

    tcase_add_loop_test(errors, an_error_becomes_what_the_action_says, 0,
                        sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(errors, a_retry_does_not_wait_for_a_thread_that_hangs);
    tcase_add_loop_test(errors, many_failures_ask_for_one_stop_and_all_are_retried, 0, 2);
    tcase_add_test(errors, a_request_that_fails_before_the_retry_runs_is_retried_too);
    tcase_add_test(errors, a_retry_continues_where_the_disk_failed);
    tcase_add_test(errors, a_reset_fails_held_requests);
    tcase_add_test(errors, a_request_that_fails_during_a_reset_is_not_held);
    tcase_add_test(errors, a_device_is_freed_with_held_requests);
    tcase_add_loop_test(errors, beyond_the_end_of_a_file_requests_fail_and_nothing_pauses, 0, 2);
    tcase_add_loop_test(errors, after_a_failed_flush_of_the_page_cache_every_flush_fails, 0,
                        sizeof(flushes) / sizeof(flushes[0]));
    tcase_add_test(errors, a_flush_beside_one_that_failed_fails_too);
    tcase_add_loop_test(errors, a_write_in_flight_when_the_cache_is_switched_off_is_flushed, 0, 2);
    tcase_add_loop_test(errors, a_failed_flush_as_the_cache_is_switched_off_is_final, 0, 2);
    tcase_add_test(errors, a_signal_during_the_flush_as_the_cache_is_switched_off_is_no_loss);
    suite_add_tcase(s, errors);
    return suite_run(s);
}

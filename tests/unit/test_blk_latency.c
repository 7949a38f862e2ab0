// SPDX-License-Identifier: MIT
/* Latency by stage: the histograms, and the requests that are in them. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define OK     VIRTIO_BLK_S_OK
#define IOERR  VIRTIO_BLK_S_IOERR
#define READ   VIRTIO_BLK_T_IN
#define WRITE  VIRTIO_BLK_T_OUT
#define STRIDE 4093 /* the longest */

/* --- histograms --- */

START_TEST(a_time_is_known_to_six_percent)
{
    for (uint64_t ns = 0; ns < 1ull << 40; ns = ns * 5 / 4 + 1) {
        struct blk_histogram h = {0};
        uint64_t median;

        blk_histogram_add(&h, ns, 1);
        blk_histogram_add(&h, 1ull << 50, 1); /* longer than any bucket */
        median = blk_histogram_quantile(&h, 0.5);
        ck_assert_uint_ge(median, ns);
        ck_assert_uint_le(median, ns + ns / 16);
        ck_assert_uint_ge(blk_histogram_quantile(&h, 1), (1ull << 40) - 1);
        ck_assert_uint_eq(h.max_ns, 1ull << 50);
    }
}
END_TEST

START_TEST(a_request_has_the_weight_of_those_it_represents)
{
    struct blk_histogram h = {0};

    ck_assert_uint_eq(blk_histogram_quantile(&h, 0.5), 0);
    ck_assert(blk_histogram_mean(&h) == 0);
    blk_histogram_add(&h, 10, 990);
    blk_histogram_add(&h, 1010, 10);
    ck_assert_uint_eq(h.timed, 2);
    ck_assert_uint_eq(h.requests, 1000);
    ck_assert(blk_histogram_mean(&h) == 20);
    ck_assert_uint_eq(blk_histogram_quantile(&h, 0), 10);
    ck_assert_uint_eq(blk_histogram_quantile(&h, 0.99), 10);
    ck_assert_uint_eq(blk_histogram_quantile(&h, 0.991), 1010);
}
END_TEST

/* --- of a device --- */

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];
static struct blk_latency latency;
static uint16_t heads[64];

static void begin(struct blk_rig_options options)
{
    options.queue_size = 256;
    blk_rig_init(&rig, &options);
    blk_rig_go_live(&rig);
}

static int nothing(void *opaque)
{
    return 0;
}

/* What the thread does after it has shown a request is done when it takes the next call. */
static void take_figures(void)
{
    for (unsigned i = 0; i < rig.nr_iothreads; i++) {
        iothread_call(rig.iothreads[i], nothing, NULL);
    }
    virtio_blk_get_latency(rig.dev, &latency);
}

static const struct blk_histogram *figures(enum blk_latency_op op, enum blk_latency_stage stage)
{
    return &latency.of[op][stage];
}

static void expect_that_stages_add_up(void)
{
    for (unsigned op = 0; op < BLK_LATENCY_OPS; op++) {
        const struct blk_histogram *total = figures(op, BLK_SEEN_TO_USED);
        uint64_t sum = 0;

        for (unsigned i = 0; i < BLK_SEEN_TO_USED; i++) {
            const struct blk_histogram *h = figures(op, i);

            ck_assert_uint_eq(h->timed, total->timed);
            ck_assert_uint_eq(h->requests, total->requests);
            ck_assert_uint_le(h->max_ns, total->max_ns);
            sum += h->sum_ns;
        }
        ck_assert_uint_eq(sum, total->sum_ns);
    }
}

static void expect_requests(unsigned reads, unsigned writes, unsigned flushes, unsigned ranges)
{
    take_figures();
    expect_that_stages_add_up();
    ck_assert_uint_eq(figures(BLK_LATENCY_READ, BLK_SEEN_TO_USED)->requests, reads);
    ck_assert_uint_eq(figures(BLK_LATENCY_WRITE, BLK_SEEN_TO_USED)->requests, writes);
    ck_assert_uint_eq(figures(BLK_LATENCY_FLUSH, BLK_SEEN_TO_USED)->requests, flushes);
    ck_assert_uint_eq(figures(BLK_LATENCY_RANGES, BLK_SEEN_TO_USED)->requests, ranges);
}

static uint16_t chain(uint32_t type, uint64_t sector)
{
    static const struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};
    static const uint8_t ones[1024] = {1};

    switch (type) {
    case READ:
        return fake_driver_chain(drv, HDR(.type = READ, .sector = sector), IN(1024), STATUS());
    case WRITE:
        return fake_driver_chain(drv, HDR(.type = WRITE, .sector = sector),
                                 OUT_BYTES(ones, sizeof(ones)), STATUS());
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        return fake_driver_chain(drv, HDR(.type = type), OUT_BYTES(&range, sizeof(range)),
                                 STATUS());
    default:
        return fake_driver_chain(drv, HDR(.type = type), IN(VIRTIO_BLK_SERIAL_MAX), STATUS());
    }
}

static int offer_in_thread(void *opaque)
{
    for (unsigned i = 0; i < *(unsigned *)opaque; i++) {
        fake_driver_offer(drv, heads[i]);
    }
    return eventfd_write(drv->kick_fd, 1);
}

/* The first batch that a queue takes, up to 16 requests, is timed whole. */
static void offer(unsigned n)
{
    ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_in_thread, &n), 0);
}

static void offer_row(uint32_t type, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        heads[i] = chain(type, 100 + 2 * i);
    }
    offer(n);
}

static void expect_status(unsigned n, uint8_t status)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(fake_driver_status(drv, heads[i]), status);
    }
}

START_TEST(operations_are_separate_and_stages_add_up)
{
    static const uint32_t types[] = {READ,
                                     READ,
                                     READ,
                                     WRITE,
                                     WRITE,
                                     VIRTIO_BLK_T_FLUSH,
                                     VIRTIO_BLK_T_DISCARD,
                                     VIRTIO_BLK_T_WRITE_ZEROES,
                                     VIRTIO_BLK_T_GET_ID};
    const unsigned n = sizeof(types) / sizeof(types[0]);

    begin((struct blk_rig_options){.packed = _i & 1, .merge = _i & 2, .discard = true});
    for (unsigned i = 0; i < n; i++) {
        heads[i] = chain(types[i], 300 * i);
    }
    offer(n);
    fake_driver_await(drv, n);
    expect_status(n, OK);
    expect_requests(3, 2, 1, 2); /* an identification needs no disk */
    blk_rig_destroy(&rig);
}
END_TEST

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Whatever the engine does with it, in how many pieces. */
START_TEST(time_in_the_engine_is_between_submitted_and_completed)
{
    uint64_t offered, held, released, used;

    begin((struct blk_rig_options){.packed = _i & 1});
    rig.hold = true;
    rig.move_at_most = _i & 2 ? 512 : 0;
    offered = now_ns();
    offer_row(READ, 1);
    blk_rig_await_held(&rig, 1);
    held = now_ns();
    while (now_ns() < held + 2000000) {
        cpu_relax();
    }
    released = now_ns();
    blk_rig_release(&rig);
    fake_driver_await(drv, 1);
    expect_requests(1, 0, 0, 0);
    used = now_ns();
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), _i & 2 ? 2 : 1);
    ck_assert_uint_ge(figures(BLK_LATENCY_READ, BLK_SUBMITTED_TO_COMPLETED)->max_ns,
                      released - held);
    ck_assert_uint_le(figures(BLK_LATENCY_READ, BLK_SEEN_TO_SUBMITTED)->max_ns, held - offered);
    ck_assert_uint_le(figures(BLK_LATENCY_READ, BLK_COMPLETED_TO_USED)->max_ns, used - released);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_wait_for_a_bounce_buffer_is_before_submitted)
{
    begin((struct blk_rig_options){.align = 512});
    rig.hold = true;
    for (unsigned i = 0; i < 16; i++) { /* they take all there are */
        heads[i] = fake_driver_chain(drv, HDR(.type = READ), IN_AT(0x200001, 512), STATUS());
    }
    offer(16);
    blk_rig_await_held(&rig, 16);
    heads[0] = fake_driver_chain(drv, HDR(.type = WRITE), OUT_AT(0x200001, 512), STATUS());
    fake_driver_kick(drv, heads[0]);
    do {
        take_figures();
    } while (blk_rig_stats(&rig).bounced < 17);
    ck_assert_uint_eq(figures(BLK_LATENCY_READ, BLK_SEEN_TO_USED)->requests, 0);
    blk_rig_release(&rig);
    fake_driver_await(drv, 17);
    expect_requests(16, 1, 0, 0);
    ck_assert_uint_le(figures(BLK_LATENCY_READ, BLK_SEEN_TO_SUBMITTED)->max_ns,
                      figures(BLK_LATENCY_READ, BLK_SUBMITTED_TO_COMPLETED)->max_ns);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(merged_requests_count_once_each)
{
    begin((struct blk_rig_options){.merge = true});
    offer_row(_i ? WRITE : READ, 8);
    fake_driver_await(drv, 8);
    expect_status(8, OK);
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), 1);
    expect_requests(_i ? 0 : 8, _i ? 8 : 0, 0, 0);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_run_that_was_split_counts_each_of_its_requests_once)
{
    begin((struct blk_rig_options){.merge = true});
    rig.bad_from = 104 * SECTOR_SIZE;
    rig.bad_to = 105 * SECTOR_SIZE;
    offer_row(WRITE, 8);
    fake_driver_await(drv, 8);
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), 9);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 7);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 1);
    expect_requests(0, 8, 0, 0);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_request_that_takes_several_tries_counts_once)
{
    begin((struct blk_rig_options){.align = _i ? 512 : 1});
    rig.move_at_most = 512;
    heads[0] =
        fake_driver_chain(drv, HDR(.type = READ), IN_AT(0x200000 + (unsigned)_i, 2048), STATUS());
    offer(1);
    fake_driver_await(drv, 1);
    expect_status(1, OK);
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), 4);
    expect_requests(1, 0, 0, 0);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(failed_requests_count_and_refused_ones_do_not)
{
    begin((struct blk_rig_options){.merge = _i});
    rig.fail = -EIO;
    for (unsigned i = 0; i < 4; i++) {
        heads[i] = chain(i & 1 ? READ : WRITE, 300 * i);
    }
    heads[4] = chain(READ, RIG_DISK_SIZE / SECTOR_SIZE); /* never gets to the engine */
    offer(5);
    fake_driver_await(drv, 5);
    expect_status(5, IOERR);
    expect_requests(2, 2, 0, 0);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 5);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(held_requests_do_not_count)
{
    begin((struct blk_rig_options){.rerror = VIRTIO_BLK_STOP});
    rig.fail = -EIO;
    offer_row(READ, 2);
    blk_rig_await_stop(&rig);
    do {
        take_figures(); /* after it the disk's memory is ours again */
    } while (blk_rig_stats(&rig).held < 2);
    rig.fail = 0;
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 2);
    expect_status(2, OK);
    expect_requests(0, 0, 0, 0);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 2);
    blk_rig_destroy(&rig);
}
END_TEST

/* Back to back: soon not all requests are timed, and the timed ones represent all. */
START_TEST(timed_requests_represent_all)
{
    const struct blk_histogram *total = figures(BLK_LATENCY_READ, BLK_SEEN_TO_USED);
    unsigned done = 0;
    uint64_t brk;

    begin((struct blk_rig_options){.packed = _i});
    brk = drv->brk;
    do {
        drv->brk = brk; /* the same buffers again */
        offer_row(READ, 60);
        fake_driver_await(drv, 60);
        for (unsigned i = 0; i < 60; i++) {
            fake_driver_release(drv, heads[i]);
        }
        done += 60;
        take_figures();
        expect_that_stages_add_up();
        ck_assert_uint_ge(total->requests, done);
        ck_assert_uint_lt(total->requests, done + STRIDE);
    } while (done < 60000 && (done < 3000 || total->timed == done));
    ck_assert_uint_lt(total->timed, done);
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_latency");
    TCase *histograms = tcase_create("histograms"), *device = tcase_create("device");

    suite_add_tcase(s, histograms);
    tcase_add_test(histograms, a_time_is_known_to_six_percent);
    tcase_add_test(histograms, a_request_has_the_weight_of_those_it_represents);
    suite_add_tcase(s, device);
    tcase_add_loop_test(device, operations_are_separate_and_stages_add_up, 0, 4);
    tcase_add_loop_test(device, time_in_the_engine_is_between_submitted_and_completed, 0, 4);
    tcase_add_test(device, a_wait_for_a_bounce_buffer_is_before_submitted);
    tcase_add_loop_test(device, merged_requests_count_once_each, 0, 2);
    tcase_add_test(device, a_run_that_was_split_counts_each_of_its_requests_once);
    tcase_add_loop_test(device, a_request_that_takes_several_tries_counts_once, 0, 2);
    tcase_add_loop_test(device, failed_requests_count_and_refused_ones_do_not, 0, 2);
    tcase_add_test(device, held_requests_do_not_count);
    tcase_add_loop_test(device, timed_requests_represent_all, 0, 2);
    return suite_run(s);
}

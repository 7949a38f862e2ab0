// SPDX-License-Identifier: MIT
/* Adjacent requests of one turn reach the engine as one, and are split again after an error. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define OK    VIRTIO_BLK_S_OK
#define IOERR VIRTIO_BLK_S_IOERR
#define READ  VIRTIO_BLK_T_IN
#define WRITE VIRTIO_BLK_T_OUT
#define MAX   40

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

struct ask {
    uint32_t type;
    uint64_t sector;
    uint32_t len;
};

static uint16_t heads[MAX];
static uint8_t contents[MAX][4096]; /* of what is written */

static void begin(struct blk_rig_options options)
{
    options.queue_size = 256;
    blk_rig_init(&rig, &options);
    for (unsigned i = 0; i < RIG_DISK_SIZE; i++) {
        rig.disk[i] = (uint8_t)(i * 7 + (i >> 9));
    }
    blk_rig_go_live(&rig);
}

static uint16_t chain(const struct ask *ask, unsigned i)
{
    memset(contents[i], (int)(0x40 + i), ask->len);
    if (ask->type == WRITE) {
        return fake_driver_chain(drv, HDR(.type = WRITE, .sector = ask->sector),
                                 OUT_BYTES(contents[i], ask->len / 2),
                                 OUT_BYTES(contents[i], ask->len / 2), STATUS());
    }
    return fake_driver_chain(drv, HDR(.type = ask->type, .sector = ask->sector), IN(ask->len / 2),
                             IN(ask->len / 2), STATUS());
}

static int offer_in_thread(void *opaque)
{
    for (unsigned i = 0; i < *(unsigned *)opaque; i++) {
        fake_driver_offer(drv, heads[i]);
    }
    return eventfd_write(drv->kick_fd, 1);
}

/* In the loop's own thread: it sees either none of them or all. */
static void offer_at_once(const struct ask *asks, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        heads[i] = chain(&asks[i], i);
    }
    ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_in_thread, &n), 0);
}

/* Offer and wait. Return: how many requests the engine was given. */
static unsigned do_all(const struct ask *asks, unsigned n)
{
    unsigned before = load_relaxed(&rig.submitted[0]);

    offer_at_once(asks, n);
    fake_driver_await(drv, n);
    return load_relaxed(&rig.submitted[0]) - before;
}

static void expect_data(const struct ask *asks, unsigned i)
{
    const uint8_t *at = rig.disk + asks[i].sector * SECTOR_SIZE;

    ck_assert_msg(fake_driver_status(drv, heads[i]) == OK, "request %u", i);
    if (asks[i].type == READ) {
        ck_assert_mem_eq(fake_driver_buf(drv, heads[i], 1), at, asks[i].len / 2);
        ck_assert_mem_eq(fake_driver_buf(drv, heads[i], 2), at + asks[i].len / 2, asks[i].len / 2);
        ck_assert_uint_eq(fake_driver_used_len(drv, heads[i]), asks[i].len + 1);
    } else {
        ck_assert_mem_eq(at, contents[i], asks[i].len);
        ck_assert_uint_eq(fake_driver_used_len(drv, heads[i]), 1);
    }
}

static void in_a_row(struct ask *asks, unsigned n, uint32_t type)
{
    for (unsigned i = 0; i < n; i++) {
        asks[i] = (struct ask){type, 100 + i * 2, 1024};
    }
}

START_TEST(adjacent_requests_are_one_for_the_host)
{
    struct ask asks[8];

    begin((struct blk_rig_options){.merge = true, .event_idx = _i});
    in_a_row(asks, 8, READ);
    ck_assert_uint_eq(do_all(asks, 8), 1);
    for (unsigned i = 0; i < 8; i++) {
        expect_data(asks, i);
    }
    in_a_row(asks, 8, WRITE);
    ck_assert_uint_eq(do_all(asks, 8), 1);
    for (unsigned i = 0; i < 8; i++) {
        expect_data(asks, i);
    }
    ck_assert_uint_eq(rig.disk[100 * 512 - 1], (uint8_t)((100 * 512 - 1) * 7 + 99));
    ck_assert_uint_eq(blk_rig_stats(&rig).merged, 14);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 8);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 8);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_bytes, 8 * 1024);
    ck_assert_uint_eq(blk_rig_stats(&rig).in_flight, 0);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(without_merging_each_is_one_for_the_host)
{
    struct ask asks[8];

    begin((struct blk_rig_options){0});
    in_a_row(asks, 8, READ);
    ck_assert_uint_eq(do_all(asks, 8), 8);
    ck_assert_uint_eq(blk_rig_stats(&rig).merged, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* Another direction, a gap, a step back, the same place twice; a flush and a bad one between. */
START_TEST(only_adjacent_requests_are_merged)
{
    static const struct ask asks[] = {
        {READ, 10, 1024}, {READ, 12, 512},      {WRITE, 13, 512}, {WRITE, 14, 512},
        {READ, 20, 512},  {READ, 22, 512},      {READ, 21, 512},  {READ, 21, 512},
        {READ, 30, 512},  {READ, 1 << 30, 512}, {READ, 31, 512},
    };

    begin((struct blk_rig_options){.merge = true});
    /* 10+12, 13+14, 20, 22, 21, 21, 30+31 */
    ck_assert_uint_eq(do_all(asks, 11), 7);
    for (unsigned i = 0; i < 11; i++) {
        if (i != 9) {
            expect_data(asks, i);
        }
    }
    ck_assert_uint_eq(fake_driver_status(drv, heads[9]), IOERR);
    ck_assert_uint_eq(blk_rig_stats(&rig).merged, 3);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_run_is_bounded)
{
    static uint8_t big[700 * 1024];
    uint16_t h[2];
    uint32_t parts = 64;
    unsigned before;

    begin((struct blk_rig_options){.merge = true});
    /* By bytes: two of 700 KiB are more than 1 MiB. By buffers: 3 of 64 are more than fit. */
    for (unsigned i = 0; i < 2; i++) {
        heads[i] =
            fake_driver_chain(drv, HDR(.type = WRITE, .sector = i * sizeof(big) / SECTOR_SIZE),
                              OUT_BYTES(big, sizeof(big)), STATUS());
        h[i] = heads[i];
    }
    before = load_relaxed(&rig.submitted[0]);
    ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_in_thread, &(unsigned){2}), 0);
    fake_driver_await(drv, 2);
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), before + 2);
    for (unsigned i = 0; i < 2; i++) {
        fake_driver_release(drv, h[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct fake_buf bufs[66] = {HDR(.type = READ, .sector = i * parts)};

        for (unsigned k = 1; k <= parts; k++) {
            bufs[k] = (struct fake_buf)IN(512);
        }
        bufs[parts + 1] = (struct fake_buf)STATUS();
        heads[i] = fake_driver_build(drv, true, bufs, parts + 2);
    }
    before = load_relaxed(&rig.submitted[0]);
    ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_in_thread, &(unsigned){3}), 0);
    fake_driver_await(drv, 3);
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), before + 2);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < parts; k++) {
            ck_assert_mem_eq(fake_driver_buf(drv, heads[i], k + 1),
                             rig.disk + (i * parts + k) * 512, 512);
        }
    }
    blk_rig_destroy(&rig);
}
END_TEST

static uint16_t read_in_parts(uint64_t sector, unsigned parts)
{
    struct fake_buf bufs[VIRTQ_IOV_MAX] = {HDR(.type = READ, .sector = sector)};

    for (unsigned i = 1; i <= parts; i++) {
        bufs[i] = (struct fake_buf)IN(512);
    }
    bufs[parts + 1] = (struct fake_buf)STATUS();
    return fake_driver_build(drv, true, bufs, parts + 2);
}

/* The buffers of a run are in the vector of its first chain, behind the header. */
START_TEST(a_run_fills_the_vector_of_its_first_chain_to_the_last_entry)
{
    const unsigned first = 64, room = VIRTQ_IOV_MAX - 1 - first;

    begin((struct blk_rig_options){.merge = true});
    for (unsigned too_many = 0; too_many < 2; too_many++) {
        unsigned before = load_relaxed(&rig.submitted[0]);

        heads[0] = read_in_parts(0, first);
        heads[1] = read_in_parts(first, room + too_many);
        ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_in_thread, &(unsigned){2}), 0);
        fake_driver_await(drv, 2);
        ck_assert_uint_eq(load_relaxed(&rig.submitted[0]) - before, 1 + too_many);
        for (unsigned i = 0; i < room + too_many; i++) {
            ck_assert_mem_eq(fake_driver_buf(drv, heads[1], i + 1), rig.disk + (first + i) * 512,
                             512);
        }
    }
    blk_rig_destroy(&rig);
}
END_TEST

/* --- errors and short transfers --- */

START_TEST(of_a_failed_run_only_the_bad_request_fails)
{
    struct ask asks[8];

    begin((struct blk_rig_options){.merge = true});
    in_a_row(asks, 8, _i ? WRITE : READ);
    rig.bad_from = asks[5].sector * SECTOR_SIZE + 600;
    rig.bad_to = rig.bad_from + 1;
    ck_assert_uint_eq(do_all(asks, 8), 9); /* once together, then each alone */
    for (unsigned i = 0; i < 8; i++) {
        if (i != 5) {
            expect_data(asks, i);
        }
    }
    ck_assert_uint_eq(fake_driver_status(drv, heads[5]), IOERR);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 1);
    ck_assert_uint_eq(rig.log_lines, 1);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(of_a_run_that_the_engine_refuses_each_is_done_singly)
{
    struct ask asks[3];

    begin((struct blk_rig_options){.merge = true});
    in_a_row(asks, 3, READ);
    rig.refuse = 1;
    ck_assert_uint_eq(do_all(asks, 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        expect_data(asks, i);
    }
    blk_rig_destroy(&rig);
}
END_TEST

/* In the middle of the third one, and at its beginning. */
START_TEST(after_a_short_transfer_the_rest_is_submitted_singly)
{
    struct ask asks[8];

    begin((struct blk_rig_options){.merge = true});
    in_a_row(asks, 8, _i & 1 ? WRITE : READ);
    asks[7].len = 512; /* as much as is left of what was moved, but not the same bytes */
    rig.move_at_most = _i & 2 ? 2048 : 2560;
    ck_assert_uint_eq(do_all(asks, 8), 1 + 6);
    for (unsigned i = 0; i < 8; i++) {
        expect_data(asks, i);
    }
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(requests_of_a_run_beyond_the_end_of_the_file_fail)
{
    struct ask asks[4];

    begin((struct blk_rig_options){.merge = true});
    in_a_row(asks, 4, READ);
    rig.ends_at = asks[2].sector * SECTOR_SIZE;
    do_all(asks, 4);
    expect_data(asks, 0);
    expect_data(asks, 1);
    ck_assert_uint_eq(fake_driver_status(drv, heads[2]), IOERR);
    ck_assert_uint_eq(fake_driver_status(drv, heads[3]), IOERR);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_reset_waits_for_a_run)
{
    struct ask asks[8];

    begin((struct blk_rig_options){.merge = true});
    in_a_row(asks, 8, READ);
    rig.hold = true;
    offer_at_once(asks, 8);
    blk_rig_await_held(&rig, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).in_flight, 8);
    blk_rig_release(&rig);
    virtio_set_status(rig.dev, 0);
    ck_assert_uint_eq(drv->used->idx, 8);
    blk_rig_destroy(&rig);
}
END_TEST

/* The chain after it has no status byte. The run before it is not forgotten. */
START_TEST(a_run_is_submitted_though_the_queue_breaks_behind_it)
{
    struct ask asks[4];
    unsigned n = 5;

    begin((struct blk_rig_options){.merge = true});
    in_a_row(asks, 4, READ);
    for (unsigned i = 0; i < 4; i++) {
        heads[i] = chain(&asks[i], i);
    }
    heads[4] = fake_driver_chain(drv, HDR(.type = READ));
    ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_in_thread, &n), 0);
    fake_driver_await(drv, 4);
    for (unsigned i = 0; i < 4; i++) {
        expect_data(asks, i);
    }
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), 1);
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_merge");
    TCase *merge = tcase_create("merge");

    tcase_add_loop_test(merge, adjacent_requests_are_one_for_the_host, 0, 2);
    tcase_add_test(merge, without_merging_each_is_one_for_the_host);
    tcase_add_test(merge, only_adjacent_requests_are_merged);
    tcase_add_test(merge, a_run_is_bounded);
    tcase_add_test(merge, a_run_fills_the_vector_of_its_first_chain_to_the_last_entry);
    tcase_add_loop_test(merge, of_a_failed_run_only_the_bad_request_fails, 0, 2);
    tcase_add_test(merge, of_a_run_that_the_engine_refuses_each_is_done_singly);
    tcase_add_loop_test(merge, after_a_short_transfer_the_rest_is_submitted_singly, 0, 4);
    tcase_add_test(merge, requests_of_a_run_beyond_the_end_of_the_file_fail);
    tcase_add_test(merge, a_reset_waits_for_a_run);
    tcase_add_test(merge, a_run_is_submitted_though_the_queue_breaks_behind_it);
    suite_add_tcase(s, merge);
    return suite_run(s);
}

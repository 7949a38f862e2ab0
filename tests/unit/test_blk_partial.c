// SPDX-License-Identifier: MIT
/* The guest's blocks have 512 bytes, those of the host 4096, and its engine takes no others. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define OK     VIRTIO_BLK_S_OK
#define IOERR  VIRTIO_BLK_S_IOERR
#define READ   VIRTIO_BLK_T_IN
#define WRITE  VIRTIO_BLK_T_OUT
#define BLOCK  4096
#define SECTOR 512

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];
static uint8_t model[RIG_DISK_SIZE];
static uint8_t data[128 * 1024];

static void begin(struct blk_rig_options options)
{
    options.align = BLOCK;
    options.discard = true;
    blk_rig_init(&rig, &options);
    blk_rig_go_live(&rig);
    for (unsigned i = 0; i < RIG_DISK_SIZE; i++) {
        rig.disk[i] = model[i] = (uint8_t)(i / SECTOR * 7 + i);
    }
    memset(data, 0x5a, sizeof(data));
}

static void end(void)
{
    ck_assert_mem_eq(rig.disk, model, RIG_DISK_SIZE);
    blk_rig_destroy(&rig);
}

static uint16_t write_chain(uint64_t sector, uint32_t len)
{
    memcpy(model + sector * SECTOR, data, len);
    return fake_driver_chain(drv, HDR(.type = WRITE, .sector = sector), OUT_BYTES(data, len),
                             STATUS());
}

static uint8_t on_range(uint32_t type, uint64_t sector, uint32_t nr)
{
    struct virtio_blk_discard_write_zeroes range = {.sector = sector, .num_sectors = nr};

    return blk_rig_do(
        &rig, 0,
        fake_driver_chain(drv, HDR(.type = type), OUT_BYTES(&range, sizeof(range)), STATUS()));
}

/* In one block, at its begin, its end, over two, with whole ones between, more than a buffer. */
static const struct {
    uint64_t sector;
    uint32_t sectors;
} places[] = {{3, 1},  {8, 1},   {15, 1},   {7, 2},
              {1, 7},  {5, 20},  {8, 16},   {8, 9},
              {6, 10}, {0, 129}, {3, 256},  {8, 128},
              {1, 1},  {4, 12},  {12, 140}, {RIG_DISK_SIZE / SECTOR - 1, 1}};
#define NR_PLACES (int)(sizeof(places) / sizeof(places[0]))

START_TEST(a_write_changes_what_it_names_and_nothing_else)
{
    begin((struct blk_rig_options){0});
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, write_chain(places[_i].sector, places[_i].sectors * SECTOR)), OK);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_bytes, places[_i].sectors * SECTOR);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 0);
    end();
}
END_TEST

START_TEST(a_read_finds_what_is_there)
{
    uint32_t len = places[_i].sectors * SECTOR;
    uint16_t head;

    begin((struct blk_rig_options){0});
    head = fake_driver_chain(drv, HDR(.type = READ, .sector = places[_i].sector), IN(512),
                             IN(len - 512 ? len - 512 : 512), STATUS());
    if (len == 512) {
        head = fake_driver_chain(drv, HDR(.type = READ, .sector = places[_i].sector), IN(512),
                                 STATUS());
    }
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), model + places[_i].sector * SECTOR, 512);
    if (len > 512) {
        ck_assert_mem_eq(fake_driver_buf(drv, head, 2), model + places[_i].sector * SECTOR + 512,
                         len - 512);
    }
    ck_assert_uint_eq(fake_driver_used_len(drv, head), len + 1);
    end();
}
END_TEST

START_TEST(write_zeroes_keeps_to_its_range)
{
    begin((struct blk_rig_options){0});
    ck_assert_uint_eq(on_range(VIRTIO_BLK_T_WRITE_ZEROES, places[_i].sector, places[_i].sectors),
                      OK);
    memset(model + places[_i].sector * SECTOR, 0, places[_i].sectors * SECTOR);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_zeroes, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_zeroes_bytes, places[_i].sectors * SECTOR);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 0);
    end();
}
END_TEST

START_TEST(a_discard_frees_whole_blocks_of_its_range_only)
{
    uint64_t from = (places[_i].sector * SECTOR + BLOCK - 1) / BLOCK * BLOCK;
    uint64_t to = (places[_i].sector + places[_i].sectors) * SECTOR / BLOCK * BLOCK;

    begin((struct blk_rig_options){0});
    ck_assert_uint_eq(on_range(VIRTIO_BLK_T_DISCARD, places[_i].sector, places[_i].sectors), OK);
    if (to > from) {
        memset(model + from, 0xdd, to - from);
    }
    ck_assert_uint_eq(rig.discards, to > from);
    end();
}
END_TEST

/* What detect-zeroes finds is written as zeroes only if whole blocks are. */
START_TEST(zeroes_that_are_written_to_a_part_of_a_block_are_found_there)
{
    begin((struct blk_rig_options){.detect_zeroes = VIRTIO_BLK_DETECT_ON});
    memset(data, 0, sizeof(data));
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(3, 1024)), OK);
    ck_assert_uint_eq(rig.zeroes, 0);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(16, 8192)), OK);
    ck_assert_uint_eq(rig.zeroes, 1);
    end();
}
END_TEST

START_TEST(whole_blocks_are_not_read_before_they_are_written)
{
    begin((struct blk_rig_options){0});
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(8, 2 * BLOCK)), OK);
    ck_assert_uint_eq(rig.submitted[0], 1);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(8, BLOCK + SECTOR)), OK);
    ck_assert_uint_eq(rig.submitted[0], 1 + 1 + 2);
    end();
}
END_TEST

/* The second request must read what the first has written. */
START_TEST(two_writes_of_one_block_follow_each_other)
{
    uint16_t head[2];

    begin((struct blk_rig_options){0});
    rig.hold = true;
    for (unsigned i = 0; i < 2; i++) {
        head[i] = write_chain(3 + i, SECTOR);
        fake_driver_kick(drv, head[i]);
    }
    blk_rig_await_held(&rig, 1);
    blk_rig_release(&rig);
    fake_driver_await(drv, 2);
    ck_assert_uint_eq(fake_driver_status(drv, head[0]) + fake_driver_status(drv, head[1]), OK);
    ck_assert_uint_eq(rig.submitted[0], 4);
    end();
}
END_TEST

/* --- beside requests that change whole blocks --- */

enum whole { STRAIGHT, BOUNCED, ZEROES, DISCARD, MERGED, NR_WHOLE };

static uint16_t write_of_whole(unsigned first, unsigned nr, uint64_t gpa)
{
    return fake_driver_chain(drv, HDR(.type = WRITE, .sector = first * BLOCK / SECTOR),
                             OUT_AT(gpa, nr * BLOCK), STATUS());
}

/* In the I/O thread, so that it finds both in one turn and merges them. */
static int offer_two(void *opaque)
{
    const uint64_t *gpa = opaque;

    for (unsigned i = 0; i < 2; i++) {
        fake_driver_offer(drv, write_of_whole(i, 1, *gpa + i * BLOCK));
    }
    return eventfd_write(drv->kick_fd, 1);
}

/* Changes host blocks 0 and 1 as a whole. Return: the number of the driver's requests for that. */
static unsigned kick_whole(enum whole kind)
{
    struct virtio_blk_discard_write_zeroes range = {.num_sectors = 2 * BLOCK / SECTOR};
    uint64_t gpa = fake_driver_alloc(drv, 2 * BLOCK + 1, BLOCK) + (kind == BOUNCED);
    uint32_t type = kind == ZEROES ? VIRTIO_BLK_T_WRITE_ZEROES : VIRTIO_BLK_T_DISCARD;

    memset(fake_driver_at(drv, gpa), 0xa5, 2 * BLOCK);
    memset(model, kind == ZEROES ? 0 : kind == DISCARD ? 0xdd : 0xa5, 2 * BLOCK);
    if (kind == ZEROES || kind == DISCARD) {
        fake_driver_kick(drv, fake_driver_chain(drv, HDR(.type = type),
                                                OUT_BYTES(&range, sizeof(range)), STATUS()));
        return 1;
    }
    if (kind == MERGED) {
        ck_assert_int_eq(iothread_call(rig.iothreads[0], offer_two, &gpa), 0);
        return 2;
    }
    fake_driver_kick(drv, write_of_whole(0, 2, gpa));
    return 1;
}

static int nothing(void *opaque)
{
    return 0;
}

/* Waits until the I/O thread has taken @n requests and has ended that turn. */
static void await_taken(unsigned n)
{
    while (blk_rig_stats(&rig).in_flight < n) {
    }
    iothread_call(rig.iothreads[0], nothing, NULL);
}

static void release_and_await(unsigned n)
{
    blk_rig_release(&rig);
    fake_driver_await(drv, n);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 0);
    end();
}

/* Otherwise the write of the part would put the old rest of the block back. */
START_TEST(a_change_of_whole_blocks_waits_for_a_write_of_a_part)
{
    unsigned nr;

    begin((struct blk_rig_options){.merge = _i == MERGED});
    rig.hold = true;
    fake_driver_kick(drv, write_chain(3, SECTOR));
    blk_rig_await_held(&rig, 1);
    nr = kick_whole(_i);
    await_taken(1 + nr);
    ck_assert_uint_eq(rig.submitted[0], 1);
    release_and_await(1 + nr);
}
END_TEST

START_TEST(a_write_of_a_part_waits_for_a_change_of_its_whole_block)
{
    unsigned nr, submitted;

    begin((struct blk_rig_options){.merge = _i == MERGED});
    rig.hold = true;
    nr = kick_whole(_i);
    await_taken(nr);
    submitted = rig.submitted[0];
    ck_assert_uint_ge(submitted, 1);
    fake_driver_kick(drv, write_chain(11, SECTOR));
    await_taken(nr + 1);
    ck_assert_uint_eq(rig.submitted[0], submitted);
    release_and_await(nr + 1);
}
END_TEST

START_TEST(changes_of_whole_blocks_do_not_wait_for_each_other_but_in_turn_with_parts)
{
    begin((struct blk_rig_options){0});
    rig.hold = true;
    kick_whole(ZEROES);
    kick_whole(STRAIGHT);
    fake_driver_kick(drv, write_chain(64, BLOCK));
    blk_rig_await_held(&rig, 3);
    fake_driver_kick(drv, write_chain(3, SECTOR));
    fake_driver_kick(drv, write_chain(12, SECTOR));
    kick_whole(BOUNCED);
    kick_whole(STRAIGHT);
    fake_driver_kick(drv, write_chain(5, SECTOR));
    await_taken(8);
    ck_assert_uint_eq(rig.submitted[0], 3);
    release_and_await(8);
}
END_TEST

START_TEST(a_whole_write_that_fails_frees_its_blocks)
{
    begin((struct blk_rig_options){.werror = VIRTIO_BLK_STOP});
    rig.fail = -EIO;
    rig.fail_times = 1;
    kick_whole(STRAIGHT);
    blk_rig_await_stop(&rig);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(3, SECTOR)), OK);
    memset(model, 0xa5, 2 * BLOCK);
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 1);
    end();
}
END_TEST

START_TEST(a_block_that_cannot_be_read_fails_the_write_and_frees_the_block)
{
    begin((struct blk_rig_options){.werror = VIRTIO_BLK_REPORT});
    rig.fail = -EIO;
    ck_assert_uint_eq(blk_rig_do(&rig, 0,
                                 fake_driver_chain(drv, HDR(.type = WRITE, .sector = 3),
                                                   OUT_BYTES(data, 512), STATUS())),
                      IOERR);
    ck_assert_msg(strstr(rig.log, "write of 512 bytes at 1536 failed"), "%s", rig.log);
    rig.fail = 0;
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(4, SECTOR)), OK);
    end();
}
END_TEST

/* The read of the block, or its write. */
START_TEST(a_write_of_a_part_that_the_engine_refuses_fails_and_frees_the_block)
{
    begin((struct blk_rig_options){.werror = VIRTIO_BLK_REPORT});
    rig.refuse = _i + 1;
    ck_assert_uint_eq(blk_rig_do(&rig, 0,
                                 fake_driver_chain(drv, HDR(.type = WRITE, .sector = 3),
                                                   OUT_BYTES(data, 512), STATUS())),
                      IOERR);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, write_chain(4, SECTOR)), OK);
    end();
}
END_TEST

/* The @i-th request of the engine fails, and all after it. */
static void fail_from(unsigned i)
{
    rig.fail = i ? 0 : -EIO;
    rig.fail_after = i;
}

START_TEST(a_held_write_is_retried_from_its_read_and_others_do_not_wait)
{
    uint16_t head[2];

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_STOP});
    fail_from(_i);
    head[0] = write_chain(3, SECTOR);
    fake_driver_kick(drv, head[0]);
    blk_rig_await_stop(&rig);
    rig.fail = 0;
    head[1] = write_chain(4, SECTOR);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head[1]), OK);
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head[0]), OK);
    end();
}
END_TEST

START_TEST(write_zeroes_that_fail_are_retried_where_they_failed)
{
    struct virtio_blk_discard_write_zeroes range = {.sector = 3, .num_sectors = 30};
    uint16_t head;

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_STOP});
    fail_from(_i);
    head = fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_WRITE_ZEROES),
                             OUT_BYTES(&range, sizeof(range)), STATUS());
    fake_driver_kick(drv, head);
    blk_rig_await_stop(&rig);
    rig.fail = 0;
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head), OK);
    memset(model + 3 * SECTOR, 0, 30 * SECTOR);
    end();
}
END_TEST

START_TEST(a_block_that_the_file_does_not_have_whole_is_an_error)
{
    begin((struct blk_rig_options){.werror = VIRTIO_BLK_REPORT});
    rig.ends_at = 2 * BLOCK + SECTOR;
    ck_assert_uint_eq(blk_rig_do(&rig, 0,
                                 fake_driver_chain(drv, HDR(.type = WRITE, .sector = 17),
                                                   OUT_BYTES(data, 512), STATUS())),
                      IOERR);
    ck_assert_uint_eq(on_range(VIRTIO_BLK_T_WRITE_ZEROES, 17, 1), IOERR);
    ck_assert_msg(strstr(rig.log, "shorter"), "%s", rig.log);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_partial");
    TCase *tc = tcase_create("partial");

    tcase_add_loop_test(tc, a_write_changes_what_it_names_and_nothing_else, 0, NR_PLACES);
    tcase_add_loop_test(tc, a_read_finds_what_is_there, 0, NR_PLACES);
    tcase_add_loop_test(tc, write_zeroes_keeps_to_its_range, 0, NR_PLACES);
    tcase_add_loop_test(tc, a_discard_frees_whole_blocks_of_its_range_only, 0, NR_PLACES);
    tcase_add_test(tc, zeroes_that_are_written_to_a_part_of_a_block_are_found_there);
    tcase_add_test(tc, whole_blocks_are_not_read_before_they_are_written);
    tcase_add_test(tc, two_writes_of_one_block_follow_each_other);
    tcase_add_loop_test(tc, a_change_of_whole_blocks_waits_for_a_write_of_a_part, 0, NR_WHOLE);
    tcase_add_loop_test(tc, a_write_of_a_part_waits_for_a_change_of_its_whole_block, 0, NR_WHOLE);
    tcase_add_test(tc, changes_of_whole_blocks_do_not_wait_for_each_other_but_in_turn_with_parts);
    tcase_add_test(tc, a_whole_write_that_fails_frees_its_blocks);
    tcase_add_test(tc, a_block_that_cannot_be_read_fails_the_write_and_frees_the_block);
    tcase_add_loop_test(tc, a_write_of_a_part_that_the_engine_refuses_fails_and_frees_the_block, 0,
                        2);
    tcase_add_loop_test(tc, a_held_write_is_retried_from_its_read_and_others_do_not_wait, 0, 2);
    tcase_add_loop_test(tc, write_zeroes_that_fail_are_retried_where_they_failed, 0, 5);
    tcase_add_test(tc, a_block_that_the_file_does_not_have_whole_is_an_error);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/* What the block device counts, and ranges of no sectors. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define END (RIG_DISK_SIZE / SECTOR_SIZE) /* the first sector that is not there */

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static void do_request(uint16_t head)
{
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), VIRTIO_BLK_S_OK);
}

static uint16_t range(uint32_t type, uint64_t sector, uint32_t sectors)
{
    struct virtio_blk_discard_write_zeroes range = {.sector = sector, .num_sectors = sectors};

    return fake_driver_chain(drv, HDR(.type = type), OUT_BYTES(&range, sizeof(range)), STATUS());
}

START_TEST(requests_and_their_bytes_are_counted_by_what_they_do)
{
    struct virtio_blk_stats stats;

    blk_rig_init(&rig, &(struct blk_rig_options){.discard = true});
    blk_rig_go_live(&rig);
    for (unsigned i = 0; i < 2; i++) {
        do_request(fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_IN), IN(1024), STATUS()));
        do_request(fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_OUT), OUT(1536), STATUS()));
        do_request(range(VIRTIO_BLK_T_DISCARD, 8, 5));
        do_request(range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 7));
        do_request(fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS()));
    }
    stats = blk_rig_stats(&rig);
    ck_assert_uint_eq(stats.reads, 2);
    ck_assert_uint_eq(stats.read_bytes, 2 * 1024);
    ck_assert_uint_eq(stats.writes, 2);
    ck_assert_uint_eq(stats.write_bytes, 2 * 1536);
    ck_assert_uint_eq(stats.discards, 2);
    ck_assert_uint_eq(stats.discard_bytes, 2 * 5 * 512);
    ck_assert_uint_eq(stats.write_zeroes, 2);
    ck_assert_uint_eq(stats.write_zeroes_bytes, 2 * 7 * 512);
    ck_assert_uint_eq(stats.flushes, 2);
    ck_assert_uint_eq(stats.errors + stats.unsupported + stats.faults + stats.ignored, 0);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_range_of_no_sectors_may_be_at_the_end_and_not_behind_it)
{
    static const uint32_t types[] = {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};

    blk_rig_init(&rig, &(struct blk_rig_options){.discard = true});
    blk_rig_go_live(&rig);
    do_request(range(types[_i], END, 0));
    ck_assert_uint_eq(blk_rig_do(&rig, 0, range(types[_i], END + 1, 0)), VIRTIO_BLK_S_IOERR);
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk stats");
    TCase *t = tcase_create("figures");

    tcase_add_test(t, requests_and_their_bytes_are_counted_by_what_they_do);
    tcase_add_loop_test(t, a_range_of_no_sectors_may_be_at_the_end_and_not_behind_it, 0, 2);
    suite_add_tcase(s, t);
    return suite_run(s);
}

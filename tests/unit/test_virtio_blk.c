// SPDX-License-Identifier: MIT
#include <sched.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define OK     VIRTIO_BLK_S_OK
#define IOERR  VIRTIO_BLK_S_IOERR
#define UNSUPP VIRTIO_BLK_S_UNSUPP
#define READ   VIRTIO_BLK_T_IN
#define WRITE  VIRTIO_BLK_T_OUT
#define LAST   (RIG_DISK_SIZE / SECTOR_SIZE) /* the first sector that is not there */

/* Each test runs blocking and polling, with flags and with EVENT_IDX, split and packed. */
static const struct mode {
    const struct poll_policy_ops *policy;
    bool event_idx, packed;
} modes[] = {
    {&poll_policy_block, false, false}, {&poll_policy_block, true, false},
    {&poll_policy_fixed, false, false}, {&poll_policy_fixed, true, false},
    {&poll_policy_block, false, true},  {&poll_policy_block, true, true},
    {&poll_policy_fixed, false, true},  {&poll_policy_fixed, true, true},
};
#define NR_MODES (sizeof(modes) / sizeof(modes[0]))

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static void begin(int mode, struct blk_rig_options options)
{
    options.policy = modes[mode].policy;
    options.event_idx = modes[mode].event_idx;
    options.packed = modes[mode].packed;
    blk_rig_init(&rig, &options);
    blk_rig_go_live(&rig);
}

static void end(void)
{
    blk_rig_destroy(&rig);
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (i * 7 + (i >> 9) + seed) & 0xff;
    }
}

/* --- operations --- */

START_TEST(a_read_gives_what_is_on_the_disk)
{
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    fill(rig.disk, 8192, 1);
    head = fake_driver_chain(drv, HDR(.type = READ, .sector = 3), IN(1024), IN(512), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), rig.disk + 3 * 512, 1024);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 2), rig.disk + 5 * 512, 512);
    ck_assert_uint_eq(fake_driver_used_len(drv, head), 1537);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).read_bytes, 1536);
    end();
}
END_TEST

START_TEST(a_write_lands_on_the_disk_and_nowhere_else)
{
    uint8_t data[1024];
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    fill(data, sizeof(data), 9);
    head = fake_driver_chain(drv, HDR(.type = WRITE, .sector = 8), OUT_BYTES(data, 512),
                             OUT_BYTES(data + 512, 512), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(rig.disk + 8 * 512, data, sizeof(data));
    ck_assert_uint_eq(rig.disk[8 * 512 - 1], 0);
    ck_assert_uint_eq(rig.disk[10 * 512], 0);
    ck_assert_uint_eq(fake_driver_used_len(drv, head), 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_bytes, 1024);
    end();
}
END_TEST

START_TEST(the_last_sector_can_be_written_and_read)
{
    uint8_t data[512];
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    fill(data, sizeof(data), 5);
    head = fake_driver_chain(drv, HDR(.type = WRITE, .sector = LAST - 1), OUT_BYTES(data, 512),
                             STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    head = fake_driver_chain(drv, HDR(.type = READ, .sector = LAST - 1), IN(512), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), data, 512);
    end();
}
END_TEST

START_TEST(a_flush_completes)
{
    begin(_i, (struct blk_rig_options){0});
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS())), OK);
    ck_assert_uint_eq(blk_rig_stats(&rig).flushes, 1);
    end();
}
END_TEST

START_TEST(the_serial_comes_padded_with_zeroes)
{
    static const uint8_t serial[VIRTIO_BLK_ID_BYTES] = "a serial";
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    head = fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_GET_ID), IN(20), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), serial, sizeof(serial));
    ck_assert_uint_eq(fake_driver_used_len(drv, head), 21);
    head = fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_GET_ID), IN(3), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), "a s", 3);
    end();
}
END_TEST

START_TEST(unknown_request_type_is_refused_and_completes)
{
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    head = fake_driver_chain(drv, HDR(.type = 99), IN(512), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), UNSUPP);
    ck_assert_uint_eq(*(uint8_t *)fake_driver_buf(drv, head, 1), 0xee);
    ck_assert_uint_eq(fake_driver_used_len(drv, head), 0);
    ck_assert_uint_eq(fake_driver_used_idx(drv), 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).unsupported, 1);
    end();
}
END_TEST

/* 2.7.4.1: no assumption on how a request is cut into buffers */
START_TEST(a_header_in_three_parts_and_a_status_inside_the_data_are_understood)
{
    struct virtio_blk_outhdr hdr = {.type = READ, .sector = 2};
    const uint8_t *bytes = (const uint8_t *)&hdr;
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    fill(rig.disk, 4096, 3);
    head = fake_driver_chain(drv, OUT_BYTES(bytes, 1), OUT_BYTES(bytes + 1, 9),
                             OUT_BYTES(bytes + 10, 6), IN(100), IN(413));
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 3), rig.disk + 1024, 100);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 4), rig.disk + 1124, 412);
    ck_assert_uint_eq(fake_driver_used_len(drv, head), 513);
    end();
}
END_TEST

START_TEST(a_write_whose_data_shares_a_buffer_with_the_header_is_understood)
{
    struct {
        struct virtio_blk_outhdr hdr;
        uint8_t data[512];
    } all = {.hdr = {.type = WRITE, .sector = 1}};
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    fill(all.data, 512, 77);
    head = fake_driver_chain(drv, OUT_BYTES(&all, sizeof(all)), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(rig.disk + 512, all.data, 512);
    end();
}
END_TEST

START_TEST(a_transfer_of_no_sectors_is_fine)
{
    begin(_i, (struct blk_rig_options){0});
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ, .sector = LAST), STATUS())),
        OK);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0,
                   fake_driver_chain(drv, HDR(.type = READ, .sector = LAST + 1), STATUS())),
        IOERR);
    end();
}
END_TEST

/* --- what is refused --- */

static const struct {
    uint32_t type, len;
    uint64_t sector;
} out_of_range[] = {
    {READ, 512, LAST},        {READ, 1024, LAST - 1},        {READ, 512, UINT64_MAX},
    {READ, 512, 1ull << 55},  {READ, 512, (1ull << 55) + 1}, {READ, 511, 0},
    {READ, 513, 0},           {READ, 512, UINT64_MAX - 1},   {WRITE, 512, LAST},
    {WRITE, 1024, LAST - 1},  {WRITE, 512, 1ull << 55},      {WRITE, 100, 0},
    {WRITE, 512, UINT64_MAX},
};

START_TEST(requests_out_of_range_or_not_of_whole_sectors_fail)
{
    begin(_i, (struct blk_rig_options){0});
    fill(rig.disk, RIG_DISK_SIZE, 1);
    for (unsigned i = 0; i < sizeof(out_of_range) / sizeof(out_of_range[0]); i++) {
        uint32_t len = out_of_range[i].len, type = out_of_range[i].type;
        uint64_t sector = out_of_range[i].sector;
        uint16_t head =
            type == READ
                ? fake_driver_chain(drv, HDR(.type = type, .sector = sector), IN(len), STATUS())
                : fake_driver_chain(drv, HDR(.type = type, .sector = sector), OUT(len), STATUS());

        ck_assert_msg(blk_rig_do(&rig, 0, head) == IOERR, "row %u", i);
        if (type == READ) {
            ck_assert_uint_eq(*(uint8_t *)fake_driver_buf(drv, head, 1), 0xee);
            ck_assert_uint_eq(fake_driver_used_len(drv, head), 0);
        }
    }
    for (unsigned i = 0; i < RIG_DISK_SIZE; i += 4096) {
        uint8_t want[4096];

        fill(want, sizeof(want), 0);
        for (unsigned k = 0; k < sizeof(want); k++) {
            want[k] = ((i + k) * 7 + ((i + k) >> 9) + 1) & 0xff;
        }
        ck_assert_mem_eq(rig.disk + i, want, sizeof(want));
    }
    ck_assert_uint_eq(rig.log_lines, 0); /* the guest's mistake, not the disk's */
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, sizeof(out_of_range) / sizeof(out_of_range[0]));
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 0);
    end();
}
END_TEST

START_TEST(a_write_to_a_read_only_disk_fails)
{
    begin(_i, (struct blk_rig_options){.readonly = true});
    ck_assert(rig.dev->device_features & (1ull << VIRTIO_BLK_F_RO));
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = WRITE), OUT(512), STATUS())), IOERR);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS())), OK);
    ck_assert_uint_eq(rig.log_lines, 0);
    end();
}
END_TEST

/* --- the host's disk misbehaves --- */

START_TEST(short_transfers_are_continued)
{
    uint8_t data[8192];
    uint16_t head;

    begin(_i, (struct blk_rig_options){0});
    rig.move_at_most = 1536;
    fill(data, sizeof(data), 4);
    head = fake_driver_chain(drv, HDR(.type = WRITE, .sector = 1), OUT_BYTES(data, 700),
                             OUT_BYTES(data + 700, 7492), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(rig.disk + 512, data, sizeof(data));
    head =
        fake_driver_chain(drv, HDR(.type = READ, .sector = 1), IN(1), IN(5000), IN(3191), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), data, 1);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 2), data + 1, 5000);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 3), data + 5001, 3191);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 1);
    end();
}
END_TEST

START_TEST(a_file_that_ends_early_is_an_error_not_success)
{
    begin(_i, (struct blk_rig_options){0});
    for (unsigned i = 0; i < 2; i++) {
        static const uint64_t ends[] = {700, 1024}; /* inside a sector, between two */

        rig.ends_at = ends[i];
        ck_assert_uint_eq(
            blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ), IN(4096), STATUS())),
            IOERR);
    }
    ck_assert_ptr_nonnull(strstr(rig.log, "disk0"));
    end();
}
END_TEST

START_TEST(errors_of_the_disk_reach_the_guest_and_the_log)
{
    begin(_i, (struct blk_rig_options){0});
    rig.fail = -EIO;
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0,
                   fake_driver_chain(drv, HDR(.type = READ, .sector = 1), IN(512), STATUS())),
        IOERR);
    ck_assert_ptr_nonnull(strstr(rig.log, "read of 512 bytes at 512 failed: Input/output error"));
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = WRITE), OUT(512), STATUS())), IOERR);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS())),
        IOERR);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 3);
    ck_assert_uint_eq(blk_rig_stats(&rig).flushes, 0);
    ck_assert(!(virtio_status(rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET));
    end();
}
END_TEST

START_TEST(a_failing_disk_does_not_fill_the_log)
{
    begin(_i, (struct blk_rig_options){0});
    rig.fail = -EIO;
    for (unsigned i = 0; i < 200; i++) {
        uint16_t head = fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS());

        ck_assert_uint_eq(blk_rig_do(&rig, 0, head), IOERR);
        fake_driver_release(drv, head);
    }
    ck_assert_uint_lt(rig.log_lines, 50);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 200);
    end();
}
END_TEST

/* --- O_DIRECT --- */

START_TEST(buffers_that_do_not_suit_the_disk_are_bounced)
{
    uint8_t data[200 * 1024];
    uint64_t gpa;
    uint16_t head;

    begin(_i, (struct blk_rig_options){.align = 512});
    fill(data, sizeof(data), 6);
    gpa = fake_driver_alloc(drv, sizeof(data) + 3, 512) + 3;
    memcpy(fake_driver_at(drv, gpa), data, sizeof(data));
    head = fake_driver_chain(drv, HDR(.type = WRITE, .sector = 5), OUT_AT(gpa, 100),
                             OUT_AT(gpa + 100, sizeof(data) - 100), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(rig.disk + 5 * 512, data, sizeof(data));
    memset(fake_driver_at(drv, gpa), 0, sizeof(data));
    head = fake_driver_chain(drv, HDR(.type = READ, .sector = 5), IN_AT(gpa, 70000),
                             IN_AT(gpa + 70000, sizeof(data) - 70000), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    ck_assert_mem_eq(fake_driver_at(drv, gpa), data, sizeof(data));
    ck_assert_uint_eq(blk_rig_stats(&rig).bounced, 2);
    end();
}
END_TEST

START_TEST(buffers_that_suit_the_disk_are_not_bounced)
{
    begin(_i, (struct blk_rig_options){.align = 512});
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ), IN(512), IN(4096), STATUS())),
        OK);
    ck_assert_uint_eq(blk_rig_stats(&rig).bounced, 0);
    end();
}
END_TEST

START_TEST(more_requests_than_bounce_buffers_all_complete)
{
    uint16_t head[40];

    begin(_i, (struct blk_rig_options){.align = 512, .queue_size = 128});
    fill(rig.disk, RIG_DISK_SIZE, 8);
    for (unsigned i = 0; i < 40; i++) {
        uint64_t gpa = fake_driver_alloc(drv, 1025, 512) + 1;

        head[i] =
            fake_driver_chain(drv, HDR(.type = READ, .sector = i), IN_AT(gpa, 1024), STATUS());
        fake_driver_kick(drv, head[i]);
    }
    fake_driver_await(drv, 40);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_uint_eq(fake_driver_status(drv, head[i]), OK);
        ck_assert_mem_eq(fake_driver_buf(drv, head[i], 1), rig.disk + i * 512, 1024);
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).bounced, 40);
    end();
}
END_TEST

START_TEST(a_disk_of_large_blocks_takes_no_small_ones)
{
    struct virtio_blk_config config;

    begin(_i, (struct blk_rig_options){.block_size = 4096});
    virtio_config_read(rig.dev, 0, &config, sizeof(config));
    ck_assert_uint_eq(config.blk_size, 4096);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS())), IOERR);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0,
                   fake_driver_chain(drv, HDR(.type = READ, .sector = 1), IN(4096), STATUS())),
        IOERR);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0,
                   fake_driver_chain(drv, HDR(.type = READ, .sector = 8), IN(4096), STATUS())),
        OK);
    end();
}
END_TEST

/* --- many --- */

START_TEST(a_batch_is_published_with_one_interrupt)
{
    begin(_i, (struct blk_rig_options){0});
    rig.hold = true;
    fake_driver_want_interrupts(drv, true);
    for (unsigned i = 0; i < 20; i++) {
        fake_driver_kick(drv,
                         fake_driver_chain(drv, HDR(.type = READ, .sector = i), IN(512), STATUS()));
    }
    blk_rig_await_held(&rig, 20);
    ck_assert_uint_eq(blk_rig_stats(&rig).in_flight, 20);
    ck_assert_uint_eq(fake_driver_used_idx(drv), 0);
    blk_rig_release(&rig);
    fd_await(drv->call_fd); /* some can be seen before it */
    ck_assert_uint_eq(fake_driver_used_idx(drv), 20);
    ck_assert_uint_eq(blk_rig_stats(&rig).interrupts, 1);
    fake_driver_await(drv, 20);
    ck_assert_uint_eq(blk_rig_stats(&rig).in_flight, 0);
    end();
}
END_TEST

START_TEST(every_request_of_many_completes_once_with_its_data)
{
    uint32_t next = 0, done = 0;

    begin(_i, (struct blk_rig_options){.queue_size = 64});
    fill(rig.disk, RIG_DISK_SIZE, 2);
    while (done < 5000) {
        int head = -1;

        while (next - done < 16 && next < 5000) {
            fake_driver_kick(
                drv, fake_driver_chain_indirect(drv, HDR(.type = READ, .sector = next % LAST),
                                                IN(512), STATUS()));
            next++;
        }
        fake_driver_await(drv, 1);
        head = drv->last;
        ck_assert_uint_eq(fake_driver_status(drv, head), OK);
        ck_assert_mem_eq(fake_driver_buf(drv, head, 1),
                         rig.disk + drv->chains[head].bufs[0].hdr.sector * 512, 512);
        fake_driver_release(drv, head);
        done++;
        if (next == done) {
            drv->brk = 65536; /* all memory but the rings is free again */
        }
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 5000);
    end();
}
END_TEST

START_TEST(a_full_ring_is_served_at_once)
{
    begin(_i, (struct blk_rig_options){.queue_size = 16});
    for (unsigned i = 0; i < 16; i++) {
        fake_driver_offer(drv,
                          fake_driver_chain_indirect(drv, HDR(.type = READ), IN(512), STATUS()));
    }
    ck_assert_int_eq(eventfd_write(drv->kick_fd, 1), 0);
    fake_driver_await(drv, 16);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 16);
    end();
}
END_TEST

START_TEST(while_polling_hardly_a_kick_is_wanted)
{
    blk_rig_init(&rig, &(struct blk_rig_options){
                           .policy = &poll_policy_fixed,
                           .max_ns = 10000000000,
                           .event_idx = _i & 1,
                           .packed = _i & 2,
                       });
    blk_rig_go_live(&rig);
    fake_driver_want_interrupts(drv, false);
    for (unsigned i = 0; i < 2000; i++) {
        uint16_t head = fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS());

        fake_driver_kick(drv, head);
        while (fake_driver_reap(drv) < 0) {
            cpu_relax();
        }
        fake_driver_release(drv, head);
        drv->brk = 65536;
    }
    ck_assert_uint_lt(drv->kicks, 20);
    end();
}
END_TEST

/* --- set-up, reset, stop --- */

START_TEST(the_configuration_says_what_the_disk_is)
{
    struct virtio_blk_config config;

    begin(_i, (struct blk_rig_options){.queue_size = 256});
    ck_assert_uint_eq(rig.dev->config_size, sizeof(config));
    virtio_config_read(rig.dev, 0, &config, sizeof(config));
    ck_assert_uint_eq(config.capacity, LAST);
    ck_assert_uint_eq(config.blk_size, 512);
    ck_assert_uint_eq(config.seg_max, 128);
    ck_assert_uint_eq(rig.dev->device_id, 2);
    end();
}
END_TEST

START_TEST(chains_offered_before_driver_ok_are_served_without_a_kick)
{
    blk_rig_init(&rig, &(struct blk_rig_options){.policy = modes[_i].policy,
                                                 .event_idx = modes[_i].event_idx,
                                                 .packed = modes[_i].packed});
    fake_driver_negotiate(rig.dev, (modes[_i].event_idx ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0) |
                                       (modes[_i].packed ? 1ull << VIRTIO_F_RING_PACKED : 0));
    fake_driver_reset(drv);
    fake_driver_attach(drv, rig.dev, 0);
    fake_driver_offer(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS()));
    virtio_set_status(rig.dev, virtio_status(rig.dev) | VIRTIO_CONFIG_S_DRIVER_OK);
    fake_driver_await(drv, 1);
    end();
}
END_TEST

START_TEST(the_watchdog_serves_a_driver_that_forgot_to_kick_and_says_so_once)
{
    blk_rig_init(&rig, &(struct blk_rig_options){.policy = &poll_policy_block});
    blk_rig_go_live(&rig);
    for (unsigned i = 0; i < 3; i++) {
        while (!aio_asleep(iothread_ctx(rig.iothreads[0]))) {
            sched_yield(); /* else the thread may see the chain by itself */
        }
        fake_driver_offer(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS()));
        while (!virtio_blk_watch(rig.dev)) {
            sched_yield();
        }
        fake_driver_await(drv, 1);
    }
    ck_assert_uint_eq(rig.log_lines, 1);
    ck_assert_uint_eq(virtio_blk_watch(rig.dev) + virtio_blk_watch(rig.dev), 0);
    end();
}
END_TEST

START_TEST(the_watchdog_leaves_broken_and_stopped_queues_alone)
{
    blk_rig_init(&rig, &(struct blk_rig_options){.policy = &poll_policy_block});
    blk_rig_go_live(&rig);
    fake_driver_kick(drv, fake_driver_chain(drv, OUT(4), STATUS())); /* no whole header */
    while (!(virtio_status(rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        sched_yield();
    }
    fake_driver_offer(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS()));
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(virtio_blk_watch(rig.dev), 0);
    }
    ck_assert_uint_eq(rig.log_lines, 1); /* of the fault itself */
    virtio_set_status(rig.dev, 0);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(virtio_blk_watch(rig.dev), 0);
    }
    end();
}
END_TEST

START_TEST(a_device_works_after_many_resets)
{
    begin(_i, (struct blk_rig_options){.nr_queues = 2, .nr_iothreads = 2});
    for (unsigned i = 0; i < 50; i++) {
        for (unsigned q = 0; q < 2; q++) {
            ck_assert_uint_eq(
                blk_rig_do(&rig, q,
                           fake_driver_chain(&rig.drv[q], HDR(.type = READ), IN(512), STATUS())),
                OK);
        }
        virtio_set_status(rig.dev, 0);
        virtio_set_status(rig.dev, 0);
        ck_assert(!rig.dev->queues[0].vq.ready);
        blk_rig_go_live(&rig);
    }
    end();
}
END_TEST

static unsigned reset_done;

static void *reset_thread(void *opaque)
{
    virtio_set_status(rig.dev, 0);
    store_release(&reset_done, 1);
    return NULL;
}

static int nothing(void *opaque)
{
    return 0;
}

START_TEST(a_reset_waits_for_requests_in_flight_and_then_memory_is_left_alone)
{
    uint8_t *before = malloc(FAKE_MEMORY_SIZE);
    pthread_t thread;
    uint16_t head[12];

    begin(_i, (struct blk_rig_options){.align = 512, .queue_size = 128});
    fill(rig.disk, RIG_DISK_SIZE, 8);
    rig.hold = true;
    reset_done = 0;
    for (unsigned i = 0; i < 12; i++) {
        head[i] = fake_driver_chain(drv, HDR(.type = READ, .sector = i), IN(512), STATUS());
        fake_driver_kick(drv, head[i]);
    }
    blk_rig_await_held(&rig, 12);
    ck_assert_int_eq(pthread_create(&thread, NULL, reset_thread, NULL), 0);
    for (unsigned i = 0; i < 100; i++) { /* time in which a reset that does not wait would end */
        iothread_call(rig.iothreads[0], nothing, NULL);
    }
    ck_assert_uint_eq(load_acquire(&reset_done), 0);
    ck_assert_uint_eq(fake_driver_used_idx(drv), 0);
    blk_rig_release(&rig);
    pthread_join(thread, NULL);

    memcpy(before, drv->mem, FAKE_MEMORY_SIZE);
    ck_assert_uint_eq(fake_driver_used_idx(drv), 12); /* all were completed and published first */
    for (unsigned i = 0; i < 12; i++) {
        ck_assert_uint_eq(fake_driver_status(drv, head[i]), OK);
    }
    for (unsigned i = 0; i < 100; i++) {
        iothread_call(rig.iothreads[0], nothing, NULL);
    }
    ck_assert_int_eq(memcmp(before, drv->mem, FAKE_MEMORY_SIZE), 0);
    ck_assert_uint_eq(virtio_status(rig.dev), 0);
    free(before);
    end();
}
END_TEST

START_TEST(resets_one_after_the_other_in_the_middle_of_requests)
{
    begin(_i, (struct blk_rig_options){.nr_queues = 2, .nr_iothreads = 2});
    for (unsigned i = 0; i < 60; i++) {
        for (unsigned k = 0; k < 2 * (i % 8); k++) {
            struct fake_driver *d = &rig.drv[k % 2];

            fake_driver_kick(d, fake_driver_chain(d, HDR(.type = READ), IN(512), STATUS()));
        }
        virtio_set_status(rig.dev, 0);
        ck_assert_uint_eq(blk_rig_stats(&rig).in_flight, 0);
        blk_rig_go_live(&rig);
    }
    ck_assert_uint_eq(
        blk_rig_do(&rig, 1, fake_driver_chain(&rig.drv[1], HDR(.type = READ), IN(512), STATUS())),
        OK);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 0);
    end();
}
END_TEST

/* --- one queue of a live device --- */

static void set_up_anew(unsigned i)
{
    fake_driver_reset(&rig.drv[i]);
    fake_driver_attach(&rig.drv[i], rig.dev, i);
    rig.dev->queues[i].vq.ready = false;
    virtio_queue_set_ready(rig.dev, i, true);
}

static uint8_t get_id(unsigned i)
{
    struct fake_driver *d = &rig.drv[i];
    uint16_t head = fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_GET_ID), IN(20), STATUS());
    uint8_t status = blk_rig_do(&rig, i, head);

    fake_driver_release(d, head);
    return status;
}

static void *queue_reset_thread(void *opaque)
{
    virtio_queue_reset(rig.dev, 0);
    store_release(&reset_done, 1);
    return NULL;
}

START_TEST(a_queue_reset_waits_for_its_requests_while_the_other_queue_goes_on)
{
    uint8_t *before = malloc(FAKE_MEMORY_SIZE);
    pthread_t thread;

    begin(_i, (struct blk_rig_options){.nr_queues = 2});
    rig.hold = true;
    reset_done = 0;
    for (unsigned i = 0; i < 4; i++) {
        fake_driver_kick(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS()));
    }
    blk_rig_await_held(&rig, 4);
    ck_assert_int_eq(pthread_create(&thread, NULL, queue_reset_thread, NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(get_id(1), OK);
    }
    ck_assert_uint_eq(load_acquire(&reset_done), 0);
    blk_rig_release(&rig);
    pthread_join(thread, NULL);

    ck_assert(!rig.dev->queues[0].vq.ready);
    ck_assert_uint_eq(rig.dev->queues[0].vq.desc_gpa, 0);
    ck_assert_uint_eq(fake_driver_used_idx(drv), 4);
    fake_driver_offer(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS()));
    memcpy(before, drv->mem, FAKE_MEMORY_SIZE);
    ck_assert_int_eq(eventfd_write(drv->kick_fd, 1), 0);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(get_id(1), OK);
    }
    ck_assert_int_eq(memcmp(before, drv->mem, FAKE_MEMORY_SIZE), 0);

    set_up_anew(0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(
            blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS())), OK);
    }
    ck_assert_uint_eq(virtio_status(rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
    free(before);
    end();
}
END_TEST

START_TEST(a_queue_is_taken_back_and_set_up_anew_many_times)
{
    begin(_i, (struct blk_rig_options){.nr_queues = 2, .nr_iothreads = 2});
    for (unsigned i = 0; i < 60; i++) {
        unsigned q = i % 2;

        for (unsigned k = 0; k < i % 5; k++) {
            fake_driver_kick(&rig.drv[q],
                             fake_driver_chain(&rig.drv[q], HDR(.type = READ), IN(512), STATUS()));
        }
        if (i % 3) {
            virtio_queue_reset(rig.dev, q);
        } else {
            virtio_queue_set_ready(rig.dev, q, false);
        }
        set_up_anew(q);
        ck_assert_uint_eq(get_id(q), OK);
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 0);
    end();
}
END_TEST

START_TEST(a_broken_queue_can_be_reset_but_the_device_stays_broken)
{
    begin(_i, (struct blk_rig_options){.nr_queues = 2});
    fake_driver_kick(drv, fake_driver_chain(drv, OUT(4), STATUS())); /* no whole header */
    fake_transport_await_config(&rig.transport);
    virtio_queue_reset(rig.dev, 0);
    set_up_anew(0);
    ck_assert(!rig.dev->queues[0].vq.ready);
    ck_assert_uint_eq(get_id(1), OK);
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(get_id(0), OK);
    end();
}
END_TEST

static const unsigned queue_sizes[] = {1, 2, 4, 3, 5, 100};

START_TEST(queues_of_any_size_serve_requests)
{
    unsigned size = queue_sizes[_i / (int)NR_MODES], mode = _i % NR_MODES;

    if (!modes[mode].packed && (size & (size - 1))) {
        return;
    }
    begin(mode, (struct blk_rig_options){.queue_size = size});
    fill(rig.disk, RIG_DISK_SIZE, 3);
    for (unsigned round = 0; round < 50; round++) {
        uint16_t head[8];
        unsigned n = size < 8 ? size : 8;

        for (unsigned i = 0; i < n; i++) {
            head[i] = fake_driver_chain_indirect(drv, HDR(.type = READ, .sector = round + i),
                                                 IN(512), STATUS());
            fake_driver_kick(drv, head[i]);
        }
        fake_driver_await(drv, n);
        for (unsigned i = 0; i < n; i++) {
            ck_assert_uint_eq(fake_driver_status(drv, head[i]), OK);
            ck_assert_mem_eq(fake_driver_buf(drv, head[i], 1), rig.disk + (round + i) * 512, 512);
            fake_driver_release(drv, head[i]);
        }
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 50 * (size < 8 ? size : 8));
    end();
}
END_TEST

START_TEST(a_device_may_be_freed_while_it_is_live)
{
    begin(_i, (struct blk_rig_options){.nr_queues = 2});
    blk_rig_do(&rig, 1, fake_driver_chain(&rig.drv[1], HDR(.type = READ), IN(512), STATUS()));
    end(); /* asserts that nothing is left in the loop */
}
END_TEST

START_TEST(a_queue_that_was_not_set_up_is_left_alone)
{
    blk_rig_init(&rig, &(struct blk_rig_options){.nr_queues = 2});
    fake_driver_negotiate(rig.dev, 0);
    fake_driver_attach(drv, rig.dev, 0);
    virtio_set_status(rig.dev, virtio_status(rig.dev) | VIRTIO_CONFIG_S_DRIVER_OK);
    ck_assert_uint_eq(
        blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS())), OK);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 0);
    end();
}
END_TEST

START_TEST(a_wrong_queue_size_or_engine_makes_no_device)
{
    struct error err = {""};
    struct virtio_device *dev = NULL;
    struct virtio_blk_options options;

    blk_rig_init(&rig, &(struct blk_rig_options){0});
    options = (struct virtio_blk_options){
        .name = "disk1",
        .image = &rig.image,
        .engine = &engine_null,
        .queue_size = 100,
        .iothreads = rig.iothreads,
        .nr_iothreads = 1,
    };
    ck_assert_int_eq(virtio_blk_new(&options, &drv->gm, &dev, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "disk1"));
    err.msg[0] = '\0';
    options.queue_size = 64;
    options.engine = &engine_linux_aio; /* which the image has no file for */
    ck_assert_int_lt(virtio_blk_new(&options, &drv->gm, &dev, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "disk1"));
    ck_assert_ptr_null(dev);
    end();
}
END_TEST

/* --- real engines --- */

static void image_for(const char *engine, struct image *image)
{
    char path[] = "test-virtio-blk-XXXXXX";
    struct image_config config = {.path = path, .direct = true};
    struct error err = {""};
    int fd;

    if (!strcmp(engine, "null")) {
        config = (struct image_config){.size = RIG_DISK_SIZE};
        ck_assert_int_eq(image_open(image, &config, &err), 0);
        return;
    }
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, RIG_DISK_SIZE), 0);
    close(fd);
    if (image_open(image, &config, &err) < 0) { /* a file system without O_DIRECT */
        config.direct = false;
        ck_assert_msg(image_open(image, &config, &err) == 0, "%s", err.msg);
    }
    unlink(path);
}

static void write_flush_read(const struct engine_ops *engine, int mode, bool moves_data)
{
    struct blk_rig_options options = {.engine = engine, .nr_queues = 2, .nr_iothreads = 2};
    static uint8_t data[2][64 * 1024];

    image_for(engine->name, &options.image);
    begin(mode, options);
    for (unsigned q = 0; q < 2; q++) {
        struct fake_driver *d = &rig.drv[q];

        fill(data[q], sizeof(data[q]), q);
        for (unsigned i = 0; i < sizeof(data[q]); i += 4096) {
            fake_driver_kick(
                d, fake_driver_chain(d, HDR(.type = WRITE, .sector = (q * 65536 + i) / 512),
                                     OUT_BYTES(data[q] + i, 4096), STATUS()));
        }
    }
    for (unsigned q = 0; q < 2; q++) {
        struct fake_driver *d = &rig.drv[q];
        uint16_t head;

        fake_driver_await(d, sizeof(data[q]) / 4096);
        ck_assert_uint_eq(
            blk_rig_do(&rig, q, fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS())),
            OK);
        head = fake_driver_chain(d, HDR(.type = READ, .sector = q * 128), IN(sizeof(data[q])),
                                 STATUS());
        ck_assert_uint_eq(blk_rig_do(&rig, q, head), OK);
        if (moves_data) {
            ck_assert_mem_eq(fake_driver_buf(d, head, 1), data[q], sizeof(data[q]));
        }
    }
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 32);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 0);
    options.image = rig.image;
    end();
    image_close(&options.image);
}

START_TEST(two_queues_on_two_threads_write_flush_and_read_with_linux_aio)
{
    write_flush_read(&engine_linux_aio, _i, true);
}
END_TEST

START_TEST(two_queues_on_two_threads_complete_everything_with_null)
{
    write_flush_read(&engine_null, _i, false);
}
END_TEST

#define NOT_LOOKED -1
static int published;

static void look_at_the_ring(void *opaque)
{
    store_release(&published, (int)fake_driver_used_idx(drv));
}

static void request_done(struct engine_req *req, ssize_t res)
{
}

/* The look comes after the completions and before the end of the turn, when the rest is published. */
static int complete_and_look(void *opaque)
{
    static struct aio_deferred look;
    static struct engine_req last = {.op = ENGINE_FLUSH, .cb = request_done};

    rig.hold = false;
    engine_submit(rig.engines[0], &last);
    aio_deferred_init(&look, look_at_the_ring, NULL);
    aio_defer(rig.engines[0]->ctx, &look);
    return 0;
}

START_TEST(of_a_large_batch_a_driver_that_polls_sees_the_first_before_the_turn_ends)
{
    begin(_i, (struct blk_rig_options){.queue_size = 256});
    rig.hold = true;
    for (unsigned i = 0; i < 20; i++) {
        fake_driver_kick(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS()));
    }
    blk_rig_await_held(&rig, 20);
    store_relaxed(&published, NOT_LOOKED);
    ck_assert_int_eq(iothread_call(rig.iothreads[0], complete_and_look, NULL), 0);
    /* Until then the I/O thread reads the driver's state, which fake_driver_await() changes. */
    while (load_acquire(&published) == NOT_LOOKED) {
        sched_yield();
    }
    fake_driver_await(drv, 20);
    ck_assert_int_eq(published, 16);
    end();
}
END_TEST

#define EACH_MODE(tc, test) tcase_add_loop_test(tc, test, 0, NR_MODES)

static void await_sleep(void)
{
    while (!aio_asleep(iothread_ctx(rig.iothreads[0]))) {
        sched_yield();
    }
}

/* Else the thread would wake up once more for each. */
START_TEST(kicks_are_read_and_counted_before_the_thread_blocks_again)
{
    struct aio_stats before, after;

    blk_rig_init(&rig, &(struct blk_rig_options){.policy = &poll_policy_block});
    blk_rig_go_live(&rig);
    await_sleep(); /* else the thread may see the chain by itself */
    aio_get_stats(iothread_ctx(rig.iothreads[0]), &before);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert(
            fake_driver_kick(drv, fake_driver_chain(drv, HDR(.type = READ), IN(512), STATUS())));
        while (blk_rig_stats(&rig).kicks < i) {
            sched_yield();
        }
        await_sleep();
        ck_assert_uint_eq(fake_driver_used_idx(drv), i);
    }
    aio_get_stats(iothread_ctx(rig.iothreads[0]), &after);
    ck_assert_uint_eq(after.dispatches, before.dispatches + 3);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("virtio_blk");
    TCase *ops = tcase_create("operations"), *refused = tcase_create("refused"),
          *host = tcase_create("the host's disk"), *many = tcase_create("many"),
          *life = tcase_create("life"), *engines = tcase_create("engines");

    EACH_MODE(ops, a_read_gives_what_is_on_the_disk);
    EACH_MODE(ops, a_write_lands_on_the_disk_and_nowhere_else);
    EACH_MODE(ops, the_last_sector_can_be_written_and_read);
    EACH_MODE(ops, a_flush_completes);
    EACH_MODE(ops, the_serial_comes_padded_with_zeroes);
    EACH_MODE(ops, unknown_request_type_is_refused_and_completes);
    EACH_MODE(ops, a_header_in_three_parts_and_a_status_inside_the_data_are_understood);
    EACH_MODE(ops, a_write_whose_data_shares_a_buffer_with_the_header_is_understood);
    EACH_MODE(ops, a_transfer_of_no_sectors_is_fine);
    EACH_MODE(refused, requests_out_of_range_or_not_of_whole_sectors_fail);
    EACH_MODE(refused, a_write_to_a_read_only_disk_fails);
    EACH_MODE(host, short_transfers_are_continued);
    EACH_MODE(host, a_file_that_ends_early_is_an_error_not_success);
    EACH_MODE(host, errors_of_the_disk_reach_the_guest_and_the_log);
    EACH_MODE(host, a_failing_disk_does_not_fill_the_log);
    EACH_MODE(host, buffers_that_do_not_suit_the_disk_are_bounced);
    EACH_MODE(host, buffers_that_suit_the_disk_are_not_bounced);
    EACH_MODE(host, more_requests_than_bounce_buffers_all_complete);
    EACH_MODE(host, a_disk_of_large_blocks_takes_no_small_ones);
    EACH_MODE(many, a_batch_is_published_with_one_interrupt);
    EACH_MODE(many, every_request_of_many_completes_once_with_its_data);
    EACH_MODE(many, a_full_ring_is_served_at_once);
    tcase_add_loop_test(many, while_polling_hardly_a_kick_is_wanted, 0, 4);
    EACH_MODE(many, of_a_large_batch_a_driver_that_polls_sees_the_first_before_the_turn_ends);
    EACH_MODE(life, the_configuration_says_what_the_disk_is);
    EACH_MODE(life, chains_offered_before_driver_ok_are_served_without_a_kick);
    EACH_MODE(life, a_device_works_after_many_resets);
    EACH_MODE(life, a_reset_waits_for_requests_in_flight_and_then_memory_is_left_alone);
    EACH_MODE(life, resets_one_after_the_other_in_the_middle_of_requests);
    EACH_MODE(life, a_queue_reset_waits_for_its_requests_while_the_other_queue_goes_on);
    EACH_MODE(life, a_queue_is_taken_back_and_set_up_anew_many_times);
    EACH_MODE(life, a_broken_queue_can_be_reset_but_the_device_stays_broken);
    tcase_add_loop_test(life, queues_of_any_size_serve_requests, 0,
                        NR_MODES * sizeof(queue_sizes) / sizeof(queue_sizes[0]));
    EACH_MODE(life, a_device_may_be_freed_while_it_is_live);
    tcase_add_test(life, a_queue_that_was_not_set_up_is_left_alone);
    tcase_add_test(life, kicks_are_read_and_counted_before_the_thread_blocks_again);
    tcase_add_test(life, the_watchdog_serves_a_driver_that_forgot_to_kick_and_says_so_once);
    tcase_add_test(life, the_watchdog_leaves_broken_and_stopped_queues_alone);
    tcase_add_test(life, a_wrong_queue_size_or_engine_makes_no_device);
    EACH_MODE(engines, two_queues_on_two_threads_write_flush_and_read_with_linux_aio);
    EACH_MODE(engines, two_queues_on_two_threads_complete_everything_with_null);
    suite_add_tcase(s, ops);
    suite_add_tcase(s, refused);
    suite_add_tcase(s, host);
    suite_add_tcase(s, many);
    suite_add_tcase(s, life);
    suite_add_tcase(s, engines);
    return suite_run(s);
}

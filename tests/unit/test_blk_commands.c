// SPDX-License-Identifier: MIT
/*
 * Discard, write zeroes, zeroes that are detected, the write cache and what the configuration space
 * says of all that (virtio 1.3, 5.2.4 to 5.2.6). In the last test with a real engine on a file.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define OK      VIRTIO_BLK_S_OK
#define IOERR   VIRTIO_BLK_S_IOERR
#define UNSUPP  VIRTIO_BLK_S_UNSUPP
#define DISCARD VIRTIO_BLK_T_DISCARD
#define ZEROES  VIRTIO_BLK_T_WRITE_ZEROES
#define UNMAP   VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
#define LAST    (RIG_DISK_SIZE / SECTOR_SIZE) /* the first sector that is not there */
#define BIT(n)  (1ull << (n))

/* Offsets and limits as the driver reads them. */
#define CONFIG(field)                                                                              \
    config_field(offsetof(struct virtio_blk_config, field),                                        \
                 sizeof(((struct virtio_blk_config *)0)->field))

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static void begin(struct blk_rig_options options)
{
    blk_rig_init(&rig, &options);
    blk_rig_go_live(&rig);
    memset(rig.disk, 0xaa, RIG_DISK_SIZE);
}

static void end(void)
{
    blk_rig_destroy(&rig);
}

static uint64_t config_field(size_t offset, size_t size)
{
    uint64_t value = 0;

    virtio_config_read(rig.dev, offset, &value, size);
    return value;
}

static uint8_t command(uint32_t type, const void *ranges, size_t len)
{
    return blk_rig_do(&rig, 0,
                      fake_driver_chain(drv, HDR(.type = type), OUT_BYTES(ranges, len), STATUS()));
}

static uint8_t command_on(uint32_t type, uint64_t sector, uint32_t nr, uint32_t flags)
{
    struct virtio_blk_discard_write_zeroes range = {
        .sector = sector, .num_sectors = nr, .flags = flags};

    return command(type, &range, sizeof(range));
}

static void assert_disk(uint64_t sector, uint64_t nr, uint8_t inside)
{
    for (uint64_t i = 0; i < RIG_DISK_SIZE; i++) {
        bool in = i / SECTOR_SIZE >= sector && i / SECTOR_SIZE < sector + nr;

        if (rig.disk[i] != (in ? inside : 0xaa)) {
            ck_abort_msg("byte %zu is 0x%x", (size_t)i, rig.disk[i]);
        }
    }
}

/* --- discard and write zeroes --- */

START_TEST(a_discard_reaches_the_engine_for_its_range_only)
{
    begin((struct blk_rig_options){.discard = true});
    ck_assert_uint_eq(command_on(DISCARD, 8, 16, 0), OK);
    ck_assert_uint_eq(rig.discards, 1);
    assert_disk(8, 16, 0xdd);
    ck_assert_uint_eq(blk_rig_stats(&rig).discards, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).discard_bytes, 16 * 512);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 0);
    end();
}
END_TEST

START_TEST(write_zeroes_may_unmap_only_if_driver_and_user_say_so)
{
    for (unsigned allowed = 0; allowed < 2; allowed++) {
        begin((struct blk_rig_options){.discard = allowed});
        ck_assert_uint_eq(CONFIG(write_zeroes_may_unmap), allowed);
        ck_assert_uint_eq(command_on(ZEROES, 3, 5, 0), OK);
        ck_assert_uint_eq(rig.unmaps, 0);
        assert_disk(3, 5, 0);
        ck_assert_uint_eq(command_on(ZEROES, 3, 5, UNMAP), OK);
        ck_assert_uint_eq(rig.unmaps, allowed);
        ck_assert_uint_eq(rig.zeroes, 2);
        end();
    }
}
END_TEST

START_TEST(several_ranges_are_done_all)
{
    struct virtio_blk_discard_write_zeroes ranges[4] = {
        {.sector = LAST - 1, .num_sectors = 1}, {.num_sectors = 2}, {.sector = 7}, {9, 1, UNMAP}};

    begin((struct blk_rig_options){.discard = true});
    ck_assert_uint_eq(command(ZEROES, ranges, sizeof(ranges)), OK);
    ck_assert_uint_eq(rig.zeroes, 3); /* one of them is empty */
    ck_assert_uint_eq(rig.unmaps, 1);
    ck_assert_uint_eq(rig.disk[RIG_DISK_SIZE - 512] + rig.disk[0] + rig.disk[9 * 512], 0);
    ck_assert_uint_eq(rig.disk[RIG_DISK_SIZE - 513], 0xaa);
    ck_assert_uint_eq(rig.disk[7 * 512], 0xaa);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_zeroes, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_zeroes_bytes, 4 * 512);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = ZEROES), STATUS())),
                      OK); /* no range */
    ck_assert_uint_eq(rig.zeroes, 3);
    end();
}
END_TEST

START_TEST(a_list_of_ranges_may_be_cut_into_buffers_anywhere)
{
    struct virtio_blk_discard_write_zeroes ranges[2] = {{0, 1, 0}, {1, 1, 0}};
    const uint8_t *bytes = (const uint8_t *)ranges;
    uint16_t head;

    begin((struct blk_rig_options){.discard = true});
    head = fake_driver_chain(drv, HDR(.type = DISCARD), OUT_BYTES(bytes, 3),
                             OUT_BYTES(bytes + 3, 20), OUT_BYTES(bytes + 23, 9), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    assert_disk(0, 2, 0xdd);
    end();
}
END_TEST

static const struct {
    const char *what;
    uint32_t type;
    uint64_t sector;
    uint32_t nr, flags;
    uint8_t status;
} wrong_ranges[] = {
    {"a discard with unmap", DISCARD, 0, 8, UNMAP, UNSUPP},
    {"unknown flag of discard", DISCARD, 0, 8, 2, UNSUPP},
    {"unknown flag of write zeroes", ZEROES, 0, 8, 2, UNSUPP},
    {"unknown flag beside unmap", ZEROES, 0, 8, 0x80000001, UNSUPP},
    {"an unknown flag counts more than a range", ZEROES, LAST, 8, 2, UNSUPP},
    {"begins at the end", DISCARD, LAST, 1, 0, IOERR},
    {"ends past the end", ZEROES, LAST - 1, 2, 0, IOERR},
    {"begins past the end", DISCARD, LAST + 1, 0, 0, IOERR},
    {"the sum overflows", ZEROES, UINT64_MAX, 1, 0, IOERR},
    {"bytes overflow", DISCARD, 1ull << 55, 8, 0, IOERR},
    {"longer than the disk", DISCARD, 0, UINT32_MAX, 0, IOERR},
};

START_TEST(ranges_that_are_wrong_are_refused_as_the_specification_says)
{
    struct virtio_blk_discard_write_zeroes ranges[2] = {
        {.sector = 0, .num_sectors = 1},
        {.sector = wrong_ranges[_i].sector,
         .num_sectors = wrong_ranges[_i].nr,
         .flags = wrong_ranges[_i].flags},
    };

    begin((struct blk_rig_options){.discard = true});
    ck_assert_msg(command_on(wrong_ranges[_i].type, wrong_ranges[_i].sector, wrong_ranges[_i].nr,
                             wrong_ranges[_i].flags) == wrong_ranges[_i].status,
                  "%s", wrong_ranges[_i].what);
    /* behind a good one, which is not done either */
    ck_assert_uint_eq(command(wrong_ranges[_i].type, ranges, sizeof(ranges)),
                      wrong_ranges[_i].status);
    assert_disk(0, 0, 0);
    ck_assert_uint_eq(rig.discards + rig.zeroes, 0);
    end();
}
END_TEST

START_TEST(the_limits_of_the_configuration_hold)
{
    static struct virtio_blk_discard_write_zeroes many[100];
    struct image big = {.fd = -1, .size = 1ull << 40, .align = 1};
    uint32_t max;
    unsigned segs;

    begin((struct blk_rig_options){.discard = true});
    segs = CONFIG(max_discard_seg);
    ck_assert_uint_eq(CONFIG(max_write_zeroes_seg), segs);
    ck_assert_uint_lt(segs, 100);
    for (unsigned i = 0; i < 100; i++) {
        many[i].num_sectors = 1;
    }
    ck_assert_uint_eq(command(DISCARD, many, segs * sizeof(many[0])), OK);
    ck_assert_uint_eq(rig.discards, segs);
    ck_assert_uint_eq(command(DISCARD, many, (segs + 1) * sizeof(many[0])), IOERR);
    ck_assert_uint_eq(command(ZEROES, many, (segs + 1) * sizeof(many[0])), IOERR);
    ck_assert_uint_eq(command(DISCARD, many, sizeof(many[0]) - 1), IOERR);
    ck_assert_uint_eq(command(DISCARD, many, sizeof(many[0]) + 1), IOERR);
    ck_assert_uint_eq(rig.discards, segs);
    end();

    begin((struct blk_rig_options){.discard = true, .image = big, .engine = &engine_null});
    max = CONFIG(max_discard_sectors);
    ck_assert_uint_eq(command_on(DISCARD, 0, max, 0), OK);
    ck_assert_uint_eq(command_on(DISCARD, 0, max + 1, 0), IOERR);
    max = CONFIG(max_write_zeroes_sectors);
    ck_assert_uint_eq(command_on(ZEROES, 0, max, 0), OK);
    ck_assert_uint_eq(command_on(ZEROES, 0, max + 1, 0), IOERR);
    end();
}
END_TEST

START_TEST(a_range_keeps_to_the_block_size)
{
    begin((struct blk_rig_options){.discard = true, .block_size = 4096});
    ck_assert_uint_eq(command_on(DISCARD, 8, 16, 0), OK);
    ck_assert_uint_eq(command_on(DISCARD, 4, 16, 0), IOERR);
    ck_assert_uint_eq(command_on(ZEROES, 8, 4, 0), IOERR);
    ck_assert_uint_eq(rig.discards + rig.zeroes, 1);
    end();
}
END_TEST

START_TEST(operations_that_were_not_negotiated_are_unsupported)
{
    begin((struct blk_rig_options){.discard = false});
    ck_assert(!(rig.dev->device_features & BIT(VIRTIO_BLK_F_DISCARD)));
    ck_assert_uint_eq(command_on(DISCARD, 0, 8, 0), UNSUPP);
    ck_assert_uint_eq(command_on(ZEROES, 0, 8, 0), OK);
    end();
    begin((struct blk_rig_options){.discard = true,
                                   .features_off =
                                       BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES)});
    ck_assert_uint_eq(command_on(DISCARD, 0, 8, 0), UNSUPP);
    ck_assert_uint_eq(command_on(ZEROES, 0, 8, 0), UNSUPP);
    ck_assert_uint_eq(blk_rig_stats(&rig).unsupported, 2);
    end();
    begin((struct blk_rig_options){.discard = true, .readonly = true});
    ck_assert_uint_ne(command_on(DISCARD, 0, 8, 0), OK);
    ck_assert_uint_ne(command_on(ZEROES, 0, 8, 0), OK);
    assert_disk(0, 0, 0);
    end();
}
END_TEST

START_TEST(a_range_that_the_host_fails_is_an_error)
{
    begin((struct blk_rig_options){.discard = true});
    rig.fail = -EIO;
    ck_assert_uint_eq(command_on(DISCARD, 2, 8, 0), IOERR);
    ck_assert_ptr_nonnull(strstr(rig.log, "discard of 4096 bytes at 1024 failed"));
    ck_assert_uint_eq(command_on(ZEROES, 2, 8, 0), IOERR);
    ck_assert_uint_eq(blk_rig_stats(&rig).errors, 2);
    end();
}
END_TEST

START_TEST(of_several_ranges_only_the_one_that_failed_is_ignored_or_tried_again)
{
    struct virtio_blk_discard_write_zeroes ranges[3] = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}};
    uint16_t head;

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_IGNORE});
    rig.bad_from = 512;
    rig.bad_to = 1024;
    ck_assert_uint_eq(command(ZEROES, ranges, sizeof(ranges)), OK);
    ck_assert_uint_eq(rig.disk[0] + rig.disk[1024], 0);
    ck_assert_uint_eq(rig.disk[512], 0xaa);
    ck_assert_uint_eq(blk_rig_stats(&rig).ignored, 1);
    end();

    begin((struct blk_rig_options){.werror = VIRTIO_BLK_ENOSPC});
    rig.bad_from = 512;
    rig.bad_to = 1024;
    head = fake_driver_chain(drv, HDR(.type = ZEROES), OUT_BYTES(ranges, sizeof(ranges)), STATUS());
    fake_driver_kick(drv, head);
    blk_rig_await_stop(&rig);
    ck_assert_ptr_nonnull(strstr(rig.stopped, "write zeroes of 512 bytes at 512 failed"));
    rig.bad_to = 0;
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head), OK);
    assert_disk(0, 3, 0);
    ck_assert_uint_eq(rig.zeroes, 3); /* the first one was not done again */
    end();
}
END_TEST

/* --- detect-zeroes --- */

static uint8_t write_at(uint64_t sector, const void *data, size_t len)
{
    return blk_rig_do(&rig, 0,
                      fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_OUT, .sector = sector),
                                        OUT_BYTES(data, len / 2),
                                        OUT_BYTES((char *)data + len / 2, len / 2), STATUS()));
}

START_TEST(zeroes_are_detected_as_the_user_wants)
{
    static const uint8_t zeroes[4096];
    uint8_t almost[4096] = {0};
    enum virtio_blk_detect mode = _i % 3;
    bool discard = _i / 3;

    begin((struct blk_rig_options){.discard = discard, .detect_zeroes = mode});
    ck_assert_uint_eq(write_at(8, zeroes, sizeof(zeroes)), OK);
    assert_disk(8, 8, 0);
    ck_assert_uint_eq(rig.zeroes, mode != VIRTIO_BLK_DETECT_OFF);
    ck_assert_uint_eq(rig.unmaps, mode == VIRTIO_BLK_DETECT_UNMAP && discard);
    ck_assert_uint_eq(blk_rig_stats(&rig).zeroes, rig.zeroes);
    ck_assert_uint_eq(blk_rig_stats(&rig).writes, 1);
    ck_assert_uint_eq(blk_rig_stats(&rig).write_bytes, 4096);
    for (unsigned at = 0; at < 4096; at += 4095) { /* the first byte, and the last */
        memset(almost, 0, sizeof(almost));
        almost[at] = 1;
        ck_assert_uint_eq(write_at(32, almost, sizeof(almost)), OK);
        ck_assert_mem_eq(rig.disk + 32 * 512, almost, sizeof(almost));
    }
    ck_assert_uint_eq(rig.zeroes, mode != VIRTIO_BLK_DETECT_OFF);
    end();
}
END_TEST

/* --- the write cache --- */

static unsigned durable_writes(void)
{
    static const uint8_t data[512] = {1};
    unsigned before = rig.durable;

    ck_assert_uint_eq(write_at(0, data, sizeof(data)), OK);
    return rig.durable - before;
}

static void set_writeback(uint8_t on)
{
    virtio_config_write(rig.dev, offsetof(struct virtio_blk_config, wce), &on, 1);
}

static const struct {
    bool writethrough, flush, wce; /* the cache mode; what the driver negotiates */
    bool durable;
} caches[] = {
    {false, true, true, false},  {false, true, false, false}, {false, false, true, true},
    {false, false, false, true}, {true, true, true, true},    {true, true, false, true},
    {true, false, true, true},   {true, false, false, true},
};

START_TEST(writes_are_durable_at_once_without_a_cache_or_a_driver_that_flushes)
{
    uint64_t off = (caches[_i].flush ? 0 : BIT(VIRTIO_BLK_F_FLUSH)) |
                   (caches[_i].wce ? 0 : BIT(VIRTIO_BLK_F_CONFIG_WCE));

    begin((struct blk_rig_options){.writethrough = caches[_i].writethrough, .features_off = off});
    ck_assert_uint_eq(durable_writes(), caches[_i].durable);
    ck_assert_uint_eq(CONFIG(wce), !caches[_i].durable);
    ck_assert_uint_eq(command_on(ZEROES, 0, 1, 0), OK);
    ck_assert_uint_eq(rig.durable, caches[_i].durable ? 2 : 0);
    /* A driver that did not negotiate both cannot switch. */
    set_writeback(1);
    ck_assert_uint_eq(durable_writes(),
                      !(caches[_i].flush && caches[_i].wce) && caches[_i].durable);
    end();
}
END_TEST

START_TEST(the_driver_switches_the_cache_and_a_reset_switches_it_back)
{
    begin((struct blk_rig_options){.writethrough = _i});
    for (unsigned round = 0; round < 2; round++) {
        ck_assert_uint_eq(CONFIG(wce), !_i);
        set_writeback(_i);
        ck_assert_uint_eq(CONFIG(wce), _i);
        ck_assert_uint_eq(durable_writes(), !_i);
        set_writeback(!_i);
        ck_assert_uint_eq(durable_writes(), _i);
        set_writeback(_i);
        blk_rig_go_live(&rig);
    }
    end();
}
END_TEST

static unsigned syncs;

int fdatasync(int fd)
{
    syncs++;
    return fsync(fd);
}

/* By a driver that cannot flush, by one that switches it, by a reset. */
START_TEST(switching_the_cache_off_makes_earlier_writes_durable)
{
    struct blk_rig_options options = {.writethrough = _i == 2};
    int fd = memfd_create("disk", 0);

    if (_i == 0) {
        options.features_off = BIT(VIRTIO_BLK_F_FLUSH);
    }
    blk_rig_init(&rig, &options);
    rig.image.fd = fd;
    syncs = 0;
    blk_rig_go_live(&rig);
    if (_i > 0) {
        set_writeback(1);
        ck_assert_uint_eq(syncs, 0);
    }
    if (_i == 1) {
        set_writeback(0);
    } else if (_i == 2) {
        blk_rig_go_live(&rig);
    }
    ck_assert_uint_eq(CONFIG(wce), 0);
    ck_assert_uint_eq(syncs, 1);
    set_writeback(0);
    ck_assert_uint_eq(syncs, 1);
    end();
    close(fd);
}
END_TEST

START_TEST(nothing_else_of_the_configuration_can_be_written)
{
    struct virtio_blk_config before, after, junk;

    begin((struct blk_rig_options){.discard = true});
    memset(&junk, 0x5a, sizeof(junk));
    virtio_config_read(rig.dev, 0, &before, sizeof(before));
    for (unsigned at = 0; at < sizeof(junk); at++) {
        if (at != offsetof(struct virtio_blk_config, wce)) {
            virtio_config_write(rig.dev, at, &junk, 1);
        }
    }
    virtio_config_read(rig.dev, 0, &after, sizeof(after));
    ck_assert_mem_eq(&before, &after, sizeof(before));
    end();
}
END_TEST

/* --- configuration --- */

START_TEST(the_topology_is_that_of_the_image)
{
    const uint64_t bits = BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_SIZE_MAX) |
                          BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
                          BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_FLUSH);

    begin((struct blk_rig_options){
        .discard = true, .align = 512, .physical_block = 4096, .optimal_io = 1 << 20});
    ck_assert_uint_eq(rig.dev->device_features & bits, bits);
    ck_assert_uint_eq(CONFIG(blk_size), 512);
    ck_assert_uint_eq(CONFIG(physical_block_exp), 3);
    ck_assert_uint_eq(CONFIG(min_io_size), 8);
    ck_assert_uint_eq(CONFIG(opt_io_size), 2048);
    ck_assert_uint_eq(CONFIG(alignment_offset), 0);
    ck_assert_uint_eq(CONFIG(discard_sector_alignment), 8);
    ck_assert_uint_gt(CONFIG(size_max), 0);
    end();
    begin((struct blk_rig_options){.align = 4096, .physical_block = 512}); /* or not known */
    ck_assert_uint_eq(CONFIG(blk_size), 512);
    ck_assert_uint_eq(CONFIG(physical_block_exp), 3);
    ck_assert_uint_eq(CONFIG(min_io_size), 8);
    ck_assert_uint_eq(CONFIG(discard_sector_alignment), 8);
    end();
    begin((struct blk_rig_options){.block_size = 4096, .align = 512, .physical_block = 512});
    ck_assert_uint_eq(CONFIG(blk_size), 4096);
    ck_assert_uint_eq(CONFIG(physical_block_exp), 0);
    ck_assert_uint_eq(CONFIG(min_io_size), 1);
    ck_assert_uint_eq(CONFIG(opt_io_size), 0);
    end();
}
END_TEST

/* --- on a file --- */

START_TEST(blocks_of_a_file_are_freed_and_read_as_zeroes)
{
    bool in_memory = engine_at(_i) == &engine_mmap;
    char path[] = "/var/tmp/pollux-commands-XXXXXX";
    struct image_config config = {.path = path, .direct = false};
    struct blk_rig_options options = {.engine = engine_at(_i), .discard = true};
    static uint8_t data[1 << 20];
    struct error err = {""};
    struct stat before, after;
    uint16_t head;
    int fd = in_memory ? memfd_create("pollux-commands", MFD_CLOEXEC) : mkstemp(path);

    if (in_memory) {
        sprintf(path, "/proc/self/fd/%d", fd);
    }
    memset(data, 0x77, sizeof(data));
    ck_assert_int_eq(write(fd, data, sizeof(data)), sizeof(data));
    ck_assert_int_eq(fsync(fd), 0);
    fstat(fd, &before);
    ck_assert_msg(image_open(&options.image, &config, &err) == 0, "%s", err.msg);
    blk_rig_init(&rig, &options);
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(command_on(DISCARD, 0, 1024, 0), OK);
    ck_assert_uint_eq(command_on(ZEROES, 1024, 512, UNMAP), OK);
    ck_assert_uint_eq(command_on(ZEROES, 1536, 8, 0), OK);
    fstat(fd, &after);
    ck_assert_int_le(after.st_blocks, before.st_blocks - 1536);
    head =
        fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_IN, .sector = 1528), IN(12288), STATUS());
    ck_assert_uint_eq(blk_rig_do(&rig, 0, head), OK);
    memset(data, 0, 8192);
    ck_assert_mem_eq(fake_driver_buf(drv, head, 1), data, 12288);
    set_writeback(0); /* syncs the file */
    ck_assert_uint_eq(CONFIG(wce), 0);
    end();
    image_close(&options.image);
    close(fd);
    ck_assert(unlink(path) == 0 || in_memory);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_commands");
    TCase *t = tcase_create("ranges");
    int engines = 0;

    while (engine_at(engines)->needs_file) {
        engines++;
    }
    tcase_add_test(t, a_discard_reaches_the_engine_for_its_range_only);
    tcase_add_test(t, write_zeroes_may_unmap_only_if_driver_and_user_say_so);
    tcase_add_test(t, several_ranges_are_done_all);
    tcase_add_test(t, a_list_of_ranges_may_be_cut_into_buffers_anywhere);
    tcase_add_loop_test(t, ranges_that_are_wrong_are_refused_as_the_specification_says, 0,
                        sizeof(wrong_ranges) / sizeof(wrong_ranges[0]));
    tcase_add_test(t, the_limits_of_the_configuration_hold);
    tcase_add_test(t, a_range_keeps_to_the_block_size);
    tcase_add_test(t, operations_that_were_not_negotiated_are_unsupported);
    tcase_add_test(t, a_range_that_the_host_fails_is_an_error);
    tcase_add_test(t, of_several_ranges_only_the_one_that_failed_is_ignored_or_tried_again);
    tcase_add_loop_test(t, zeroes_are_detected_as_the_user_wants, 0, 6);
    tcase_add_loop_test(t, blocks_of_a_file_are_freed_and_read_as_zeroes, 0, engines);
    suite_add_tcase(s, t);

    t = tcase_create("cache and configuration");
    tcase_add_loop_test(t, writes_are_durable_at_once_without_a_cache_or_a_driver_that_flushes, 0,
                        sizeof(caches) / sizeof(caches[0]));
    tcase_add_loop_test(t, the_driver_switches_the_cache_and_a_reset_switches_it_back, 0, 2);
    tcase_add_loop_test(t, switching_the_cache_off_makes_earlier_writes_durable, 0, 3);
    tcase_add_test(t, nothing_else_of_the_configuration_can_be_written);
    tcase_add_test(t, the_topology_is_that_of_the_image);
    suite_add_tcase(s, t);

    return suite_run(s);
}

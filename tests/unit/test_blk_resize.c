// SPDX-License-Identifier: MIT
/* The image grows or shrinks while the guest runs. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define READ VIRTIO_BLK_T_IN
#define HALF (RIG_DISK_SIZE / 2)

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static uint8_t read_at(uint64_t sector)
{
    return blk_rig_do(
        &rig, 0, fake_driver_chain(drv, HDR(.type = READ, .sector = sector), IN(512), STATUS()));
}

static uint64_t capacity(void)
{
    struct virtio_blk_config config;

    virtio_config_read(rig.dev, 0, &config, sizeof(config));
    return config.capacity * SECTOR_SIZE;
}

static void resize(uint64_t size)
{
    uint32_t generation = rig.dev->config_generation;

    store_relaxed(&rig.image.size, size);
    virtio_config_changed(rig.dev);
    ck_assert_uint_ne(rig.dev->config_generation, generation);
}

START_TEST(the_guest_gets_an_interrupt_and_sees_the_new_size)
{
    blk_rig_init(&rig, &(struct blk_rig_options){0});
    rig.image.size = HALF;
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(read_at(HALF / 512), VIRTIO_BLK_S_IOERR);
    resize(RIG_DISK_SIZE);
    fake_transport_await_config(&rig.transport);
    ck_assert_uint_eq(rig.dev->isr & 2, 2);
    ck_assert_uint_eq(capacity(), RIG_DISK_SIZE);
    ck_assert_uint_eq(read_at(HALF / 512), VIRTIO_BLK_S_OK);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(beyond_a_new_end_requests_fail)
{
    unsigned before;

    blk_rig_init(&rig, &(struct blk_rig_options){.rerror = VIRTIO_BLK_STOP});
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(read_at(HALF / 512), VIRTIO_BLK_S_OK);
    resize(HALF);
    before = load_relaxed(&rig.submitted[0]);
    ck_assert_uint_eq(read_at(HALF / 512), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(load_relaxed(&rig.submitted[0]), before);
    ck_assert_uint_eq(read_at(HALF / 512 - 1), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(rig.stops, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* The request is held, and then the image is truncated before its range: no retry can succeed. */
START_TEST(a_held_request_beyond_a_new_end_fails_when_retried)
{
    uint16_t head;

    blk_rig_init(&rig, &(struct blk_rig_options){.rerror = VIRTIO_BLK_STOP});
    blk_rig_go_live(&rig);
    rig.fail = -5;
    head = fake_driver_chain(drv, HDR(.type = READ, .sector = HALF / 512), IN(512), STATUS());
    fake_driver_kick(drv, head);
    blk_rig_await_stop(&rig);
    resize(HALF);
    virtio_blk_retry(rig.dev);
    fake_driver_await(drv, 1);
    ck_assert_uint_eq(fake_driver_status(drv, head), VIRTIO_BLK_S_IOERR);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(before_driver_ok_no_interrupt_comes)
{
    blk_rig_init(&rig, &(struct blk_rig_options){0});
    resize(HALF);
    ck_assert_uint_eq(rig.dev->isr, 0);
    ck_assert_uint_eq(capacity(), HALF);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(the_size_of_an_image_file_is_checked_again)
{
    char path[] = "test-blk-resize-XXXXXX";
    struct image_config config = {.path = path};
    struct image image;
    struct error err;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(image_update_size(&image, path, &err), 0);
    ck_assert_int_eq(ftruncate(fd, 8192 + 100), 0);
    ck_assert_int_eq(image_update_size(&image, path, &err), 1);
    ck_assert_uint_eq(image_size(&image), 8192);
    ck_assert_int_eq(ftruncate(fd, 1024), 0);
    ck_assert_int_eq(image_update_size(&image, path, &err), 1);
    ck_assert_uint_eq(image_size(&image), 1024);
    unlink(path);
    image_close(&image);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_resize");
    TCase *tc = tcase_create("resize");

    tcase_add_test(tc, the_guest_gets_an_interrupt_and_sees_the_new_size);
    tcase_add_test(tc, beyond_a_new_end_requests_fail);
    tcase_add_test(tc, a_held_request_beyond_a_new_end_fails_when_retried);
    tcase_add_test(tc, before_driver_ok_no_interrupt_comes);
    tcase_add_test(tc, the_size_of_an_image_file_is_checked_again);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

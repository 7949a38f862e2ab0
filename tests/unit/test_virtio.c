// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/fake-driver.h"
#include "tests/unit/suite.h"

#define OFFERED                                                                                    \
    ((1ull << VIRTIO_F_VERSION_1) | (1ull << VIRTIO_RING_F_EVENT_IDX) | (1ull << VIRTIO_BLK_F_RO))

#define ACK    VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEAT   VIRTIO_CONFIG_S_FEATURES_OK
#define OK     VIRTIO_CONFIG_S_DRIVER_OK
#define BROKEN VIRTIO_CONFIG_S_NEEDS_RESET

static struct virtio_device dev;
static struct virtio_queue queue;
static struct fake_transport transport;
static uint8_t config[12];
static unsigned starts, stops;
static int start_result;

static int dev_start(struct virtio_device *d)
{
    starts++;
    return start_result;
}

static void dev_stop(struct virtio_device *d)
{
    stops++;
}

static void dev_config_read(struct virtio_device *d, unsigned offset, void *data, unsigned len)
{
    ck_assert_uint_le(offset + len, sizeof(config));
    memcpy(data, config + offset, len);
}

static void dev_config_write(struct virtio_device *d, unsigned offset, const void *data,
                             unsigned len)
{
    ck_assert_uint_le(offset + len, sizeof(config));
    memcpy(config + offset, data, len);
}

static const struct virtio_device_ops ops = {
    .start = dev_start,
    .stop = dev_stop,
    .config_read = dev_config_read,
    .config_write = dev_config_write,
};

static void a_device(void)
{
    queue = (struct virtio_queue){.vq.size = 64, .size_max = 64, .call_fd = -1};
    dev = (struct virtio_device){
        .ops = &ops,
        .config_size = sizeof(config),
        .device_features = OFFERED,
        .nr_queues = 1,
        .queues = &queue,
    };
    starts = stops = 0;
    start_result = 0;
    for (unsigned i = 0; i < sizeof(config); i++) {
        config[i] = i;
    }
    fake_transport_init(&transport, &dev);
}

static void no_device(void)
{
    fake_transport_destroy(&transport);
}

static bool config_interrupted(void)
{
    uint64_t n;

    return read(transport.config_fd, &n, sizeof(n)) == sizeof(n);
}

START_TEST(a_device_starts_when_the_driver_says_so)
{
    fake_driver_negotiate(&dev, 0);
    ck_assert_uint_eq(starts, 0);
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    ck_assert_uint_eq(starts, 1);
    ck_assert_uint_eq(virtio_status(&dev), ACK | DRIVER | FEAT | OK);
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    ck_assert_uint_eq(starts, 1);
}
END_TEST

START_TEST(features_that_were_not_offered_do_not_stick)
{
    virtio_set_status(&dev, ACK | DRIVER);
    virtio_set_features(&dev, 0, 1u << VIRTIO_BLK_F_MQ);
    virtio_set_features(&dev, 1, 1);
    virtio_set_status(&dev, ACK | DRIVER | FEAT);
    ck_assert_uint_eq(virtio_status(&dev), ACK | DRIVER);
    virtio_set_features(&dev, 0, 0); /* a driver may try again with fewer */
    virtio_set_status(&dev, ACK | DRIVER | FEAT);
    ck_assert_uint_eq(virtio_status(&dev), ACK | DRIVER | FEAT);
}
END_TEST

START_TEST(a_legacy_driver_is_refused)
{
    virtio_set_status(&dev, ACK | DRIVER);
    virtio_set_features(&dev, 0, 1u << VIRTIO_BLK_F_RO);
    virtio_set_status(&dev, ACK | DRIVER | FEAT);
    ck_assert_uint_eq(virtio_status(&dev), ACK | DRIVER);
    virtio_set_status(&dev, ACK | DRIVER | OK);
    ck_assert_uint_eq(virtio_status(&dev), ACK | DRIVER);
    ck_assert_uint_eq(starts, 0);
}
END_TEST

START_TEST(features_are_fixed_once_accepted)
{
    fake_driver_negotiate(&dev, 1ull << VIRTIO_BLK_F_RO);
    virtio_set_features(&dev, 0, 0);
    virtio_set_features(&dev, 2, 0xffffffff);
    ck_assert_uint_eq(dev.driver_features,
                      (1ull << VIRTIO_F_VERSION_1) | (1ull << VIRTIO_BLK_F_RO));
}
END_TEST

START_TEST(queues_learn_what_was_negotiated)
{
    fake_driver_negotiate(&dev, 1ull << VIRTIO_RING_F_EVENT_IDX);
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    ck_assert(queue.vq.event_idx);
    ck_assert(!queue.vq.indirect);
}
END_TEST

START_TEST(status_bits_are_cleared_by_reset_only)
{
    virtio_set_status(&dev, ACK | DRIVER);
    virtio_set_status(&dev, ACK);
    ck_assert_uint_eq(virtio_status(&dev), ACK | DRIVER);
    virtio_set_status(&dev, 0);
    ck_assert_uint_eq(virtio_status(&dev), 0);
}
END_TEST

START_TEST(a_reset_stops_the_device_and_forgets_everything)
{
    fake_driver_negotiate(&dev, 1ull << VIRTIO_RING_F_EVENT_IDX);
    queue.vq.size = 4;
    queue.vq.ready = true;
    queue.vq.desc_gpa = queue.vq.avail_gpa = queue.vq.used_gpa = 0x1000;
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    dev.isr = 3;
    virtio_set_status(&dev, 0);
    ck_assert_uint_eq(stops, 1);
    ck_assert_uint_eq(virtio_status(&dev), 0);
    ck_assert_uint_eq(dev.driver_features, 0);
    ck_assert_uint_eq(dev.isr, 0);
    ck_assert(!queue.vq.ready && !queue.vq.event_idx);
    ck_assert_uint_eq(queue.vq.size, 64);
    ck_assert_uint_eq(queue.vq.desc_gpa | queue.vq.avail_gpa | queue.vq.used_gpa, 0);
    virtio_set_status(&dev, 0);
    ck_assert_uint_eq(stops, 1);
}
END_TEST

START_TEST(a_broken_device_says_so_once)
{
    fake_driver_negotiate(&dev, 0);
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    virtio_set_needs_reset(&dev);
    ck_assert_uint_eq(virtio_status(&dev) & BROKEN, BROKEN);
    ck_assert_uint_eq(dev.isr, 2);
    ck_assert(config_interrupted());
    virtio_set_needs_reset(&dev);
    ck_assert(!config_interrupted());
}
END_TEST

START_TEST(a_device_that_is_not_live_breaks_silently_and_does_not_go_live)
{
    fake_driver_negotiate(&dev, 0);
    virtio_set_needs_reset(&dev);
    ck_assert(!config_interrupted());
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    ck_assert_uint_eq(starts, 0);
}
END_TEST

START_TEST(the_driver_cannot_set_needs_reset)
{
    virtio_set_status(&dev, ACK | BROKEN);
    ck_assert_uint_eq(virtio_status(&dev), ACK);
}
END_TEST

START_TEST(a_start_that_fails_needs_a_reset)
{
    start_result = -ENOMEM;
    fake_driver_negotiate(&dev, 0);
    virtio_set_status(&dev, ACK | DRIVER | FEAT | OK);
    ck_assert_uint_eq(virtio_status(&dev) & BROKEN, BROKEN);
    virtio_set_status(&dev, 0);
    ck_assert_uint_eq(stops, 1);
}
END_TEST

START_TEST(interrupt_bits_go_when_acknowledged)
{
    dev.isr = 3;
    virtio_isr_ack(&dev, 1);
    ck_assert_uint_eq(dev.isr, 2);
    virtio_isr_ack(&dev, 0xfffffffe);
    ck_assert_uint_eq(dev.isr, 0);
}
END_TEST

START_TEST(interrupt_bits_go_when_taken)
{
    dev.isr = 3;
    ck_assert_uint_eq(virtio_isr_take(&dev), 3);
    ck_assert_uint_eq(virtio_isr_take(&dev), 0);
}
END_TEST

START_TEST(a_queue_without_a_call_descriptor_sets_the_bit_only)
{
    virtio_queue_interrupt(&dev, &queue);
    ck_assert_uint_eq(dev.isr, 1);
    ck_assert(!config_interrupted());
}
END_TEST

/* Whatever the alignment of the device, a line of 64 bytes that has isr has no other member. */
START_TEST(the_interrupt_status_has_a_cache_line_of_its_own)
{
    size_t isr = offsetof(struct virtio_device, isr);

    ck_assert_uint_ge(isr - offsetof(struct virtio_device, before_isr), 60);
    ck_assert_uint_ge(sizeof(struct virtio_device) - isr, 64);
}
END_TEST

START_TEST(config_reads_past_the_end_give_ones)
{
    uint8_t got[8];

    virtio_config_read(&dev, 8, got, 8);
    ck_assert_mem_eq(got, "\x08\x09\x0a\x0b\xff\xff\xff\xff", 8);
    virtio_config_read(&dev, 12, got, 4);
    ck_assert_mem_eq(got, "\xff\xff\xff\xff", 4);
    virtio_config_read(&dev, 0xfffffffe, got, 4);
    ck_assert_mem_eq(got, "\xff\xff\xff\xff", 4);
    virtio_config_read(&dev, 0, got, 1);
    ck_assert_uint_eq(got[0], 0);
}
END_TEST

START_TEST(config_writes_past_the_end_do_nothing)
{
    virtio_config_write(&dev, 0, "\xaa", 1);
    ck_assert_uint_eq(config[0], 0xaa);
    virtio_config_write(&dev, 10, "\xbb\xbb\xbb\xbb", 4);
    virtio_config_write(&dev, 0xfffffffe, "\xbb\xbb\xbb\xbb", 4);
    ck_assert_uint_eq(config[10], 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("virtio");
    TCase *tc = tcase_create("status, features, configuration");

    tcase_add_checked_fixture(tc, a_device, no_device);
    tcase_add_test(tc, a_device_starts_when_the_driver_says_so);
    tcase_add_test(tc, features_that_were_not_offered_do_not_stick);
    tcase_add_test(tc, a_legacy_driver_is_refused);
    tcase_add_test(tc, features_are_fixed_once_accepted);
    tcase_add_test(tc, queues_learn_what_was_negotiated);
    tcase_add_test(tc, status_bits_are_cleared_by_reset_only);
    tcase_add_test(tc, a_reset_stops_the_device_and_forgets_everything);
    tcase_add_test(tc, a_broken_device_says_so_once);
    tcase_add_test(tc, a_device_that_is_not_live_breaks_silently_and_does_not_go_live);
    tcase_add_test(tc, the_driver_cannot_set_needs_reset);
    tcase_add_test(tc, a_start_that_fails_needs_a_reset);
    tcase_add_test(tc, interrupt_bits_go_when_acknowledged);
    tcase_add_test(tc, interrupt_bits_go_when_taken);
    tcase_add_test(tc, a_queue_without_a_call_descriptor_sets_the_bit_only);
    tcase_add_test(tc, the_interrupt_status_has_a_cache_line_of_its_own);
    tcase_add_test(tc, config_reads_past_the_end_give_ones);
    tcase_add_test(tc, config_writes_past_the_end_do_nothing);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

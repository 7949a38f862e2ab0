// SPDX-License-Identifier: MIT
/*
 * A driver that breaks the rules. Each way to do it ends in that queue stopped, DEVICE_NEEDS_RESET,
 * a counter and one log line that names the descriptor; the other queue goes on, and after a reset
 * the device works again.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

/* --- the ways; each returns the descriptor that the log must name --- */

#define GOOD HDR(.type = VIRTIO_BLK_T_IN), IN(512), STATUS()

static struct vring_desc *indirect_of(uint16_t head)
{
    return fake_driver_table(drv, head);
}

/* @culprit is a descriptor of the ring. A packed ring has the chain where its turn is. */
static uint16_t offer(uint16_t head, uint16_t culprit)
{
    uint16_t at = drv->packed ? (drv->avail_pos + culprit - head) % drv->size : culprit;

    fake_driver_offer(drv, head);
    return at;
}

/* @culprit is an entry of the indirect table. */
static uint16_t offer_table(uint16_t head, uint16_t culprit)
{
    fake_driver_offer(drv, head);
    return culprit;
}

/* The log names a chain that is no request by the driver's id. */
static uint16_t offer_request(uint16_t head)
{
    fake_driver_offer(drv, head);
    return head;
}

static uint16_t set_avail_idx(uint16_t idx)
{
    store_release(&drv->avail->idx, idx);
    return 0;
}

static uint16_t index_jumps_by_size_plus_1(void)
{
    return set_avail_idx(drv->avail_idx + drv->size + 1);
}

static uint16_t index_jumps_far(void)
{
    return set_avail_idx(drv->avail_idx + 0x8000);
}

static uint16_t index_goes_back(void)
{
    return set_avail_idx(drv->avail_idx - 1);
}

static uint16_t head_is_the_size(void)
{
    return offer(drv->size, drv->size);
}

static uint16_t head_is_65535(void)
{
    drv->avail->ring[drv->avail_idx % drv->size] = 0xffff;
    set_avail_idx(++drv->avail_idx);
    return 0xffff;
}

static uint16_t next_is_the_size(void)
{
    uint16_t head = fake_driver_chain(drv, GOOD);

    drv->desc[head + 1].next = drv->size;
    return offer(head, head + 1);
}

static uint16_t next_is_65535(void)
{
    uint16_t head = fake_driver_chain(drv, GOOD);

    drv->desc[head].next = 0xffff;
    return offer(head, head);
}

static uint16_t descriptor_follows_itself(void)
{
    uint16_t head = fake_driver_chain(drv, OUT(16), OUT(16));

    drv->desc[head + 1].flags |= VRING_DESC_F_NEXT;
    drv->desc[head + 1].next = head + 1;
    return offer(head, drv->packed ? head : head + 1);
}

static uint16_t descriptors_in_a_circle(void)
{
    uint16_t head = fake_driver_chain(drv, OUT(16), OUT(16));

    drv->desc[head + 1].flags |= VRING_DESC_F_NEXT;
    drv->desc[head + 1].next = head;
    return offer(head, drv->packed ? head : head + (drv->size - 1) % 2);
}

static uint16_t circle_in_an_indirect_table(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, OUT(16), OUT(16), OUT(16));

    indirect_of(head)[2].flags |= VRING_DESC_F_NEXT;
    indirect_of(head)[2].next = 0;
    return offer_table(head, 2);
}

static uint16_t too_many_buffers(void)
{
    static struct fake_buf bufs[VIRTQ_IOV_MAX + 1];

    for (unsigned i = 0; i <= VIRTQ_IOV_MAX; i++) {
        bufs[i] = (struct fake_buf)OUT(16);
    }
    return offer_table(fake_driver_build(drv, true, bufs, VIRTQ_IOV_MAX + 1), VIRTQ_IOV_MAX);
}

static uint16_t indirect_inside_indirect(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    indirect_of(head)[1].flags = VRING_DESC_F_INDIRECT;
    return offer_table(head, 1);
}

static uint16_t indirect_table_refers_to_itself(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    indirect_of(head)[0] = drv->desc[head];
    return offer_table(head, 0);
}

static uint16_t indirect_with_next(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    drv->desc[head].flags |= VRING_DESC_F_NEXT;
    return offer(head, head);
}

static uint16_t indirect_table_of_no_size(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    drv->desc[head].len = 0;
    return offer(head, head);
}

static uint16_t indirect_table_of_odd_size(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    drv->desc[head].len--;
    return offer(head, head);
}

static uint16_t indirect_table_outside(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    drv->desc[head].addr = 0x1000;
    return offer(head, head);
}

static uint16_t indirect_table_of_4_gib(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    drv->desc[head].len = 0xfffffff0;
    return offer(head, head);
}

static uint16_t next_outside_the_indirect_table(void)
{
    uint16_t head = fake_driver_chain_indirect(drv, GOOD);

    indirect_of(head)[0].next = 3;
    return offer_table(head, 0);
}

static uint16_t data_at(uint64_t gpa, uint32_t len)
{
    uint16_t head = fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_IN), IN_AT(gpa, len), STATUS());

    return offer(head, head + 1);
}

/* The last byte of all memory there is: the second driver's comes behind the first one's. */
#define MEMORY_END (FAKE_MEMORY_GPA + 2 * FAKE_MEMORY_SIZE)

static uint16_t buffer_outside(void)
{
    return data_at(0x10, 512);
}

static uint16_t buffer_ends_one_byte_late(void)
{
    return data_at(MEMORY_END - 511, 512);
}

static uint16_t buffer_begins_one_byte_early(void)
{
    return data_at(FAKE_MEMORY_GPA - 1, 512);
}

static uint16_t buffer_overflows(void)
{
    return data_at(UINT64_MAX - 255, 512);
}

static uint16_t buffer_is_4_gib(void)
{
    return data_at(FAKE_MEMORY_GPA, UINT32_MAX);
}

static uint16_t buffer_is_empty(void)
{
    return data_at(FAKE_MEMORY_GPA, 0);
}

static uint16_t status_is_empty(void)
{
    uint16_t head = fake_driver_chain(drv, GOOD);

    drv->desc[head + 2].len = 0;
    return offer(head, head + 2);
}

static uint16_t out_after_in(void)
{
    uint16_t head =
        fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_IN), IN(512), OUT(16), STATUS());

    return offer(head, head + 2);
}

static uint16_t no_status(void)
{
    uint16_t head = fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_OUT), OUT(512));

    return offer_request(head);
}

static uint16_t header_cut_short(void)
{
    uint16_t head = fake_driver_chain(drv, OUT(15), STATUS());

    return offer_request(head);
}

static uint16_t header_missing(void)
{
    uint16_t head = fake_driver_chain(drv, IN(512), STATUS());

    return offer_request(head);
}

static uint16_t head_in_flight_twice(void)
{
    uint16_t head = fake_driver_chain(drv, GOOD);

    fake_driver_offer(drv, head);
    return offer(head, head);
}

/* In a packed ring, a table after a buffer; a split ring may have that (2.7.5.3.2). */
static uint16_t indirect_table_after_a_buffer(void)
{
    uint16_t head = fake_driver_chain(drv, OUT(16), OUT(16));

    drv->desc[head + 1].flags = VRING_DESC_F_INDIRECT;
    return offer(head, head + 1);
}

/* A chain is in flight, and the next one goes round the ring and over it. */
static uint16_t chain_runs_into_one_in_flight(void)
{
    uint16_t first = fake_driver_chain(drv, GOOD), head = fake_driver_chain(drv, OUT(1), OUT(1));
    uint16_t at = drv->avail_pos;

    fake_driver_kick(drv, first);
    blk_rig_await_held(&rig, 1);
    drv->desc[head + 1].flags |= VRING_DESC_F_NEXT;
    drv->desc[head + 1].next = head;
    fake_driver_offer(drv, head);
    return at;
}

/* What the log line says; NULL where the driver of such a ring can't do it, or may. */
static const struct way {
    uint16_t (*break_it)(void);
    const char *split, *packed;
} ways[] = {
    {index_jumps_by_size_plus_1, "available index jumped", NULL},
    {index_jumps_far, "available index jumped", NULL},
    {index_goes_back, "available index jumped", NULL},
    {head_is_the_size, "head is outside the table", NULL},
    {head_is_65535, "head is outside the table", NULL},
    {next_is_the_size, "next descriptor is outside the table", NULL},
    {next_is_65535, "next descriptor is outside the table", NULL},
    {descriptor_follows_itself, "loop", "chain is longer than the queue"},
    {descriptors_in_a_circle, "loop", "chain is longer than the queue"},
    {circle_in_an_indirect_table, "loop", NULL},
    {too_many_buffers, "too many buffers", "too many buffers"},
    {indirect_inside_indirect, "indirect table inside an indirect table", NULL},
    {indirect_table_refers_to_itself, "indirect table inside an indirect table", NULL},
    {indirect_with_next, "indirect descriptor that has a next one",
     "indirect descriptor in a chain"},
    {indirect_table_of_no_size, "size of an indirect table is wrong",
     "size of an indirect table is wrong"},
    {indirect_table_of_odd_size, "size of an indirect table is wrong",
     "size of an indirect table is wrong"},
    {indirect_table_outside, "indirect table outside memory", "indirect table outside memory"},
    {indirect_table_of_4_gib, "indirect table outside memory", "indirect table outside memory"},
    {next_outside_the_indirect_table, "next descriptor is outside the table", NULL},
    {buffer_outside, "buffer outside memory", "buffer outside memory"},
    {buffer_ends_one_byte_late, "buffer outside memory", "buffer outside memory"},
    {buffer_begins_one_byte_early, "buffer outside memory", "buffer outside memory"},
    {buffer_overflows, "buffer outside memory", "buffer outside memory"},
    {buffer_is_4_gib, "buffer outside memory", "buffer outside memory"},
    {buffer_is_empty, "empty buffer", "empty buffer"},
    {status_is_empty, "empty buffer", "empty buffer"},
    {out_after_in, "readable buffer after a writable one", "readable buffer after a writable one"},
    {no_status, "status byte is missing", "status byte is missing"},
    {header_cut_short, "header is cut short", "header is cut short"},
    {header_missing, "header is cut short", "header is cut short"},
    {head_in_flight_twice, "in flight already", "in flight already"},
    {indirect_table_after_a_buffer, NULL, "indirect descriptor in a chain"},
    {chain_runs_into_one_in_flight, NULL, "descriptor is available that is not used yet"},
};
#define NR_WAYS ((int)(sizeof(ways) / sizeof(ways[0])))

/* --- the reaction of the device --- */

static uint8_t read_on(unsigned queue)
{
    return blk_rig_do(&rig, queue, fake_driver_chain(&rig.drv[queue], GOOD));
}

static void begin(bool packed, bool event_idx, const struct poll_policy_ops *policy)
{
    /* Of 64 descriptors, so that a loop is found before the chain is too long for the device. */
    struct blk_rig_options options = {.policy = policy,
                                      .event_idx = event_idx,
                                      .packed = packed,
                                      .nr_queues = 2,
                                      .queue_size = 64};

    blk_rig_init(&rig, &options);
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(read_on(0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(read_on(1), VIRTIO_BLK_S_OK);
}

static void kick_anyway(void)
{
    uint64_t one = 1;

    ck_assert_int_eq(write(drv->kick_fd, &one, sizeof(one)), sizeof(one));
}

static void breaks_only_its_queue(const struct way *way)
{
    const char *what = drv->packed ? way->packed : way->split;
    bool one_in_flight =
        way->break_it == head_in_flight_twice || way->break_it == chain_runs_into_one_in_flight;
    char desc[32];

    rig.hold = one_in_flight;
    snprintf(desc, sizeof(desc), "descriptor %u,", way->break_it());
    kick_anyway();
    fake_transport_await_config(&rig.transport);
    rig.hold = false; /* what is held completes with the next request of any queue */

    ck_assert_uint_ne(virtio_status(rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 1);
    ck_assert_uint_eq(rig.log_lines, 1);
    ck_assert_msg(strstr(rig.log, what) && strstr(rig.log, desc) &&
                      strstr(rig.log, "disk0 queue 0"),
                  "'%s' does not name '%s' and '%s'", rig.log, what, desc);

    /* This queue takes nothing any more, the other one goes on. */
    fake_driver_offer(drv, fake_driver_chain(drv, GOOD));
    kick_anyway();
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(read_on(1), VIRTIO_BLK_S_OK);
    }
    ck_assert_uint_eq(fake_driver_used_idx(drv), 1 + one_in_flight);
    ck_assert_uint_eq(rig.log_lines, 1);
}

static void works_after_a_reset(void)
{
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(virtio_status(rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
    ck_assert_uint_eq(read_on(0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(read_on(1), VIRTIO_BLK_S_OK);
}

static void each_way(int i, bool event_idx, const struct poll_policy_ops *policy)
{
    const struct way *way = &ways[i / 2];
    bool packed = i % 2;

    if (packed ? way->packed : way->split) {
        begin(packed, event_idx, policy);
        breaks_only_its_queue(way);
        works_after_a_reset();
        blk_rig_destroy(&rig);
    }
}

START_TEST(a_broken_ring_stops_its_queue_and_nothing_else)
{
    each_way(_i, false, &poll_policy_block);
}
END_TEST

START_TEST(a_broken_ring_stops_its_queue_and_nothing_else_while_polling)
{
    each_way(_i, true, &poll_policy_fixed);
}
END_TEST

START_TEST(what_was_in_flight_when_the_queue_broke_is_completed_once)
{
    uint16_t head[3];

    begin(_i / 2, _i % 2, &poll_policy_block);
    rig.hold = true;
    for (unsigned i = 0; i < 3; i++) {
        head[i] = fake_driver_chain(drv, GOOD);
        fake_driver_kick(drv, head[i]);
    }
    blk_rig_await_held(&rig, 3);
    buffer_outside();
    kick_anyway();
    fake_transport_await_config(&rig.transport);
    blk_rig_release(&rig);
    fake_driver_await(drv, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(fake_driver_status(drv, head[i]), VIRTIO_BLK_S_OK);
    }
    ck_assert_int_eq(fake_driver_reap(drv), -1);
    works_after_a_reset();
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(good_chains_before_the_bad_one_are_served)
{
    begin(_i / 2, _i % 2, &poll_policy_block);
    for (unsigned i = 0; i < 5; i++) {
        fake_driver_offer(drv, fake_driver_chain(drv, GOOD));
    }
    no_status();
    kick_anyway();
    fake_driver_await(drv, 5);
    fake_transport_await_config(&rig.transport);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 7);
    works_after_a_reset();
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(rings_outside_memory_break_their_queue_at_driver_ok)
{
    begin(_i / 2, _i % 2, &poll_policy_block);
    fake_driver_negotiate(rig.dev, drv->packed ? 1ull << VIRTIO_F_RING_PACKED : 0);
    for (unsigned i = 0; i < 2; i++) {
        fake_driver_reset(&rig.drv[i]);
        rig.drv[i].event_idx = false;
        fake_driver_attach(&rig.drv[i], rig.dev, i);
    }
    rig.dev->queues[0].vq.used_gpa = MEMORY_END - 2;
    virtio_set_status(rig.dev, virtio_status(rig.dev) | VIRTIO_CONFIG_S_DRIVER_OK);
    fake_transport_await_config(&rig.transport);
    ck_assert_ptr_nonnull(strstr(rig.log, drv->packed ? "device event" : "used ring"));
    ck_assert_uint_eq(read_on(1), VIRTIO_BLK_S_OK);
    works_after_a_reset();
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_guest_that_breaks_its_queue_for_ever_does_not_fill_the_log)
{
    begin(_i / 2, _i % 2, &poll_policy_block);
    for (unsigned i = 0; i < 100; i++) {
        no_status();
        kick_anyway();
        fake_transport_await_config(&rig.transport);
        blk_rig_go_live(&rig);
    }
    ck_assert_uint_lt(rig.log_lines, 50);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 100);
    works_after_a_reset();
    blk_rig_destroy(&rig);
}
END_TEST

/* --- while the device reads --- */

static unsigned scribble_on;

static void scribble_packed(uint32_t seed)
{
    struct vring_packed_desc *d = &drv->ring[(seed >> 4) % drv->size];

    store_relaxed(&d->addr, FAKE_MEMORY_GPA + ((uint64_t)seed << 4) % (3 * FAKE_MEMORY_SIZE));
    store_relaxed(&d->len, seed % 5 ? seed % 600 : seed);
    store_relaxed(&d->id, (seed >> 7) % 70);
    store_relaxed(&d->flags,
                  ((seed >> 20) & 7) | ((seed >> 12) & 1) << 7 | ((seed >> 13) & 1) << 15);
    store_relaxed((uint32_t *)drv->driver_event, seed);
}

static void scribble_split(uint32_t seed)
{
    store_relaxed(&drv->avail->ring[(seed >> 8) % drv->size], (seed >> 16) % (drv->size + 4));
    store_release(&drv->avail->idx, drv->avail->idx + ((seed >> 12) % 3));
    /* ThreadSanitizer rightly calls it a race when a descriptor changes while it is copied. */
#if !defined(__SANITIZE_THREAD__)
    struct vring_desc *d = &drv->desc[(seed >> 4) % drv->size];

    store_relaxed(&d->addr, FAKE_MEMORY_GPA + ((uint64_t)seed << 4) % (3 * FAKE_MEMORY_SIZE));
    store_relaxed(&d->len, seed % 5 ? seed % 600 : seed);
    store_relaxed(&d->flags, (seed >> 20) % 8);
    store_relaxed(&d->next, (seed >> 7) % (drv->size + 2));
#endif
}

static void *scribble(void *opaque)
{
    uint32_t seed = 12345;
    uint64_t one = 1;

    while (load_acquire(&scribble_on)) {
        seed = seed * 1664525 + 1013904223;
        if (drv->packed) {
            scribble_packed(seed);
        } else {
            scribble_split(seed);
        }
        if (write(drv->kick_fd, &one, sizeof(one)) < 0) {
            break;
        }
    }
    return NULL;
}

START_TEST(rings_that_change_while_they_are_read_do_no_harm)
{
#if defined(__SANITIZE_THREAD__)
    if (_i / 2) { /* in a packed ring there is nothing but descriptors, see above */
        return;
    }
#endif
    begin(_i / 2, _i % 2, _i % 2 ? &poll_policy_fixed : &poll_policy_block);
    for (unsigned round = 0; round < 200; round++) {
        pthread_t thread;

        scribble_on = 1;
        ck_assert_int_eq(pthread_create(&thread, NULL, scribble, NULL), 0);
        fake_transport_await_config(&rig.transport);
        ck_assert_uint_eq(read_on(1), VIRTIO_BLK_S_OK);
        store_release(&scribble_on, 0);
        pthread_join(thread, NULL);
        blk_rig_go_live(&rig);
    }
    works_after_a_reset();
    blk_rig_destroy(&rig);
}
END_TEST

/* A driver that always has more: what is in the ring when the device has served it is full again.
 */
static void *flood(void *opaque)
{
    while (load_acquire(&scribble_on)) {
        for (unsigned i = 0; i < drv->size; i++) {
            fake_driver_kick(drv, i);
        }
        for (unsigned i = 0; i < drv->size; i++) {
            while (fake_driver_reap(drv) < 0) {
            }
        }
    }
    return NULL;
}

START_TEST(a_queue_that_is_always_full_leaves_room_for_the_other)
{
    pthread_t thread;

    begin(_i / 2, _i % 2, _i % 2 ? &poll_policy_fixed : &poll_policy_block);
    blk_rig_go_live(&rig);
    for (unsigned i = 0; i < drv->size; i++) {
        ck_assert_uint_eq(
            fake_driver_chain_indirect(drv, HDR(.type = VIRTIO_BLK_T_GET_ID), IN(20), STATUS()), i);
    }
    scribble_on = 1;
    ck_assert_int_eq(pthread_create(&thread, NULL, flood, NULL), 0);
    for (unsigned i = 0; i < 200; i++) {
        uint16_t head = fake_driver_chain(&rig.drv[1], GOOD);

        ck_assert_uint_eq(blk_rig_do(&rig, 1, head), VIRTIO_BLK_S_OK);
        fake_driver_release(&rig.drv[1], head);
    }
    store_release(&scribble_on, 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 0);
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("virtq_hostile");
    TCase *table = tcase_create("table"), *more = tcase_create("more");

    tcase_add_loop_test(table, a_broken_ring_stops_its_queue_and_nothing_else, 0, 2 * NR_WAYS);
    tcase_add_loop_test(table, a_broken_ring_stops_its_queue_and_nothing_else_while_polling, 0,
                        2 * NR_WAYS);
    tcase_add_loop_test(more, what_was_in_flight_when_the_queue_broke_is_completed_once, 0, 4);
    tcase_add_loop_test(more, good_chains_before_the_bad_one_are_served, 0, 4);
    tcase_add_loop_test(more, rings_outside_memory_break_their_queue_at_driver_ok, 0, 4);
    tcase_add_loop_test(more, a_guest_that_breaks_its_queue_for_ever_does_not_fill_the_log, 0, 4);
    tcase_add_loop_test(more, rings_that_change_while_they_are_read_do_no_harm, 0, 4);
    tcase_add_loop_test(more, a_queue_that_is_always_full_leaves_room_for_the_other, 0, 4);
    suite_add_tcase(s, table);
    suite_add_tcase(s, more);
    return suite_run(s);
}

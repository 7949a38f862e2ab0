// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "tests/unit/fake-driver.h"
#include "tests/unit/suite.h"

static struct fake_driver drv;
static struct virtqueue vq;
static struct virtq_chain chain;

static void begin(unsigned size, bool event_idx, bool packed)
{
    fake_driver_init(&drv, size, event_idx);
    if (packed) {
        fake_driver_pack(&drv);
    }
    vq = (struct virtqueue){.indirect = true};
    fake_driver_setup(&drv, &vq);
    ck_assert_int_eq(virtq_start(&vq, &drv.gm), 0);
}

static void flags_of_8(void)
{
    begin(8, false, false);
}

static void event_idx_of_8(void)
{
    begin(8, true, false);
}

static void packed_of_8(void)
{
    begin(8, false, true);
}

static void packed_event_idx_of_8(void)
{
    begin(8, true, true);
}

static void end(void)
{
    virtq_stop(&vq);
    fake_driver_destroy(&drv);
}

static uint16_t offer_one(void)
{
    uint16_t head = fake_driver_chain(&drv, OUT(16), IN(1));

    fake_driver_offer(&drv, head);
    return head;
}

/* Serves all that is there. Return: how many chains. */
static unsigned drain(void)
{
    unsigned n = 0;

    while (virtq_pop(&vq, &chain) == 1) {
        virtq_push(&vq, chain.head, 1);
        n++;
    }
    ck_assert_ptr_null(vq.fault.what);
    return n;
}

static void reap_all(void)
{
    int head;

    while ((head = fake_driver_reap(&drv)) >= 0) {
        fake_driver_release(&drv, head);
    }
}

/* --- chains --- */

START_TEST(an_empty_ring_gives_nothing_and_is_not_broken)
{
    ck_assert(!virtq_has_work(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    ck_assert_ptr_null(vq.fault.what);
}
END_TEST

START_TEST(a_chain_comes_out_with_its_buffers_translated)
{
    uint16_t head = fake_driver_chain(&drv, OUT(16), OUT(700), IN(512), IN(1));

    fake_driver_offer(&drv, head);
    ck_assert(virtq_has_work(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.head, head);
    ck_assert_uint_eq(chain.nr_out, 2);
    ck_assert_uint_eq(chain.nr_in, 2);
    for (unsigned i = 0; i < 4; i++) {
        static const size_t len[] = {16, 700, 512, 1};

        ck_assert_ptr_eq(chain.iov[i].iov_base, fake_driver_buf(&drv, head, i));
        ck_assert_uint_eq(chain.iov[i].iov_len, len[i]);
    }
    ck_assert(!virtq_has_work(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
}
END_TEST

START_TEST(an_indirect_chain_comes_out_like_a_direct_one)
{
    uint16_t head = fake_driver_chain_indirect(&drv, OUT(16), IN(512), IN(1));

    fake_driver_offer(&drv, head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.head, head);
    ck_assert_uint_eq(chain.nr_out, 1);
    ck_assert_uint_eq(chain.nr_in, 2);
    ck_assert_ptr_eq(chain.iov[1].iov_base, fake_driver_buf(&drv, head, 1));
}
END_TEST

START_TEST(an_indirect_table_may_follow_direct_buffers)
{
    uint16_t head = fake_driver_chain(&drv, OUT(16), OUT(4));
    uint64_t gpa = fake_driver_alloc(&drv, 2 * sizeof(struct vring_desc), 1);
    struct vring_desc inner[2] = {
        {.addr = FAKE_MEMORY_GPA, .len = 8, .flags = VRING_DESC_F_NEXT, .next = 1},
        {.addr = FAKE_MEMORY_GPA, .len = 9, .flags = VRING_DESC_F_WRITE},
    };

    /* WRITE on the descriptor that refers to a table means nothing (2.7.5.3.2) */
    memcpy(fake_driver_at(&drv, gpa), inner, sizeof(inner));
    drv.desc[head + 1] = (struct vring_desc){
        .addr = gpa, .len = sizeof(inner), .flags = VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE};
    fake_driver_offer(&drv, head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.nr_out, 2);
    ck_assert_uint_eq(chain.nr_in, 1);
    ck_assert_uint_eq(chain.iov[2].iov_len, 9);
}
END_TEST

START_TEST(an_indirect_table_that_is_not_aligned_is_read)
{
    uint16_t head = fake_driver_chain(&drv, OUT(16));
    uint64_t gpa = fake_driver_alloc(&drv, sizeof(struct vring_desc) + 1, 16) + 1;
    struct vring_desc inner = {.addr = FAKE_MEMORY_GPA, .len = 8};

    memcpy(fake_driver_at(&drv, gpa), &inner, sizeof(inner));
    drv.desc[head] =
        (struct vring_desc){.addr = gpa, .len = sizeof(inner), .flags = VRING_DESC_F_INDIRECT};
    fake_driver_offer(&drv, head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.iov[0].iov_len, 8);
}
END_TEST

START_TEST(the_longest_chain_is_taken_whole)
{
    struct fake_buf bufs[VIRTQ_IOV_MAX];
    uint16_t head;

    for (unsigned i = 0; i < VIRTQ_IOV_MAX; i++) {
        bufs[i] = (struct fake_buf)OUT(4);
    }
    head = fake_driver_build(&drv, true, bufs, VIRTQ_IOV_MAX);
    fake_driver_offer(&drv, head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.nr_out, VIRTQ_IOV_MAX);
}
END_TEST

START_TEST(a_chain_may_take_every_descriptor)
{
    uint16_t head =
        fake_driver_chain(&drv, OUT(1), OUT(1), OUT(1), OUT(1), OUT(1), OUT(1), OUT(1), OUT(1));

    fake_driver_offer(&drv, head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.nr_out, 8);
}
END_TEST

START_TEST(what_the_driver_changes_after_the_pop_has_no_effect)
{
    uint16_t head = offer_one();

    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    if (drv.packed) {
        memset(drv.ring, 0x55, drv.size * sizeof(*drv.ring));
    } else {
        drv.desc[head].addr = 0;
        drv.desc[head].len = UINT32_MAX;
        drv.avail->ring[0] = 0xffff;
    }
    ck_assert_ptr_eq(chain.iov[0].iov_base, fake_driver_buf(&drv, head, 0));
    virtq_push(&vq, chain.head, 0);
    virtq_publish_used(&vq);
    ck_assert_int_eq(fake_driver_reap(&drv), head);
}
END_TEST

START_TEST(known_work_is_true_while_chains_are_left)
{
    offer_one();
    offer_one();
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert(virtq_has_known_work(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert(!virtq_has_known_work(&vq));
}
END_TEST

START_TEST(a_batch_is_known_from_one_look)
{
    offer_one();
    offer_one();
    ck_assert(!virtq_has_known_work(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert(virtq_has_known_work(&vq));
    offer_one(); /* not part of what was seen */
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert(!virtq_has_known_work(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
}
END_TEST

/* --- used --- */

START_TEST(pushed_chains_are_seen_only_when_published)
{
    uint16_t a = offer_one(), b = offer_one();

    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    virtq_push(&vq, b, 7);
    virtq_push(&vq, a, 9);
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 0);
    ck_assert_int_eq(fake_driver_reap(&drv), -1);
    virtq_publish_used(&vq);
    ck_assert_int_eq(fake_driver_reap(&drv), b);
    ck_assert_int_eq(fake_driver_reap(&drv), a);
    ck_assert_uint_eq(fake_driver_used_len(&drv, b), 7);
    ck_assert_uint_eq(fake_driver_used_len(&drv, a), 9);
    ck_assert_int_eq(fake_driver_reap(&drv), -1);
}
END_TEST

START_TEST(publishing_nothing_asks_for_no_interrupt)
{
    ck_assert(!virtq_publish_used(&vq));
}
END_TEST

START_TEST(early_published_chains_are_seen_at_once_and_their_interrupt_is_not_lost)
{
    fake_driver_want_interrupts(&drv, true);
    offer_one();
    drain();
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 0);
    virtq_publish_early(&vq);
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 1);
    virtq_publish_early(&vq);
    reap_all();
    offer_one();
    drain();
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 1);
    ck_assert(virtq_publish_used(&vq));
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 2);
    ck_assert(!virtq_publish_used(&vq));

    offer_one();
    drain();
    virtq_publish_early(&vq);
    ck_assert_msg(virtq_publish_used(&vq) == !drv.event_idx,
                  "the driver has seen all before it asked");
}
END_TEST

/* Else nobody could tell whether what the driver waits for was passed. */
START_TEST(at_most_half_of_the_ring_is_published_early)
{
    for (unsigned i = 0; i < 5; i++) {
        offer_one();
        ck_assert_uint_eq(drain(), 1);
        virtq_publish_early(&vq);
        reap_all();
    }
    ck_assert_uint_lt(fake_driver_used_idx(&drv), 5);
    ck_assert_uint_gt(fake_driver_used_idx(&drv), 0);
    virtq_publish_used(&vq);
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 5);
}
END_TEST

START_TEST(the_indices_wrap_around)
{
    uint16_t head = fake_driver_chain(&drv, OUT(16), IN(1));

    for (unsigned i = 0; i < 70000; i++) {
        fake_driver_offer(&drv, head);
        if (virtq_pop(&vq, &chain) != 1) {
            ck_abort_msg("chain %u is not seen", i);
        }
        virtq_push(&vq, chain.head, i);
        virtq_publish_used(&vq);
        if (fake_driver_reap(&drv) != head || fake_driver_used_len(&drv, head) != i) {
            ck_abort_msg("chain %u came back wrong", i);
        }
    }
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
}
END_TEST

/* --- interrupts --- */

START_TEST(without_event_idx_the_flag_decides_on_interrupts)
{
    offer_one();
    drain();
    ck_assert(virtq_publish_used(&vq));
    fake_driver_want_interrupts(&drv, false);
    offer_one();
    drain();
    ck_assert(!virtq_publish_used(&vq));
}
END_TEST

START_TEST(an_interrupt_that_is_asked_for_comes_with_the_next_chain)
{
    for (unsigned i = 0; i < 40; i++) {
        fake_driver_want_interrupts(&drv, false);
        offer_one();
        drain();
        ck_assert_msg(!virtq_publish_used(&vq), "chain %u", i);
        reap_all();
        fake_driver_want_interrupts(&drv, true);
        offer_one();
        drain();
        ck_assert_msg(virtq_publish_used(&vq), "chain %u", i);
        reap_all();
    }
}
END_TEST

START_TEST(with_event_idx_the_interrupt_comes_when_its_index_is_passed)
{
    drv.avail->ring[drv.size] = 2; /* used_event: tell me of the third */
    for (unsigned i = 0; i < 6; i++) {
        offer_one();
        drain();
        ck_assert_msg(virtq_publish_used(&vq) == (i == 2), "after chain %u", i);
        reap_all();
    }
}
END_TEST

START_TEST(with_event_idx_a_batch_that_passes_the_index_interrupts_once)
{
    drv.avail->ring[drv.size] = 1;
    for (unsigned i = 0; i < 4; i++) {
        offer_one();
    }
    ck_assert_uint_eq(drain(), 4);
    ck_assert(virtq_publish_used(&vq));
    ck_assert(!virtq_publish_used(&vq));
}
END_TEST

/* --- kicks --- */

START_TEST(a_started_queue_wants_kicks)
{
    uint16_t old = drv.avail_idx;

    offer_one();
    ck_assert(fake_driver_wants_kick(&drv, old));
}
END_TEST

START_TEST(a_suppressed_queue_wants_no_kick)
{
    virtq_suppress(&vq);
    for (unsigned i = 0; i < 40; i++) {
        uint16_t old = drv.avail_idx;

        offer_one();
        ck_assert_msg(!fake_driver_wants_kick(&drv, old), "chain %u", i);
        ck_assert_uint_eq(drain(), 1);
        virtq_publish_used(&vq);
        reap_all();
    }
}
END_TEST

START_TEST(a_queue_is_suppressed_again_after_an_unsuppress)
{
    uint16_t old = drv.avail_idx;

    virtq_suppress(&vq);
    ck_assert(!virtq_unsuppress(&vq));
    virtq_suppress(&vq);
    offer_one();
    ck_assert(!fake_driver_wants_kick(&drv, old));
}
END_TEST

START_TEST(suppressing_while_chains_are_there_wants_no_kick)
{
    uint16_t old;

    offer_one();
    virtq_suppress(&vq);
    old = drv.avail_idx;
    offer_one();
    ck_assert(!fake_driver_wants_kick(&drv, old));
}
END_TEST

START_TEST(every_chain_after_an_unsuppress_is_kicked_for)
{
    for (unsigned i = 0; i < 40; i++) {
        uint16_t old = drv.avail_idx;

        offer_one();
        ck_assert_msg(fake_driver_wants_kick(&drv, old), "chain %u", i);
        ck_assert_uint_eq(drain(), 1);
        virtq_publish_used(&vq);
        reap_all();
        ck_assert(!virtq_unsuppress(&vq));
    }
}
END_TEST

START_TEST(unsuppressing_wants_the_next_kick)
{
    uint16_t old;

    offer_one();
    virtq_suppress(&vq);
    drain();
    ck_assert(!virtq_unsuppress(&vq));
    old = drv.avail_idx;
    offer_one();
    ck_assert(fake_driver_wants_kick(&drv, old));
}
END_TEST

START_TEST(unsuppressing_tells_of_a_chain_that_was_not_kicked_for)
{
    virtq_suppress(&vq);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    offer_one(); /* between the last look and the re-enable */
    ck_assert(virtq_unsuppress(&vq));
}
END_TEST

START_TEST(with_event_idx_the_flags_stay_zero)
{
    virtq_suppress(&vq);
    ck_assert_uint_eq(drv.used->flags, 0);
}
END_TEST

START_TEST(with_event_idx_polling_writes_the_hint_only_once)
{
    uint16_t *avail_event = (uint16_t *)&drv.used->ring[drv.size];

    virtq_suppress(&vq);
    *avail_event = 0x1234; /* would be overwritten */
    for (unsigned i = 0; i < 40; i++) {
        offer_one();
        virtq_suppress(&vq);
        drain();
        virtq_publish_used(&vq);
        reap_all();
    }
    ck_assert_uint_eq(*avail_event, 0x1234);
}
END_TEST

START_TEST(with_event_idx_100000_polled_chains_are_kicked_for_at_most_twice)
{
    uint16_t head = fake_driver_chain(&drv, OUT(16), IN(1));

    virtq_suppress(&vq);
    for (unsigned i = 0; i < 100000; i++) {
        fake_driver_kick(&drv, head);
        if (virtq_pop(&vq, &chain) != 1) {
            ck_abort_msg("chain %u is not seen", i);
        }
        virtq_push(&vq, chain.head, 1);
        virtq_publish_used(&vq);
        fake_driver_reap(&drv);
    }
    ck_assert_uint_le(drv.kicks, 2);
}
END_TEST

/* --- set-up --- */

/* --- sizes --- */

/*
 * Rings of any size, laps upon laps: batches of chains of every length that fits, completed in
 * another order. Split rings take only the powers of 2.
 */
static const unsigned sizes[] = {1, 2, 3, 4, 5, 7, 8, 13, 100, 255, 256, 1000, 32767, 32768};

static unsigned build_chains(unsigned size, uint16_t heads[static 64])
{
    struct fake_buf bufs[] = {OUT(16), OUT(3), OUT(2), IN(9), IN(1)};
    unsigned nr = 0, n = 0;

    while (nr < 64 && n < size) {
        unsigned len = 1 + (nr + size) % 5;

        len = len <= size - n ? len : size - n;
        heads[nr++] = fake_driver_build(&drv, false, bufs + 5 - len, len);
        n += len;
    }
    return nr;
}

static void one_round(const uint16_t *heads, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        fake_driver_offer(&drv, heads[i]);
    }
    for (unsigned i = 0; i < nr; i++) {
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        ck_assert_uint_eq(chain.head, heads[i]);
        ck_assert_uint_eq(chain.nr_out + chain.nr_in, drv.chains[heads[i]].nr_bufs);
    }
    ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    for (unsigned i = 0; i < nr; i++) {
        virtq_push(&vq, heads[nr - 1 - i], i);
    }
    virtq_publish_used(&vq);
    for (unsigned i = 0; i < nr; i++) {
        ck_assert_int_eq(fake_driver_reap(&drv), heads[nr - 1 - i]);
        ck_assert_uint_eq(fake_driver_used_len(&drv, heads[nr - 1 - i]), i);
    }
    ck_assert_int_eq(fake_driver_reap(&drv), -1);
}

static void laps(unsigned size, bool packed)
{
    unsigned nr, rounds = size < 1000 ? 300 : 6 * size / 190;
    uint16_t heads[64];

    begin(size, size % 2, packed);
    nr = build_chains(size, heads);
    for (unsigned i = 0; i < rounds; i++) {
        one_round(heads, 1 + i * 7 % nr);
    }
    one_round(heads, nr);
    ck_assert_ptr_null(vq.fault.what);
    end();
}

START_TEST(rings_of_any_size_go_round)
{
    unsigned size = sizes[_i / 2];

    if (_i % 2 || !(size & (size - 1))) {
        laps(size, _i % 2);
    }
}
END_TEST

static int start_with(void (*change)(struct virtqueue *vq))
{
    struct virtqueue fresh = {0};
    int r;

    fake_driver_setup(&drv, &fresh);
    change(&fresh);
    r = virtq_start(&fresh, &drv.gm);
    ck_assert(r == 0 || fresh.fault.what);
    virtq_stop(&fresh);
    return r;
}

#define CHANGE(name, what)                                                                         \
    static void name(struct virtqueue *q)                                                          \
    {                                                                                              \
        what;                                                                                      \
    }
CHANGE(nothing, (void)q)
CHANGE(size_zero, q->size = 0)
CHANGE(size_three, q->size = 3)
CHANGE(size_too_big, q->size = 65535)
CHANGE(desc_odd, q->desc_gpa += 8)
CHANGE(avail_odd, q->avail_gpa += 1)
CHANGE(used_odd, q->used_gpa += 2)
CHANGE(desc_outside, q->desc_gpa = FAKE_MEMORY_GPA - 16)
CHANGE(desc_past_the_end, q->desc_gpa = FAKE_MEMORY_GPA + FAKE_MEMORY_SIZE - 16)
CHANGE(avail_past_the_end, q->avail_gpa = FAKE_MEMORY_GPA + FAKE_MEMORY_SIZE - 2)
CHANGE(used_past_the_end, q->used_gpa = FAKE_MEMORY_GPA + FAKE_MEMORY_SIZE - 4)
CHANGE(used_wraps, q->used_gpa = UINT64_MAX - 3)
CHANGE(event_field_past_the_end,
       (q->avail_gpa = FAKE_MEMORY_GPA + FAKE_MEMORY_SIZE - 4 - 2 * q->size, q->event_idx = true))
CHANGE(ring_at_the_end, (q->avail_gpa = FAKE_MEMORY_GPA + FAKE_MEMORY_SIZE - 4 - 2 * q->size))

static const struct {
    const char *name;
    void (*change)(struct virtqueue *vq);
    int result;
} set_ups[] = {
    {"nothing", nothing, 0},
    {"ring that ends with memory", ring_at_the_end, 0},
    {"size 0", size_zero, -EINVAL},
    {"size 3", size_three, -EINVAL},
    {"size 65535", size_too_big, -EINVAL},
    {"descriptors not aligned", desc_odd, -EINVAL},
    {"available ring not aligned", avail_odd, -EINVAL},
    {"used ring not aligned", used_odd, -EINVAL},
    {"descriptors outside", desc_outside, -EINVAL},
    {"descriptors past the end", desc_past_the_end, -EINVAL},
    {"available ring past the end", avail_past_the_end, -EINVAL},
    {"used ring past the end", used_past_the_end, -EINVAL},
    {"used ring wraps", used_wraps, -EINVAL},
    {"event field past the end", event_field_past_the_end, -EINVAL},
};

CHANGE(desc_at_8, q->desc_gpa += 8)
CHANGE(size_32769, q->size = 32769)
CHANGE(ring_ends_with_memory, (q->desc_gpa = FAKE_MEMORY_GPA + FAKE_MEMORY_SIZE - 16 * q->size))

static const struct {
    const char *name;
    void (*change)(struct virtqueue *vq);
    int result;
} packed_set_ups[] = {
    {"nothing", nothing, 0},
    {"ring that ends with memory", ring_ends_with_memory, 0},
    {"size 3", size_three, 0},
    {"size 0", size_zero, -EINVAL},
    {"size 32769", size_32769, -EINVAL},
    {"ring not aligned", desc_at_8, -EINVAL},
    {"driver events not aligned", used_odd, -EINVAL},
    {"device events not aligned", avail_odd, -EINVAL},
    {"ring outside", desc_outside, -EINVAL},
    {"ring past the end", desc_past_the_end, -EINVAL},
    {"driver events past the end", avail_past_the_end, -EINVAL},
    {"device events wrap", used_wraps, -EINVAL},
};

START_TEST(a_packed_ring_that_is_not_right_is_not_started)
{
    ck_assert_msg(start_with(packed_set_ups[_i].change) == packed_set_ups[_i].result, "%s",
                  packed_set_ups[_i].name);
}
END_TEST

START_TEST(a_ring_that_is_not_right_is_not_started)
{
    ck_assert_msg(start_with(set_ups[_i].change) == set_ups[_i].result, "%s", set_ups[_i].name);
}
END_TEST

START_TEST(a_queue_goes_on_where_it_was_stopped)
{
    /* Stops in each place of the ring, and in both laps of a packed one. */
    for (unsigned i = 0; i < 2u * vq.size + 1; i++) {
        uint16_t head = offer_one();

        ck_assert_uint_eq(drain(), 1);
        virtq_publish_used(&vq);
        ck_assert_int_eq(fake_driver_reap(&drv), head);
        fake_driver_release(&drv, head);
        virtq_stop(&vq);
        vq.ready = true;
        ck_assert_int_eq(virtq_start(&vq, &drv.gm), 0);
        ck_assert(!virtq_has_work(&vq));
    }
}
END_TEST

START_TEST(a_queue_that_cannot_start_keeps_its_position)
{
    uint16_t head = offer_one();
    uint64_t used = vq.used_gpa;
    uint32_t base;

    ck_assert_uint_eq(drain(), 1);
    virtq_publish_used(&vq);
    ck_assert_int_eq(fake_driver_reap(&drv), head);
    fake_driver_release(&drv, head);
    virtq_stop(&vq);
    base = vq.base;
    ck_assert_uint_ne(base, 0);
    vq.base = 0; /* as of a ring that the driver has set up anew */
    vq.used_gpa = UINT64_MAX - 4095;
    ck_assert_int_eq(virtq_start(&vq, &drv.gm), -EINVAL);
    virtq_stop(&vq);
    ck_assert_uint_eq(vq.base, 0);
    vq.base = base;
    vq.used_gpa = used;
    ck_assert_int_eq(virtq_start(&vq, &drv.gm), 0);
}
END_TEST

START_TEST(a_queue_can_be_stopped_and_started_anew)
{
    offer_one();
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1); /* stays in flight */
    virtq_stop(&vq);
    ck_assert(!vq.ready);
    vq.base = 0;
    fake_driver_reset(&drv);
    fake_driver_setup(&drv, &vq);
    ck_assert_int_eq(virtq_start(&vq, &drv.gm), 0);
    offer_one();
    ck_assert_uint_eq(drain(), 1);
    virtq_publish_used(&vq);
    ck_assert_uint_eq(fake_driver_used_idx(&drv), 1);
}
END_TEST

/* --- packed only --- */

START_TEST(an_event_at_a_descriptor_comes_when_it_is_passed_and_in_its_lap)
{
    /* Chains of two in a ring of 8; at 5, of the lap that begins after the next wrap. */
    uint32_t event = VRING_PACKED_EVENT_FLAG_DESC << 16 | 0u << VRING_PACKED_EVENT_F_WRAP_CTR | 5;

    store_relaxed((uint32_t *)drv.driver_event, event);
    for (unsigned i = 0; i < 16; i++) {
        offer_one();
        drain();
        ck_assert_msg(virtq_publish_used(&vq) == (i == 6 || i == 14), "chain %u", i);
        reap_all();
    }
}
END_TEST

START_TEST(an_event_that_a_batch_passes_comes_once_also_over_the_wrap)
{
    uint32_t event = VRING_PACKED_EVENT_FLAG_DESC << 16 | 0u << VRING_PACKED_EVENT_F_WRAP_CTR | 1;

    offer_one();
    drain();
    store_relaxed((uint32_t *)drv.driver_event, event);
    ck_assert(!virtq_publish_used(&vq));
    reap_all();
    for (unsigned i = 0; i < 4; i++) {
        offer_one();
    }
    ck_assert_uint_eq(drain(), 4);
    ck_assert(virtq_publish_used(&vq));
    ck_assert(!virtq_publish_used(&vq));
}
END_TEST

/* Half of the ring was shown early and came back, so the batch is one and a half rings long. */
START_TEST(an_event_at_the_first_of_more_than_a_ring_is_passed)
{
    uint32_t event = VRING_PACKED_EVENT_FLAG_DESC << 16 | 1u << VRING_PACKED_EVENT_F_WRAP_CTR | 4;

    for (unsigned i = 0; i < 2; i++) {
        offer_one();
    }
    ck_assert_uint_eq(drain(), 2); /* 0 to 3 */
    virtq_publish_used(&vq);
    reap_all();
    store_relaxed((uint32_t *)drv.driver_event, event);
    for (unsigned i = 0; i < 2; i++) {
        offer_one();
    }
    ck_assert_uint_eq(drain(), 2); /* 4 to 7 */
    virtq_publish_early(&vq);
    reap_all();
    for (unsigned i = 0; i < 4; i++) {
        offer_one();
    }
    ck_assert_uint_eq(drain(), 4); /* the whole ring, in the next lap */
    ck_assert(virtq_publish_used(&vq));
    ck_assert(!virtq_publish_used(&vq));
}
END_TEST

START_TEST(without_the_feature_an_event_at_a_descriptor_means_every_one)
{
    store_relaxed((uint32_t *)drv.driver_event, VRING_PACKED_EVENT_FLAG_DESC << 16 | 7);
    offer_one();
    drain();
    ck_assert(virtq_publish_used(&vq));
}
END_TEST

START_TEST(the_reserved_event_value_means_every_one)
{
    store_relaxed((uint32_t *)drv.driver_event, 3u << 16);
    offer_one();
    drain();
    ck_assert(virtq_publish_used(&vq));
}
END_TEST

START_TEST(zeroes_and_used_descriptors_are_not_available)
{
    static const uint16_t flags[] = {0, 1u << VRING_PACKED_DESC_F_USED,
                                     1u << VRING_PACKED_DESC_F_USED |
                                         1u << VRING_PACKED_DESC_F_AVAIL};

    for (unsigned i = 0; i < 3; i++) {
        drv.ring[0] =
            (struct vring_packed_desc){.addr = FAKE_MEMORY_GPA, .len = 4, .flags = flags[i]};
        ck_assert(!virtq_has_work(&vq));
        ck_assert_int_eq(virtq_pop(&vq, &chain), 0);
    }
}
END_TEST

START_TEST(an_id_may_be_any_number)
{
    static const uint16_t ids[] = {8, 4711, 65535};

    for (unsigned i = 0; i < 3; i++) {
        drv.ring[i] = (struct vring_packed_desc){.addr = FAKE_MEMORY_GPA,
                                                 .len = 4,
                                                 .id = ids[i],
                                                 .flags = 1u << VRING_PACKED_DESC_F_AVAIL};
        ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
        ck_assert_uint_eq(chain.head, ids[i]);
    }
    virtq_push(&vq, 65535, 0);
    virtq_publish_used(&vq);
    ck_assert_uint_eq(drv.ring[0].id, 65535);
}
END_TEST

START_TEST(in_an_indirect_table_flags_but_write_are_ignored)
{
    uint16_t head = fake_driver_chain_indirect(&drv, OUT(16), IN(512), IN(1));

    fake_driver_table(&drv, head)[0].flags = VRING_DESC_F_INDIRECT; /* and no NEXT */
    fake_driver_table(&drv, head)[2].flags |= VRING_DESC_F_NEXT;
    fake_driver_offer(&drv, head);
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    ck_assert_uint_eq(chain.nr_out, 1);
    ck_assert_uint_eq(chain.nr_in, 2);
}
END_TEST

/* The driver may not reuse what it does not see as used yet. */
START_TEST(a_descriptor_that_was_pushed_and_not_published_is_not_the_drivers)
{
    for (unsigned i = 0; i < 4; i++) {
        offer_one();
    }
    ck_assert_uint_eq(drain(), 4);
    fake_driver_release(&drv, 0);
    offer_one();
    ck_assert_int_eq(virtq_pop(&vq, &chain), -EINVAL);
    ck_assert_str_eq(vq.fault.what, "descriptor is available that is not used yet");
    ck_assert_uint_eq(vq.fault.desc, 0);
    virtq_publish_used(&vq);
}
END_TEST

static void all(TCase *tc)
{
    tcase_add_test(tc, an_empty_ring_gives_nothing_and_is_not_broken);
    tcase_add_test(tc, a_chain_comes_out_with_its_buffers_translated);
    tcase_add_test(tc, an_indirect_chain_comes_out_like_a_direct_one);
    tcase_add_test(tc, an_indirect_table_that_is_not_aligned_is_read);
    tcase_add_test(tc, the_longest_chain_is_taken_whole);
    tcase_add_test(tc, a_chain_may_take_every_descriptor);
    tcase_add_test(tc, what_the_driver_changes_after_the_pop_has_no_effect);
    tcase_add_test(tc, known_work_is_true_while_chains_are_left);
    tcase_add_test(tc, pushed_chains_are_seen_only_when_published);
    tcase_add_test(tc, publishing_nothing_asks_for_no_interrupt);
    tcase_add_test(tc, early_published_chains_are_seen_at_once_and_their_interrupt_is_not_lost);
    tcase_add_test(tc, at_most_half_of_the_ring_is_published_early);
    tcase_add_test(tc, the_indices_wrap_around);
    tcase_add_test(tc, an_interrupt_that_is_asked_for_comes_with_the_next_chain);
    tcase_add_test(tc, a_started_queue_wants_kicks);
    tcase_add_test(tc, every_chain_after_an_unsuppress_is_kicked_for);
    tcase_add_test(tc, a_suppressed_queue_wants_no_kick);
    tcase_add_test(tc, a_queue_is_suppressed_again_after_an_unsuppress);
    tcase_add_test(tc, suppressing_while_chains_are_there_wants_no_kick);
    tcase_add_test(tc, unsuppressing_wants_the_next_kick);
    tcase_add_test(tc, unsuppressing_tells_of_a_chain_that_was_not_kicked_for);
    tcase_add_test(tc, a_queue_can_be_stopped_and_started_anew);
    tcase_add_test(tc, a_queue_goes_on_where_it_was_stopped);
    tcase_add_test(tc, a_queue_that_cannot_start_keeps_its_position);
    tcase_add_test(tc, a_queue_goes_on_where_it_was_stopped);
    tcase_add_test(tc, a_queue_that_cannot_start_keeps_its_position);
}

static void split(TCase *tc)
{
    all(tc);
    tcase_add_test(tc, an_indirect_table_may_follow_direct_buffers);
    tcase_add_test(tc, a_batch_is_known_from_one_look);
}

static void packed(TCase *tc)
{
    all(tc);
    tcase_add_test(tc, the_reserved_event_value_means_every_one);
    tcase_add_test(tc, zeroes_and_used_descriptors_are_not_available);
    tcase_add_test(tc, an_id_may_be_any_number);
    tcase_add_test(tc, in_an_indirect_table_flags_but_write_are_ignored);
    tcase_add_test(tc, a_descriptor_that_was_pushed_and_not_published_is_not_the_drivers);
}

#define NR(table) ((int)(sizeof(table) / sizeof((table)[0])))

START_TEST(no_interrupt_comes_before_the_descriptor_that_the_driver_waits_for)
{
    offer_one();
    offer_one();
    drv.driver_event->off_wrap = 2 | 1u << VRING_PACKED_EVENT_F_WRAP_CTR; /* of the second chain */
    drv.driver_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    virtq_push(&vq, chain.head, 1);
    ck_assert(!virtq_publish_used(&vq));
    ck_assert_int_eq(virtq_pop(&vq, &chain), 1);
    virtq_push(&vq, chain.head, 1);
    ck_assert(virtq_publish_used(&vq));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("virtq");
    TCase *flags = tcase_create("split, flags"), *event_idx = tcase_create("split, event_idx"),
          *packed_flags = tcase_create("packed, flags"),
          *packed_event_idx = tcase_create("packed, event_idx"), *any = tcase_create("any size");

    tcase_add_checked_fixture(flags, flags_of_8, end);
    split(flags);
    tcase_add_loop_test(flags, a_ring_that_is_not_right_is_not_started, 0, NR(set_ups));
    tcase_add_test(flags, without_event_idx_the_flag_decides_on_interrupts);
    tcase_add_checked_fixture(event_idx, event_idx_of_8, end);
    split(event_idx);
    tcase_add_test(event_idx, with_event_idx_the_interrupt_comes_when_its_index_is_passed);
    tcase_add_test(event_idx, with_event_idx_a_batch_that_passes_the_index_interrupts_once);
    tcase_add_test(event_idx, with_event_idx_the_flags_stay_zero);
    tcase_add_test(event_idx, with_event_idx_polling_writes_the_hint_only_once);
    tcase_add_test(event_idx, with_event_idx_100000_polled_chains_are_kicked_for_at_most_twice);

    tcase_add_checked_fixture(packed_flags, packed_of_8, end);
    packed(packed_flags);
    tcase_add_loop_test(packed_flags, a_packed_ring_that_is_not_right_is_not_started, 0,
                        NR(packed_set_ups));
    tcase_add_test(packed_flags, without_event_idx_the_flag_decides_on_interrupts);
    tcase_add_test(packed_flags, without_the_feature_an_event_at_a_descriptor_means_every_one);
    tcase_add_checked_fixture(packed_event_idx, packed_event_idx_of_8, end);
    packed(packed_event_idx);
    tcase_add_test(packed_event_idx,
                   an_event_at_a_descriptor_comes_when_it_is_passed_and_in_its_lap);
    tcase_add_test(packed_event_idx, an_event_that_a_batch_passes_comes_once_also_over_the_wrap);
    tcase_add_test(packed_event_idx,
                   no_interrupt_comes_before_the_descriptor_that_the_driver_waits_for);
    tcase_add_test(packed_event_idx, an_event_at_the_first_of_more_than_a_ring_is_passed);
    tcase_add_test(packed_event_idx,
                   with_event_idx_100000_polled_chains_are_kicked_for_at_most_twice);

    tcase_add_loop_test(any, rings_of_any_size_go_round, 0, 2 * NR(sizes));
    suite_add_tcase(s, flags);
    suite_add_tcase(s, event_idx);
    suite_add_tcase(s, packed_flags);
    suite_add_tcase(s, packed_event_idx);
    suite_add_tcase(s, any);
    return suite_run(s);
}

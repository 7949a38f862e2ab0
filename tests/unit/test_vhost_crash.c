// SPDX-License-Identifier: MIT
/*
 * A back end that ends without warning, and the record of requests in flight: the next back end
 * takes each of them once more, in their order, and none that the guest has back.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/suite.h"
#include "tests/unit/vhost-back-end.h"
#include "tests/unit/vhost-front-end.h"

#define RING_SIZE 32
#define RINGS     2

/* The layout of the specification, which the tests read and damage. */
struct record_desc {
    uint8_t inflight;
    uint8_t padding[5];
    uint16_t next;
    uint64_t counter;
};

struct record_packed_desc {
    uint8_t inflight;
    uint8_t rest[31];
};

struct record {
    uint64_t features;
    uint16_t version, desc_num, last_batch_head, used_idx;
    union {
        struct record_desc desc[RING_SIZE];
        struct {
            uint8_t places[16];
            struct record_packed_desc packed_desc[RING_SIZE];
        };
    };
};

/* --- a back end that is killed --- */

static struct vhost_store *store;
static struct vhost_sockets sockets;
static struct vhost_back_end_options options;
static struct front_end fe;
static pid_t child;
static struct record *record; /* of ring 0 */

static void start_back_end(void)
{
    child = vhost_back_end_fork(&sockets, &options);
}

static void map_record(void)
{
    record =
        mmap(NULL, fe.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe.inflight_fd, 0);
    ck_assert_ptr_ne(record, MAP_FAILED);
}

/* All of it but the rings is as QEMU does it: the record comes first. */
static void setup(void)
{
    store = vhost_store_new();
    vhost_sockets_init(&sockets);
    options = (struct vhost_back_end_options){
        .store = {store}, .nr_queues = RINGS, .queue_size = RING_SIZE};
    start_back_end();
}

static void make_guest(int variant)
{
    front_end_init(&fe, &(struct front_end_options){.nr_rings = RINGS,
                                                    .ring_size = RING_SIZE,
                                                    .event_idx = variant & 1,
                                                    .packed = variant & 2});
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
    front_end_get_record(&fe, RING_SIZE);
    front_end_hang_up(&fe);
    map_record();
    front_end_go_live(&fe, sockets.path[0]);
}

static void teardown(void)
{
    vhost_back_end_kill(child);
    munmap(record, fe.inflight.mmap_size);
    front_end_destroy(&fe);
    vhost_sockets_destroy(&sockets);
    vhost_store_free(store);
}

static void end_back_end(void)
{
    vhost_back_end_kill(child);
    front_end_await_end(&fe);
}

/* A front end after a crash knows no base: it gives the place to be used next, as QEMU does. */
static void set_bases(void)
{
    for (unsigned i = 0; i < RINGS; i++) {
        struct fake_driver *d = &fe.drv[i];

        fe.base[i] = fe.packed ? (d->used_pos | (uint32_t)d->used_wrap << 15) * 0x10001u
                               : fake_driver_used_idx(d);
    }
}

static void crash(void)
{
    end_back_end();
    start_back_end();
    set_bases();
}

static uint16_t offer(unsigned ring, uint64_t sector)
{
    struct fake_driver *d = &fe.drv[ring];
    uint16_t head = fake_driver_chain_indirect(d, HDR(.type = VIRTIO_BLK_T_IN, .sector = sector),
                                               IN(SECTOR_SIZE), STATUS());

    fake_driver_kick(d, head);
    return head;
}

static void reap(unsigned ring, unsigned n)
{
    while (n--) {
        uint16_t head = front_end_reap(&fe, ring);

        ck_assert_uint_eq(fake_driver_status(&fe.drv[ring], head), VIRTIO_BLK_S_OK);
        fake_driver_release(&fe.drv[ring], head);
    }
}

static void assert_nothing_else_is_used(void)
{
    for (unsigned i = 0; i < RINGS; i++) {
        front_end_stop_ring(&fe, i);
        ck_assert_int_eq(fake_driver_reap(&fe.drv[i]), -1);
        front_end_start_ring(&fe, i);
    }
}

static unsigned nr_inflight(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RING_SIZE; i++) {
        n += fe.packed ? record->packed_desc[i].inflight : record->desc[i].inflight;
    }
    return n;
}

#define HELD 8

START_TEST(all_in_flight_are_taken_again_in_order)
{
    unsigned before;

    make_guest(_i);
    for (unsigned i = 0; i < 5; i++) { /* heads are not the order of the ring any more */
        offer(0, 100);
        reap(0, 1);
    }
    vhost_store_await(store, 5);
    store_release(&store->hold, UINT64_MAX);
    for (unsigned i = 0; i < HELD; i++) {
        offer(0, i);
    }
    vhost_store_await(store, HELD);
    ck_assert_uint_eq(nr_inflight(), HELD);

    crash();
    store_release(&store->hold, 0);
    before = store->nr;
    front_end_go_live(&fe, sockets.path[0]);
    reap(0, HELD);
    ck_assert_uint_eq(store->nr, before + HELD);
    for (unsigned i = 0; i < HELD; i++) {
        ck_assert_uint_eq(store->seen[before + i], i);
    }
    assert_nothing_else_is_used();
    ck_assert_uint_eq(nr_inflight(), 0);
}
END_TEST

/* The even ones complete, and so before older ones. */
START_TEST(what_has_completed_is_not_taken_again)
{
    unsigned before;

    make_guest(_i);
    store_release(&store->hold, 0xaa);
    for (unsigned i = 0; i < HELD; i++) {
        offer(0, i);
    }
    vhost_store_await(store, HELD);
    reap(0, HELD / 2);

    crash();
    store_release(&store->hold, 0);
    before = store->nr;
    front_end_go_live(&fe, sockets.path[0]);
    reap(0, HELD / 2);
    ck_assert_uint_eq(store->nr, before + HELD / 2);
    for (unsigned i = 0; i < HELD / 2; i++) {
        ck_assert_uint_eq(store->seen[before + i], 2 * i + 1);
    }
    assert_nothing_else_is_used();
}
END_TEST

/* Requests that wait in the ring follow those that were in flight. */
START_TEST(new_requests_come_after_those_in_flight)
{
    unsigned before;

    make_guest(_i);
    store_release(&store->hold, UINT64_MAX);
    for (unsigned i = 0; i < HELD; i++) {
        offer(0, i);
    }
    vhost_store_await(store, HELD);
    end_back_end();
    for (unsigned i = HELD; i < 2 * HELD; i++) {
        offer(0, i);
    }
    start_back_end();
    store_release(&store->hold, 0);
    before = store->nr;
    front_end_go_live(&fe, sockets.path[0]);
    reap(0, 2 * HELD);
    for (unsigned i = 0; i < 2 * HELD; i++) {
        ck_assert_uint_eq(store->seen[before + i], i);
    }
    assert_nothing_else_is_used();
}
END_TEST

START_TEST(several_crashes_in_a_row)
{
    make_guest(_i);
    store_release(&store->hold, UINT64_MAX);
    for (unsigned i = 0; i < HELD; i++) {
        offer(0, i);
        offer(1, i);
    }
    vhost_store_await(store, 2 * HELD);
    for (unsigned round = 0; round < 4; round++) {
        crash();
        front_end_go_live(&fe, sockets.path[0]);
        vhost_store_await(store, 2 * HELD);
    }
    crash();
    store_release(&store->hold, 0);
    front_end_go_live(&fe, sockets.path[0]);
    reap(0, HELD);
    reap(1, HELD);
    assert_nothing_else_is_used();
}
END_TEST

/* The engine holds nothing: the signal hits any place of the loop. The fake driver refuses a chain
 * that is used twice, and one that is lost never comes. */
START_TEST(crashes_at_any_moment)
{
    make_guest(_i);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < RING_SIZE; i++) {
            offer(0, 200 + i);
        }
        reap(0, round % RING_SIZE);
        crash();
        front_end_go_live(&fe, sockets.path[0]);
        reap(0, RING_SIZE - round % RING_SIZE);
        fe.drv[0].brk = FAKE_MEMORY_SIZE / 2; /* all buffers are free again */
    }
    assert_nothing_else_is_used();
}
END_TEST

/* Between used->idx and the record's mark: the process had done the former only. */
START_TEST(a_used_chain_that_is_still_recorded)
{
    uint16_t head[3];
    unsigned before;

    make_guest(_i);
    for (unsigned i = 0; i < 3; i++) {
        head[i] = offer(0, 100 + i);
        reap(0, 1);
    }
    end_back_end();
    ck_assert_uint_eq(record->used_idx, 3);
    /* The last two were one batch. */
    record->used_idx = 1;
    record->last_batch_head = head[2];
    record->desc[head[2]].next = head[1];
    record->desc[head[1]].next = head[0];
    record->desc[head[1]].inflight = record->desc[head[2]].inflight = 1;
    start_back_end();
    before = store->nr;
    fe.base[0] = 3;
    front_end_go_live(&fe, sockets.path[0]);
    offer(0, 7);
    reap(0, 1);
    ck_assert_uint_eq(store->nr, before + 1);
    ck_assert_uint_eq(store->seen[before], 7);
    assert_nothing_else_is_used();
    ck_assert_uint_eq(nr_inflight(), 0);
}
END_TEST

/* A front end gives a region of zeroes, in the middle of the ring's life. */
START_TEST(a_region_of_zeroes_records_nothing)
{
    unsigned before;

    make_guest(_i);
    for (unsigned i = 0; i < 5; i++) {
        offer(0, 100);
        reap(0, 1);
    }
    vhost_store_await(store, 5);
    end_back_end();
    memset(record, 0, fe.inflight.mmap_size);
    start_back_end();
    before = store->nr;
    set_bases();
    front_end_go_live(&fe, sockets.path[0]);
    store_release(&store->hold, UINT64_MAX);
    offer(0, 0);
    vhost_store_await(store, 1);
    ck_assert_uint_eq(store->nr, before + 1);
    ck_assert_uint_eq(record->version, 1);
    ck_assert(fe.packed || record->used_idx == 5);
    ck_assert_uint_eq(nr_inflight(), 1);
    crash();
    store_release(&store->hold, 0);
    front_end_go_live(&fe, sockets.path[0]);
    reap(0, 1);
    assert_nothing_else_is_used();
}
END_TEST

/* A stop is no crash: nothing is left to be taken again. */
START_TEST(a_stopped_ring_leaves_nothing)
{
    unsigned before, used;

    make_guest(_i);
    for (unsigned i = 0; i < HELD; i++) {
        offer(0, i);
    }
    front_end_stop_ring(&fe, 0);
    used = fake_driver_used_idx(&fe.drv[0]);
    reap(0, used);
    ck_assert_uint_eq(nr_inflight(), 0);
    before = store->nr;
    crash();
    front_end_go_live(&fe, sockets.path[0]);
    reap(0, HELD - used);
    ck_assert_uint_eq(store->nr, before + HELD - used);
    assert_nothing_else_is_used();
}
END_TEST

/* --- a record that the front end has damaged --- */

enum damage {
    HEAD_OUTSIDE,
    NEXT_OUTSIDE,
    NEXT_LOOP,
    ALL_MARKED,
    USED_IDX_WRONG,
    DESC_NUM_WRONG,
    VERSION_WRONG,
    NR_DAMAGES
};

/* The guest's own chains become wrong, and the back end serves the next one that behaves. */
START_TEST(a_damaged_record)
{
    make_guest(false);
    store_release(&store->hold, UINT64_MAX);
    for (unsigned i = 0; i < HELD; i++) {
        offer(0, i);
    }
    vhost_store_await(store, HELD);
    end_back_end();
    switch ((enum damage)_i) {
    case HEAD_OUTSIDE:
        record->last_batch_head = 0xffff;
        record->used_idx--;
        break;
    case NEXT_OUTSIDE:
        record->desc[0].next = RING_SIZE;
        record->last_batch_head = 0;
        record->used_idx -= 4;
        break;
    case NEXT_LOOP:
        record->desc[0].next = 0;
        record->last_batch_head = 0;
        record->used_idx -= RING_SIZE;
        break;
    case ALL_MARKED:
        for (unsigned i = 0; i < RING_SIZE; i++) {
            record->desc[i].inflight = 0xff;
            record->desc[i].counter = UINT64_MAX;
        }
        break;
    case USED_IDX_WRONG:
        record->used_idx += 0x8000;
        break;
    case DESC_NUM_WRONG:
        record->desc_num = 0xffff;
        break;
    case VERSION_WRONG:
    case NR_DAMAGES:
        record->version = 77;
        break;
    }
    start_back_end();
    store_release(&store->hold, 0);
    front_end_go_live(&fe, sockets.path[0]);
    front_end_stop_ring(&fe, 0);

    /* The process is alive, and a guest that begins anew is served. */
    front_end_hang_up(&fe);
    memset(record, 0, fe.inflight.mmap_size);
    front_end_begin(&fe);
    front_end_go_live(&fe, sockets.path[0]);
    offer(0, 9);
    reap(0, 1);
    assert_nothing_else_is_used();
}
END_TEST

/* --- noise --- */

#define NOISE_ROUNDS 100

static uint64_t random_state = 42;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* All of it, or a few bytes of a good one. */
static void add_noise(unsigned round)
{
    uint8_t *bytes = (uint8_t *)record;
    size_t size = fe.inflight.mmap_size;

    for (size_t i = 0; i < (round % 2 ? size : 4); i++) {
        bytes[round % 2 ? i : random_number() % size] = (uint8_t)random_number();
    }
    record->version = 1;
}

START_TEST(a_record_of_noise)
{
    make_guest(_i);
    for (unsigned round = 0; round < NOISE_ROUNDS; round++) {
        for (unsigned i = 0; i < HELD; i++) {
            offer(0, i);
        }
        front_end_stop_ring(&fe, 0);
        front_end_hang_up(&fe);
        add_noise(round);
        front_end_go_live(&fe, sockets.path[0]);
        front_end_stop_ring(&fe, 0);

        /* The process is alive, and a guest that begins anew is served. */
        front_end_hang_up(&fe);
        memset(record, 0, fe.inflight.mmap_size);
        front_end_begin(&fe);
        front_end_go_live(&fe, sockets.path[0]);
        offer(0, 9);
        reap(0, 1);
    }
    assert_nothing_else_is_used();
}
END_TEST

/* --- reset --- */

/* A reset forgets the chain that broke the ring, although its record stays. */
START_TEST(a_chain_that_breaks_the_ring_is_forgotten)
{
    struct fake_driver *d = &fe.drv[0];

    make_guest(_i);
    front_end_set_backend(&fe);
    offer(0, 100);
    reap(0, 1);
    fake_driver_kick(d, fake_driver_chain(d, OUT(1), STATUS())); /* the header is cut short */
    ck_assert_uint_eq(front_end_await_request(&fe), VHOST_BACKEND_CONFIG_CHANGE);
    front_end_set(&fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0);

    front_end_begin(&fe);
    front_end_start_ring(&fe, 0);
    front_end_start_ring(&fe, 1);
    offer(0, 7);
    reap(0, 1);
    assert_nothing_else_is_used();
    ck_assert_uint_eq(nr_inflight(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vhost_crash");
    TCase *killed = tcase_create("killed");

    tcase_add_checked_fixture(killed, setup, teardown);
    tcase_add_loop_test(killed, all_in_flight_are_taken_again_in_order, 0, 4);
    tcase_add_loop_test(killed, what_has_completed_is_not_taken_again, 0, 4);
    tcase_add_loop_test(killed, new_requests_come_after_those_in_flight, 0, 4);
    tcase_add_loop_test(killed, several_crashes_in_a_row, 0, 4);
    tcase_add_loop_test(killed, crashes_at_any_moment, 0, 4);
    tcase_add_loop_test(killed, a_used_chain_that_is_still_recorded, 0, 2);
    tcase_add_loop_test(killed, a_region_of_zeroes_records_nothing, 0, 4);
    tcase_add_loop_test(killed, a_stopped_ring_leaves_nothing, 0, 4);
    tcase_add_loop_test(killed, a_damaged_record, 0, NR_DAMAGES);
    tcase_add_loop_test(killed, a_record_of_noise, 0, 4);
    tcase_add_loop_test(killed, a_chain_that_breaks_the_ring_is_forgotten, 0, 4);
    suite_add_tcase(s, killed);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * A guest that floods one disk does not starve another disk of the same I/O thread. The test counts
 * turns of the loop, because times say little on a busy host.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define READ      VIRTIO_BLK_T_IN
#define SIZE      64 /* of the rings */
#define ROUNDS    200
#define TURNS_MAX 4 /* seen, submitted, completed and published; one to spare */

/* Queue 0 is flooded and queue 1 is measured: for the loop they are like two disks. */
static struct blk_rig rig;
static struct fake_driver *const flood = &rig.drv[0], *const victim = &rig.drv[1];

static struct {
    struct aio_bh turn;
    bool kicks_only;
    uint16_t victim_head;
    bool waiting;
    unsigned waited; /* turns of the request under way */
    unsigned worst, done;
    unsigned served_most; /* of the flood, in a turn */
    uint16_t served;      /* at the last turn */
    unsigned ended;       /* atomic */
} state;

static void refill(void)
{
    while (fake_driver_reap(flood) >= 0) {
        uint16_t head = flood->used->ring[(flood->reaped - 1) % flood->size].id;

        fake_driver_offer(flood, head); /* the same chain again, at once */
    }
}

/* Once in each turn of the loop, in its thread: the fastest guest that there can be. */
static void turn(void *opaque)
{
    uint16_t served = fake_driver_used_idx(flood) - state.served;

    state.served += served;
    if (served > state.served_most) {
        state.served_most = served;
    }
    if (!state.kicks_only) {
        refill();
    }
    eventfd_write(flood->kick_fd, 1);
    if (state.waiting) {
        state.waited++;
        if (fake_driver_reap(victim) >= 0) {
            state.waiting = false;
            /* The first one may find its queue out of the poll set: a host that is slow to begin
             * makes it look quiet. Then it waits for a slice, which is no number of turns. */
            if (state.done++ && state.waited > state.worst) {
                state.worst = state.waited;
            }
        }
    } else if (state.done < ROUNDS) {
        fake_driver_offer(victim, state.victim_head);
        eventfd_write(victim->kick_fd, 1);
        state.waiting = true;
        state.waited = 0;
    }
    if (state.done == ROUNDS || state.waited > 100 * TURNS_MAX) {
        store_release(&state.ended, 1);
        return;
    }
    aio_bh_schedule(&state.turn);
}

static int begin_in_thread(void *opaque)
{
    aio_bh_init(iothread_ctx(rig.iothreads[0]), &state.turn, turn, NULL);
    for (unsigned i = 0; !state.kicks_only && i < SIZE; i++) {
        fake_driver_offer(flood, fake_driver_chain_indirect(flood, HDR(.type = READ, .sector = i),
                                                            IN(512), STATUS()));
    }
    aio_bh_schedule(&state.turn);
    return 0;
}

static void measure(const struct poll_policy_ops *policy, bool kicks_only, bool merge)
{
    memset(&state, 0, sizeof(state));
    state.kicks_only = kicks_only;
    blk_rig_init(&rig, &(struct blk_rig_options){
                           .policy = policy, .nr_queues = 2, .queue_size = SIZE, .merge = merge});
    blk_rig_go_live(&rig);
    fake_driver_want_interrupts(flood, false); /* nor does it take any */
    state.victim_head =
        fake_driver_chain(victim, HDR(.type = READ, .sector = 9), IN(512), STATUS());
    ck_assert_int_eq(iothread_call(rig.iothreads[0], begin_in_thread, NULL), 0);
    while (!load_acquire(&state.ended)) {
        cpu_relax();
    }
    ck_assert_uint_eq(state.done, ROUNDS);
    ck_assert_uint_le(state.worst, TURNS_MAX);
    ck_assert_uint_le(state.served_most, SIZE);
    if (!kicks_only) {
        ck_assert_uint_gt(state.served_most, SIZE / 2); /* it was a flood */
    }
    blk_rig_destroy(&rig);
}

START_TEST(a_ring_that_is_always_full_does_not_starve_another)
{
    measure(_i & 1 ? &poll_policy_fixed : &poll_policy_block, false, _i & 2);
}
END_TEST

START_TEST(a_flood_of_kicks_does_not_starve_another)
{
    measure(_i ? &poll_policy_fixed : &poll_policy_block, true, false);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_flood");
    TCase *tc = tcase_create("flood");

    tcase_add_loop_test(tc, a_ring_that_is_always_full_does_not_starve_another, 0, 4);
    tcase_add_loop_test(tc, a_flood_of_kicks_does_not_starve_another, 0, 2);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

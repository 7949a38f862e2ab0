// SPDX-License-Identifier: MIT
/*
 * A crash at every instruction. The queue takes, uses and publishes chains in single steps of the
 * processor; each state of the memory that outlives a process is what a crash leaves. From each of
 * them a new queue has to take exactly the chains that the guest does not have back, in the order of
 * the available ring. The new queue runs in single steps as well: it can crash, too, once.
 */
#include <check.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>

#include "tests/unit/suite.h"
#include "virtq/inflight.h"
#include "virtq/virtqueue.h"

#define SIZE       8
#define GPA        0x10000
#define TRAP_FLAG  0x100
#define STATES_MAX 2048

/* What the guest and the front end keep. */
struct shared {
    struct vring_desc desc[SIZE];
    uint16_t avail[2 + SIZE + 1];
    uint16_t padding;
    struct {
        uint16_t flags, idx;
        struct vring_used_elem ring[SIZE];
        uint16_t avail_event;
    } used;
    uint8_t buffer[16];
    uint8_t record[192] __attribute__((aligned(64)));
} __attribute__((aligned(4096)));

static const uint16_t order[] = {3, 1, 4, 0, 5, 2}; /* of the available ring */
#define CHAINS (sizeof(order) / sizeof(order[0]))

static struct shared shared, states[STATES_MAX];
static unsigned nr_states;
static volatile bool stepping;
static struct virtqueue vq;
static struct virtq_inflight inflight;
static struct guest_memory gm;
static struct virtq_chain chain;

static void remember(void)
{
    for (unsigned i = nr_states; i-- > 0;) {
        if (memcmp(&states[i], &shared, sizeof(shared)) == 0) {
            return;
        }
    }
    if (nr_states < STATES_MAX) {
        states[nr_states++] = shared;
    }
}

static void trapped(int sig, siginfo_t *info, void *context)
{
    static struct shared last;
    ucontext_t *uc = context;

    if (memcmp(&last, &shared, sizeof(shared)) != 0) {
        last = shared;
        remember();
    }
    if (stepping) {
        uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    } else {
        uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    }
}

static void in_single_steps(void (*run)(void))
{
    stepping = true;
    raise(SIGTRAP);
    run();
    stepping = false;
}

static void set_up(bool event_idx)
{
    memset(&vq, 0, sizeof(vq));
    inflight = (struct virtq_inflight){.region = shared.record, .entries = SIZE};
    vq.size = SIZE;
    vq.event_idx = event_idx;
    vq.desc_gpa = GPA + offsetof(struct shared, desc);
    vq.avail_gpa = GPA + offsetof(struct shared, avail);
    vq.used_gpa = GPA + offsetof(struct shared, used);
    vq.inflight = &inflight;
    vq.ready = true;
}

static void tear_down(void)
{
    virtq_stop(&vq);
    virtq_inflight_stop(&inflight);
}

static void pop(unsigned n)
{
    while (n--) {
        if (virtq_pop(&vq, &chain) != 1) {
            abort();
        }
    }
}

/* Batches of one and of two, one published early, and one chain that stays in flight. */
static void life(void)
{
    if (virtq_start(&vq, &gm) < 0) {
        abort();
    }
    pop(3);
    virtq_push(&vq, 1, 0);
    virtq_publish_used(&vq);
    virtq_push(&vq, 4, 0);
    virtq_push(&vq, 3, 0);
    virtq_publish_used(&vq);
    pop(3);
    virtq_push(&vq, 2, 0);
    virtq_publish_early(&vq);
    virtq_push(&vq, 5, 0);
    virtq_publish_used(&vq);
}

static uint16_t taken[2 * CHAINS];
static unsigned nr_taken;

static void life_after_a_crash(void)
{
    nr_taken = 0;
    if (virtq_start(&vq, &gm) < 0) {
        abort();
    }
    while (nr_taken < 2 * CHAINS && virtq_pop(&vq, &chain) == 1) {
        taken[nr_taken++] = chain.head;
    }
}

static bool guest_has_back(const struct shared *s, uint16_t head)
{
    for (unsigned i = 0; i < s->used.idx; i++) {
        if (s->used.ring[i].id == head) {
            return true;
        }
    }
    return false;
}

static void assert_taken(const struct shared *s, unsigned state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CHAINS; i++) {
        if (!guest_has_back(s, order[i])) {
            ck_assert_msg(n < nr_taken && taken[n] == order[i],
                          "state %u: chain %u is lost, or not in its place", state, order[i]);
            n++;
        }
    }
    ck_assert_msg(n == nr_taken, "state %u: %u chains too many", state, nr_taken - n);
}

START_TEST(a_crash_at_every_instruction)
{
    const struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    unsigned in_first_life;

    sigaction(SIGTRAP, &action, NULL);
    ck_assert_int_eq(guest_memory_add(&gm, GPA, sizeof(shared), &shared), 0);
    for (unsigned i = 0; i < CHAINS; i++) {
        shared.desc[order[i]] =
            (struct vring_desc){.addr = GPA + offsetof(struct shared, buffer), .len = 1};
        shared.avail[2 + i] = order[i];
    }
    shared.avail[1] = CHAINS;
    remember();

    set_up(_i);
    in_single_steps(life);
    ck_assert_uint_eq(shared.used.idx, CHAINS - 1);
    tear_down();
    in_first_life = nr_states;
    ck_assert_uint_gt(in_first_life, 30);

    for (unsigned i = 0; i < nr_states; i++) {
        shared = states[i];
        set_up(_i);
        if (i < in_first_life) {
            in_single_steps(life_after_a_crash);
        } else {
            life_after_a_crash();
        }
        assert_taken(&states[i], i);
        tear_down();
    }
    ck_assert_uint_gt(nr_states, in_first_life);
    ck_assert_uint_lt(nr_states, STATES_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("inflight");
    TCase *tc = tcase_create("inflight");

    tcase_add_loop_test(tc, a_crash_at_every_instruction, 0, 2);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * A crash at every instruction. The queue takes, uses and publishes chains in single steps of the
 * processor; each state of the memory that outlives a process is what a crash leaves. From each of
 * them a new queue has to take exactly the chains that the guest does not have back, in the order in
 * which the guest made them available. From every other state the new queue runs in single steps as
 * well: it can crash, too, once.
 */
#include <check.h>
#include <limits.h>
#include <linux/virtio_ring.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>

#include "tests/unit/suite.h"
#include "virtq/inflight-packed.h"
#include "virtq/virtqueue.h"

#define SIZE       8
#define GPA        0x10000
#define TRAP_FLAG  0x100
#define STATES_MAX 4096
#define BEGIN      5 /* in a packed ring, so that the chains go on in its second lap */

/* The allocator of AddressSanitizer fills memory itself, which takes many single steps. */
#if defined(__SANITIZE_ADDRESS__)
#define SECOND_CRASHES 16 /* from each state of this distance, a second life runs in single steps */
#define CHANGES        20 /* of a record, while it is read */
#else
#define SECOND_CRASHES 2
#define CHANGES        300
#endif

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

/* What the guest and the front end keep. */
struct shared {
    union {
        struct {
            struct vring_desc desc[SIZE];
            uint16_t avail[2 + SIZE + 1];
            uint16_t padding;
            struct {
                uint16_t flags, idx;
                struct vring_used_elem ring[SIZE];
                uint16_t avail_event;
            } used;
        } split;
        struct {
            struct vring_packed_desc ring[SIZE];
            struct vring_packed_desc_event driver, device;
        } packed;
    };
    uint8_t buffer[16];
    uint8_t record[384] __attribute__((aligned(64)));
} __attribute__((aligned(4096)));

#define CHAINS 6

static const uint16_t order[CHAINS] = {3, 1, 4, 0, 5, 2};  /* in which they are available */
static const uint16_t length[CHAINS] = {1, 2, 1, 1, 2, 1}; /* of a packed ring, by id: all of it */

static struct shared shared, states[STATES_MAX];
static unsigned nr_states;
static volatile bool stepping;
static struct virtqueue vq;
static struct virtq_inflight inflight;
static struct guest_memory gm;
static struct virtq_chain chain;

/* --- the guest --- */

static uint64_t gpa_of(const void *p)
{
    return GPA + (uint64_t)((const uint8_t *)p - (const uint8_t *)&shared);
}

static void offer_split(void)
{
    for (unsigned i = 0; i < CHAINS; i++) {
        shared.split.desc[order[i]] = (struct vring_desc){.addr = gpa_of(shared.buffer), .len = 1};
        shared.split.avail[2 + i] = order[i];
    }
    shared.split.avail[1] = CHAINS;
}

static void offer_packed(void)
{
    unsigned pos = BEGIN;

    for (unsigned i = 0; i < CHAINS; i++) {
        for (unsigned n = length[order[i]]; n; n--, pos++) {
            shared.packed.ring[pos % SIZE] = (struct vring_packed_desc){
                .addr = gpa_of(shared.buffer),
                .len = 1,
                .id = order[i],
                .flags = (uint16_t)((pos < SIZE ? AVAIL : USED) | (n > 1 ? VRING_DESC_F_NEXT : 0)),
            };
        }
    }
}

/* Return: how many chains the guest has back, and which in @ids. */
static unsigned used_split(const struct shared *s, uint16_t *ids)
{
    for (unsigned i = 0; i < s->split.used.idx; i++) {
        ids[i] = (uint16_t)s->split.used.ring[i].id;
    }
    return s->split.used.idx;
}

static unsigned used_packed(const struct shared *s, uint16_t *ids)
{
    unsigned n = 0;

    for (unsigned pos = BEGIN; n < CHAINS; n++) {
        const struct vring_packed_desc *d = &s->packed.ring[pos % SIZE];

        if ((d->flags & (AVAIL | USED)) != (pos < SIZE ? AVAIL | USED : 0)) {
            break;
        }
        ck_assert_uint_lt(d->id, CHAINS);
        ids[n] = d->id;
        pos += length[d->id];
    }
    return n;
}

static unsigned guest_has_back(const struct shared *s, uint16_t *ids)
{
    return vq.packed ? used_packed(s, ids) : used_split(s, ids);
}

/* --- the device --- */

static void set_up(bool packed, bool event_idx)
{
    memset(&vq, 0, sizeof(vq));
    inflight = (struct virtq_inflight){.region = shared.record, .entries = SIZE};
    vq.size = SIZE;
    vq.event_idx = event_idx;
    vq.packed = packed;
    vq.inflight = &inflight;
    vq.ready = true;
    if (packed) {
        vq.desc_gpa = gpa_of(shared.packed.ring);
        vq.avail_gpa = gpa_of(&shared.packed.driver);
        vq.used_gpa = gpa_of(&shared.packed.device);
        vq.base = BEGIN | BEGIN << 16;
    } else {
        vq.desc_gpa = gpa_of(shared.split.desc);
        vq.avail_gpa = gpa_of(shared.split.avail);
        vq.used_gpa = gpa_of(&shared.split.used);
    }
}

static void tear_down(void)
{
    virtq_stop(&vq);
    virtq_inflight_stop(&inflight);
}

static void start(void)
{
    if (virtq_start(&vq, &gm) < 0) {
        abort();
    }
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
    start();
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
    start();
    while (nr_taken < 2 * CHAINS && virtq_pop(&vq, &chain) == 1) {
        taken[nr_taken++] = chain.head;
    }
    for (unsigned i = nr_taken; i-- > 0;) {
        virtq_push(&vq, taken[i], 0);
    }
    virtq_publish_used(&vq);
}

/* --- single steps --- */

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

/* --- the tests --- */

static bool has(const uint16_t *ids, unsigned n, uint16_t id)
{
    while (n--) {
        if (ids[n] == id) {
            return true;
        }
    }
    return false;
}

static void assert_taken(const struct shared *s, unsigned state)
{
    uint16_t back[SIZE] = {0};
    unsigned nr_back = guest_has_back(s, back), n = 0;

    for (unsigned i = 0; i < CHAINS; i++) {
        if (!has(back, nr_back, order[i])) {
            ck_assert_msg(n < nr_taken && taken[n] == order[i],
                          "state %u: chain %u is lost, or not in its place", state, order[i]);
            n++;
        }
    }
    ck_assert_msg(n == nr_taken, "state %u: %u chains too many", state, nr_taken - n);
}

static void assert_each_is_back_once(unsigned state)
{
    uint16_t back[SIZE] = {0};

    ck_assert_msg(guest_has_back(&shared, back) == CHAINS, "state %u: not all are used", state);
    for (unsigned i = 0; i < CHAINS; i++) {
        ck_assert_msg(has(back, CHAINS, order[i]), "state %u: chain %u never comes", state,
                      order[i]);
    }
}

START_TEST(a_crash_at_every_instruction)
{
    const struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    bool event_idx = _i & 1, packed = _i & 2;
    unsigned in_first_life;

    mallopt(M_MMAP_THRESHOLD, 1 << 16); /* the kernel fills large allocations, not single steps */
    sigaction(SIGTRAP, &action, NULL);
    ck_assert_int_eq(guest_memory_add(&gm, GPA, sizeof(shared), &shared), 0);
    if (packed) {
        offer_packed();
    } else {
        offer_split();
    }
    remember();

    set_up(packed, event_idx);
    in_single_steps(life);
    tear_down();
    in_first_life = nr_states;
    ck_assert_uint_gt(in_first_life, 30);

    for (unsigned i = 0; i < nr_states; i++) {
        shared = states[i];
        set_up(packed, event_idx);
        if (i < in_first_life && i % SECOND_CRASHES == 0) {
            in_single_steps(life_after_a_crash);
        } else {
            life_after_a_crash();
        }
        assert_taken(&states[i], i);
        assert_each_is_back_once(i);
        tear_down();
    }
    ck_assert_uint_gt(nr_states, in_first_life);
    ck_assert_uint_lt(nr_states, STATES_MAX);
}
END_TEST

/* --- a front end that changes the record while it is read --- */

static unsigned steps, change_at;
static uint16_t change_to;

static void change_record(void)
{
    uint16_t *fields = (uint16_t *)shared.record;

    for (unsigned i = 0; i < sizeof(shared.record) / sizeof(*fields); i++) {
        fields[i] = change_to;
    }
}

static void trapped_to_change(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if (stepping && steps++ == change_at) {
        change_record();
        stepping = false;
    }
    if (stepping) {
        uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    } else {
        uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    }
}

/* As life_after_a_crash(), but any step may fail. */
static void life_with_a_changed_record(void)
{
    nr_taken = 0;
    if (virtq_start(&vq, &gm) < 0) {
        return;
    }
    while (nr_taken < 2 * CHAINS && virtq_pop(&vq, &chain) == 1) {
        taken[nr_taken++] = chain.head;
    }
    for (unsigned i = nr_taken; i-- > 0;) {
        virtq_push(&vq, taken[i], 0);
    }
    virtq_publish_used(&vq);
}

static void assert_in_the_ring(void)
{
    const uint8_t *end = (const uint8_t *)(&shared + 1);

    for (const uint8_t *p = shared.record + sizeof(shared.record); p < end; p++) {
        ck_assert_msg(*p == 0, "change at step %u: byte %d behind the record is written", change_at,
                      (int)(p - shared.record));
    }
    if (vq.packed && vq.packed_ring.next) {
        ck_assert_msg(vq.packed_ring.used < SIZE, "change at step %u: place %u of %d", change_at,
                      vq.packed_ring.used, SIZE);
        ck_assert(vq.packed_ring.next >= shared.packed.ring &&
                  vq.packed_ring.next < shared.packed.ring + SIZE);
    }
}

/* Return: the number of steps until the change, or of all if there was none. */
static unsigned run_with_change(const struct shared *before, bool packed, unsigned at)
{
    shared = *before;
    set_up(packed, false);
    steps = 0;
    change_at = at;
    in_single_steps(life_with_a_changed_record);
    assert_in_the_ring();
    tear_down();
    return steps;
}

/* Two processors: the front end may write between a check and the use of what was checked. */
START_TEST(a_record_that_changes_at_any_instruction_harms_nobody)
{
    static const uint16_t values[] = {UINT16_MAX, 101, 1};
    const struct sigaction action = {.sa_sigaction = trapped_to_change, .sa_flags = SA_SIGINFO};
    static struct shared before;
    unsigned total;

    mallopt(M_MMAP_THRESHOLD, 1 << 16);
    sigaction(SIGTRAP, &action, NULL);
    ck_assert_int_eq(guest_memory_add(&gm, GPA, sizeof(shared), &shared), 0);
    if (_i) {
        offer_packed();
    } else {
        offer_split();
    }
    set_up(_i, false);
    life();
    tear_down();
    before = shared;
    total = run_with_change(&before, _i, UINT_MAX);
    ck_assert_uint_gt(total, CHANGES);
    for (unsigned i = 0; i < CHANGES; i++) {
        change_to = values[i % (sizeof(values) / sizeof(values[0]))];
        run_with_change(&before, _i, (unsigned)((uint64_t)total * i / CHANGES));
    }
}
END_TEST

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    printf("skip: ThreadSanitizer makes many instructions of each, which take minutes to step "
           "through; there is one thread here\n");
    return 77;
#endif
    Suite *s = suite_create("inflight");
    TCase *tc = tcase_create("inflight");

    tcase_add_loop_test(tc, a_crash_at_every_instruction, 0, 3);
    tcase_add_loop_test(tc, a_record_that_changes_at_any_instruction_harms_nobody, 0, 2);
    suite_add_tcase(s, tc);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * A disk with limits. Rates are those of test_throttle; here the queue waits, and is started,
 * stopped and reset meanwhile. A limit of one request an hour makes a queue wait as long as the test
 * likes.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define READ  VIRTIO_BLK_T_IN
#define WRITE VIRTIO_BLK_T_OUT
#define HUGE  1000000000000000ull /* no limit in effect */

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static void set_iops(struct virtio_device *dev, uint64_t iops)
{
    struct throttle_limits limits = {.rate[THROTTLE_IOPS].avg = iops};
    struct error err = {""};

    ck_assert_msg(virtio_blk_set_limits(dev, &limits, &err) == 0, "%s", err.msg);
}

/* After the first request nothing more is taken for as long as a test lasts: with bytes of an hour
 * at one byte a second, the next request has an hour to wait. */
static void set_closed_after_one(struct virtio_device *dev)
{
    struct throttle_limits limits = {.rate[THROTTLE_BPS].avg = 1};
    struct error err = {""};

    ck_assert_msg(virtio_blk_set_limits(dev, &limits, &err) == 0, "%s", err.msg);
}

static void start(const struct blk_rig_options *options)
{
    blk_rig_init(&rig, options);
    blk_rig_go_live(&rig);
    set_closed_after_one(rig.dev);
}

static uint16_t read_chain(struct fake_driver *d)
{
    return fake_driver_chain_indirect(d, HDR(.type = READ), IN(4096), STATUS());
}

/* Runs in the I/O thread, after all that was to be done before. */
static int nothing(void *opaque)
{
    return 0;
}

/* Also after the bottom halves that these turns have scheduled. */
static void await_turns(struct blk_rig *r)
{
    for (unsigned i = 0; i < r->nr_iothreads; i++) {
        for (unsigned n = 0; n < 4; n++) {
            iothread_call(r->iothreads[i], nothing, NULL);
        }
    }
}

static struct iothread_account account;

static const struct aio_handler_info *handler(const char *name)
{
    ck_assert_int_eq(iothread_get_account(rig.iothreads[0], 20000000000, &account), 0);
    for (unsigned i = 0; i < account.nr_handlers; i++) {
        if (account.handlers[i].live && strcmp(account.handlers[i].name, name) == 0) {
            return &account.handlers[i];
        }
    }
    return NULL;
}

/* The first request is served, the second one waits. Return: the head of the second. */
static uint16_t fill(void)
{
    uint16_t head;

    ck_assert_uint_eq(blk_rig_do(&rig, 0, read_chain(drv)), VIRTIO_BLK_S_OK);
    head = read_chain(drv);
    fake_driver_kick(drv, head);
    eventfd_write(drv->kick_fd, 1);
    await_turns(&rig);
    ck_assert_int_eq(fake_driver_reap(drv), -1);
    return head;
}

static const struct blk_rig_options variants[] = {
    {.event_idx = false},
    {.event_idx = true},
    {.event_idx = true, .packed = true},
    {.event_idx = true, .merge = true, .policy = &poll_policy_fixed, .max_ns = 100000000},
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

/* --- a queue that waits --- */

START_TEST(a_queue_that_waits_is_not_watched_or_polled)
{
    struct aio_stats before, after;
    uint16_t old;

    start(&variants[_i]);
    ck_assert_ptr_nonnull(handler("disk0 queue 0"));
    fill();
    ck_assert_ptr_null(handler("disk0 queue 0"));
    old = drv->avail_idx;
    fake_driver_offer(drv, read_chain(drv));
    ck_assert(!fake_driver_wants_kick(drv, old));

    /* Kicks that nobody asked for do not wake the thread either. */
    aio_get_stats(iothread_ctx(rig.iothreads[0]), &before);
    for (unsigned i = 0; i < 1000; i++) {
        eventfd_write(drv->kick_fd, 1);
    }
    aio_get_stats(iothread_ctx(rig.iothreads[0]), &after);
    ck_assert_uint_eq(after.dispatches, before.dispatches);
    ck_assert_uint_eq(after.timers, before.timers);
    ck_assert_uint_le(after.turns, before.turns + 1); /* the last one may not have ended then */
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_limit_that_is_lifted_wakes_the_queue)
{
    uint16_t head;

    start(&variants[_i]);
    for (unsigned i = 0; i < 20; i++) {
        head = fill();
        set_iops(rig.dev, i % 2 ? 0 : HUGE);
        fake_driver_await(drv, 1);
        ck_assert_uint_eq(fake_driver_status(drv, head), VIRTIO_BLK_S_OK);
        ck_assert_ptr_nonnull(handler("disk0 queue 0"));
        /* Later kicks are heard, too. */
        ck_assert_uint_eq(blk_rig_do(&rig, 0, read_chain(drv)), VIRTIO_BLK_S_OK);
        blk_rig_go_live(&rig); /* all descriptors are free again */
        set_iops(rig.dev, 0);  /* so that the next limit begins without a debt */
        set_closed_after_one(rig.dev);
    }
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_queue_that_waits_is_stopped_and_reset)
{
    start(&variants[_i]);
    fill();
    virtio_set_status(rig.dev, 0);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 1);
    set_iops(rig.dev, 0);
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, read_chain(drv)), VIRTIO_BLK_S_OK);
    set_closed_after_one(rig.dev);
    fill();
    blk_rig_destroy(&rig); /* while it waits */
}
END_TEST

/* A debt of the driver before the reset is one of the driver after it. */
START_TEST(a_reset_does_not_forget_what_was_used)
{
    start(&variants[_i]);
    fill();
    blk_rig_go_live(&rig);
    fake_driver_kick(drv, read_chain(drv));
    await_turns(&rig);
    ck_assert_int_eq(fake_driver_reap(drv), -1);
    set_iops(rig.dev, 0);
    fake_driver_await(drv, 1);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(requests_in_flight_complete_while_the_queue_waits)
{
    uint16_t head;

    start(&variants[_i]);
    rig.hold = true;
    fake_driver_kick(drv, head = read_chain(drv));
    blk_rig_await_held(&rig, 1);
    fake_driver_kick(drv, read_chain(drv));
    await_turns(&rig);
    blk_rig_release(&rig);
    fake_driver_await(drv, 1);
    ck_assert(drv->chains[head].used);
    ck_assert_int_eq(fake_driver_reap(drv), -1);
    virtio_set_status(rig.dev, 0);
    ck_assert_uint_eq(blk_rig_stats(&rig).reads, 1);
    blk_rig_destroy(&rig);
}
END_TEST

/* A chain that breaks the queue is found when its turn comes. */
START_TEST(a_broken_chain_is_found_at_its_turn)
{
    uint16_t head;

    start(&variants[_i]);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, read_chain(drv)), VIRTIO_BLK_S_OK);
    head = fake_driver_chain(drv, HDR(.type = READ), IN(512), OUT(512), STATUS());
    fake_driver_kick(drv, head);
    await_turns(&rig);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 0);
    set_iops(rig.dev, _i ? HUGE : 0);
    fake_transport_await_config(&rig.transport);
    ck_assert_uint_eq(blk_rig_stats(&rig).faults, 1);
    set_iops(rig.dev, 0);
    blk_rig_go_live(&rig);
    ck_assert_uint_eq(blk_rig_do(&rig, 0, read_chain(drv)), VIRTIO_BLK_S_OK);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(a_flush_costs_nothing_and_waits_its_turn)
{
    uint16_t head;

    start(&variants[_i]);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(
            blk_rig_do(&rig, 0, fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS())),
            VIRTIO_BLK_S_OK);
    }
    fill();
    head = fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS());
    fake_driver_kick(drv, head);
    await_turns(&rig);
    ck_assert_int_eq(fake_driver_reap(drv), -1);
    set_iops(rig.dev, 0);
    fake_driver_await(drv, 2);
    ck_assert(drv->chains[head].used);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(write_zeroes_count_the_bytes_that_the_host_may_write)
{
    struct virtio_blk_discard_write_zeroes range = {.num_sectors = 8};
    /* A burst of 1000 bytes: enough for the 16 of the request, not for the 4096 of its range. */
    struct throttle_limits limits = {.rate[THROTTLE_BPS] = {.avg = 1, .max = 1001}};
    struct error err = {""};

    blk_rig_init(&rig, &variants[_i]);
    blk_rig_go_live(&rig);
    ck_assert_int_eq(virtio_blk_set_limits(rig.dev, &limits, &err), 0);
    ck_assert_uint_eq(blk_rig_do(&rig, 0,
                                 fake_driver_chain(drv, HDR(.type = VIRTIO_BLK_T_WRITE_ZEROES),
                                                   OUT_BYTES(&range, sizeof(range)), STATUS())),
                      VIRTIO_BLK_S_OK);
    fake_driver_kick(drv, read_chain(drv));
    await_turns(&rig);
    ck_assert_int_eq(fake_driver_reap(drv), -1);
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(limits_that_are_wrong_change_nothing)
{
    struct throttle_limits wrong = {.rate[THROTTLE_IOPS] = {.avg = 2, .max = 1}}, now;
    struct error err = {""};

    start(&variants[0]);
    ck_assert_int_eq(virtio_blk_set_limits(rig.dev, &wrong, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "iops-max"));
    now = virtio_blk_get_limits(rig.dev);
    ck_assert_uint_eq(now.rate[THROTTLE_BPS].avg, 1);
    ck_assert_uint_eq(now.rate[THROTTLE_IOPS].avg, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* --- under load --- */

/* Offers the chain again as soon as it is used, until @n were. */
static void flood(unsigned n, void (*between)(unsigned done))
{
    for (unsigned i = 0; i < 8; i++) {
        fake_driver_kick(drv, fake_driver_chain_indirect(drv, HDR(.type = READ, .sector = i),
                                                         IN(512), STATUS()));
    }
    for (unsigned done = 0; done < n;) {
        int head = fake_driver_reap(drv);

        if (head < 0) {
            fake_driver_want_interrupts(drv, true);
            head = fake_driver_reap(drv);
        }
        if (head < 0) {
            fd_await(drv->call_fd);
            fake_driver_interrupts(drv);
            continue;
        }
        done++;
        if (between) {
            between(done);
        }
        fake_driver_kick(drv, (uint16_t)head);
    }
}

START_TEST(a_flooded_queue_keeps_its_rate)
{
    uint64_t begun, ns;

    blk_rig_init(&rig, &variants[_i]);
    blk_rig_go_live(&rig);
    set_iops(rig.dev, 1000);
    begun = clock_ns(CLOCK_MONOTONIC);
    flood(500, NULL);
    ns = clock_ns(CLOCK_MONOTONIC) - begun;
    ck_assert_uint_ge(ns, 480000000); /* never too fast; a busy host may make it slower */
    blk_rig_destroy(&rig);
}
END_TEST

static void change(unsigned done)
{
    static const uint64_t rates[] = {0, 50000, 1000000, 20000, HUGE, 100000};

    set_iops(rig.dev, rates[done % 6]);
}

START_TEST(limits_that_change_all_the_time_lose_no_wake_up)
{
    blk_rig_init(&rig, &variants[_i]);
    blk_rig_go_live(&rig);
    flood(5000, change);
    blk_rig_destroy(&rig);
}
END_TEST

/* --- a group: queues of one disk on two threads share as disks do --- */

START_TEST(queues_on_two_threads_share_fairly)
{
    unsigned done[2] = {0, 0};

    blk_rig_init(&rig,
                 &(struct blk_rig_options){.nr_queues = 2, .nr_iothreads = 2, .event_idx = _i});
    blk_rig_go_live(&rig);
    set_iops(rig.dev, 2000);
    for (unsigned q = 0; q < 2; q++) {
        for (unsigned i = 0; i < 8; i++) {
            fake_driver_kick(&rig.drv[q], fake_driver_chain_indirect(&rig.drv[q], HDR(.type = READ),
                                                                     IN(512), STATUS()));
        }
    }
    while (done[0] + done[1] < 1000) {
        for (unsigned q = 0; q < 2; q++) {
            for (int head; (head = fake_driver_reap(&rig.drv[q])) >= 0; done[q]++) {
                fake_driver_kick(&rig.drv[q], (uint16_t)head);
            }
        }
    }
    ck_assert_uint_ge(done[0], 400);
    ck_assert_uint_ge(done[1], 400);
    blk_rig_destroy(&rig);
}
END_TEST

static struct throttle_group group;

static struct virtio_device *make_disk(struct blk_rig *r, unsigned thread)
{
    struct virtio_blk_options options = {.name = "disk1",
                                         .image = &r->image,
                                         .engine = &engine_null,
                                         .group = &group,
                                         .iothreads = &r->iothreads[thread],
                                         .nr_iothreads = 1};
    struct virtio_device *dev = NULL;
    struct error err = {""};

    ck_assert_msg(virtio_blk_new(&options, &r->drv[0].gm, &dev, &err) == 0, "%s", err.msg);
    return dev;
}

/* Two disks and one group: the second one has to wait for what the first one has used, whose end
 * lets it go on. */
START_TEST(disks_of_a_group_share_their_limits)
{
    struct throttle_limits limits = {.rate[THROTTLE_BPS].avg = 1};
    struct virtio_device *disks[2];
    struct fake_transport transports[2];

    throttle_group_init(&group, &limits);
    blk_rig_init(&rig, &(struct blk_rig_options){.nr_queues = 2, .nr_iothreads = 2});
    for (unsigned i = 0; i < 2; i++) {
        disks[i] = make_disk(&rig, i);
        fake_transport_init(&transports[i], disks[i]);
        fake_driver_negotiate(disks[i],
                              1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC);
        fake_driver_reset(&rig.drv[i]);
        fake_driver_attach(&rig.drv[i], disks[i], 0);
        virtio_set_status(disks[i], virtio_status(disks[i]) | VIRTIO_CONFIG_S_DRIVER_OK);
    }
    fake_driver_kick(&rig.drv[0], read_chain(&rig.drv[0]));
    fake_driver_await(&rig.drv[0], 1);
    fake_driver_kick(&rig.drv[1], read_chain(&rig.drv[1]));
    fake_driver_kick(&rig.drv[0], read_chain(&rig.drv[0]));
    await_turns(&rig);
    ck_assert_int_eq(fake_driver_reap(&rig.drv[0]), -1);
    ck_assert_int_eq(fake_driver_reap(&rig.drv[1]), -1);

    disks[_i]->ops->free(disks[_i]); /* a disk that waits leaves the line; the other one stays */
    set_iops(disks[!_i], 0);         /* the limits are those of the group */
    fake_driver_await(&rig.drv[!_i], 1);
    disks[!_i]->ops->free(disks[!_i]);
    for (unsigned i = 0; i < 2; i++) {
        fake_transport_destroy(&transports[i]);
    }
    blk_rig_destroy(&rig);
    throttle_group_destroy(&group);
}
END_TEST

static sem_t hung, go;

static int hang(void *opaque)
{
    sem_post(&hung);
    sem_wait(&go);
    return 0;
}

static void *hang_thread(void *opaque)
{
    iothread_call(rig.iothreads[0], hang, NULL);
    return NULL;
}

/* An I/O thread that hangs in the kernel keeps its turn for 50 ms only. */
START_TEST(a_thread_that_hangs_does_not_stop_the_others)
{
    pthread_t thread;

    sem_init(&hung, 0, 0);
    sem_init(&go, 0, 0);
    blk_rig_init(&rig, &(struct blk_rig_options){.nr_queues = 2, .nr_iothreads = 2});
    blk_rig_go_live(&rig);
    set_iops(rig.dev, 100);
    for (unsigned q = 0; q < 2; q++) {
        for (unsigned i = 0; i < 8; i++) {
            fake_driver_kick(&rig.drv[q], fake_driver_chain_indirect(&rig.drv[q], HDR(.type = READ),
                                                                     IN(512), STATUS()));
        }
    }
    pthread_create(&thread, NULL, hang_thread, NULL);
    ck_assert_int_eq(sem_wait(&hung), 0);
    fake_driver_await(&rig.drv[1], 8);
    sem_post(&go);
    fake_driver_await(&rig.drv[0], 8);
    pthread_join(thread, NULL);
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_limits");
    TCase *waits = tcase_create("waits"), *load = tcase_create("load"),
          *shared = tcase_create("group");

    tcase_add_loop_test(waits, a_queue_that_waits_is_not_watched_or_polled, 0, VARIANTS);
    tcase_add_loop_test(waits, a_limit_that_is_lifted_wakes_the_queue, 0, VARIANTS);
    tcase_add_loop_test(waits, a_queue_that_waits_is_stopped_and_reset, 0, VARIANTS);
    tcase_add_loop_test(waits, a_reset_does_not_forget_what_was_used, 0, VARIANTS);
    tcase_add_loop_test(waits, requests_in_flight_complete_while_the_queue_waits, 0, VARIANTS);
    tcase_add_loop_test(waits, a_broken_chain_is_found_at_its_turn, 0, VARIANTS);
    tcase_add_loop_test(waits, a_flush_costs_nothing_and_waits_its_turn, 0, VARIANTS);
    tcase_add_test(waits, write_zeroes_count_the_bytes_that_the_host_may_write);
    tcase_add_test(waits, limits_that_are_wrong_change_nothing);
    suite_add_tcase(s, waits);
    tcase_add_loop_test(load, a_flooded_queue_keeps_its_rate, 0, VARIANTS);
    tcase_add_loop_test(load, limits_that_change_all_the_time_lose_no_wake_up, 0, VARIANTS);
    suite_add_tcase(s, load);
    tcase_add_loop_test(shared, queues_on_two_threads_share_fairly, 0, 2);
    tcase_add_loop_test(shared, disks_of_a_group_share_their_limits, 0, 2);
    tcase_add_test(shared, a_thread_that_hangs_does_not_stop_the_others);
    suite_add_tcase(s, shared);
    return suite_run(s);
}

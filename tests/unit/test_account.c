// SPDX-License-Identifier: MIT
/* The account: the figures of each handler, also of removed ones. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "iothread/iothread.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define WINDOW_NS 50000

/* By name; asserts that it is there once. */
static struct aio_handler_info info_of(AioContext *ctx, const char *name)
{
    struct aio_handler_info all[16], found = {.name = ""};
    unsigned n = aio_get_handlers(ctx, all, 16), times = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(all[i].name, name)) {
            found = all[i];
            times++;
        }
    }
    ck_assert_uint_eq(times, 1);
    return found;
}

START_TEST(a_hit_is_charged_to_the_handler_that_ended_it)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source busy = {0}, idle = {0};
    struct aio_handler_info info;

    source_add(&idle, ctx);
    source_add(&busy, ctx);
    busy.h.name = "busy";
    busy.event_after_looks = 40;
    aio_poll(ctx, true);
    info = info_of(ctx, "busy");
    ck_assert_uint_eq(info.stats.hits, 1);
    ck_assert_uint_eq(info.stats.misses, 0);
    ck_assert_uint_eq(info.stats.polled_ns, loop_stats(ctx).polled_ns);
    ck_assert_uint_gt(info.stats.polled_ns, 0);
    ck_assert_uint_eq(info.stats.blocked_ns, 0);
    ck_assert(info.live && info.can_poll && info.in_poll_set);
    ck_assert_uint_eq(info_of(ctx, "source").stats.polled_ns, 0);
    source_remove(&busy);
    source_remove(&idle);
    loop_free(ctx);
}
END_TEST

START_TEST(a_miss_is_charged_to_the_handler_that_ended_it)
{
    AioContext *ctx = loop_new(_i, WINDOW_NS);
    struct source s = {0};
    struct aio_handler_info info;

    source_add(&s, ctx);
    source_fire(&s);
    aio_poll(ctx, true);
    info = info_of(ctx, "source");
    ck_assert_uint_eq(info.stats.wakeups, 1);
    ck_assert_uint_eq(info.stats.misses, 1);
    ck_assert_uint_ge(info.stats.polled_ns, WINDOW_NS);
    ck_assert_uint_eq(info.stats.blocked_ns, loop_stats(ctx).blocked_ns);
    ck_assert_uint_gt(info.stats.blocked_ns, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(without_polling_a_wait_is_no_miss)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};
    struct aio_handler_info info;

    source_add(&s, ctx);
    source_fire(&s);
    aio_poll(ctx, true);
    info = info_of(ctx, "source");
    ck_assert_uint_eq(info.stats.wakeups, 1);
    ck_assert_uint_eq(info.stats.misses + info.stats.polled_ns, 0);
    ck_assert_uint_gt(info.stats.blocked_ns, 0);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

START_TEST(figures_of_a_removed_handler_are_added_to_the_next_of_its_name)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    for (unsigned round = 1; round <= 3; round++) {
        uint64_t syscalls;

        source_add(&s, ctx);
        source_fire(&s);
        aio_poll(ctx, true);
        syscalls = loop_stats(ctx).syscalls;
        aio_count_syscall(&s.h);
        ck_assert_uint_eq(loop_stats(ctx).syscalls, syscalls + 1);
        ck_assert_uint_eq(s.h.stats.wakeups, 1); /* its own figures are its own */
        ck_assert_uint_eq(info_of(ctx, "source").stats.wakeups, round);
        ck_assert(info_of(ctx, "source").live);
        source_remove(&s);
        ck_assert_uint_eq(info_of(ctx, "source").stats.wakeups, round);
        ck_assert_uint_eq(info_of(ctx, "source").stats.syscalls, round);
        ck_assert(!info_of(ctx, "source").live);
    }
    loop_free(ctx);
}
END_TEST

#define STORED (sizeof(((struct aio_handler_info *)0)->name) - 1) /* characters of a name */

static void add_and_remove(AioContext *ctx, const char *name)
{
    struct source s = {0};

    source_add(&s, ctx);
    s.h.name = name;
    aio_count_syscall(&s.h);
    source_remove(&s);
}

START_TEST(long_names_are_equal_if_their_stored_part_is)
{
    AioContext *ctx = loop_new(_i, 0);
    char a[STORED + 1], b[STORED + 1], longer[STORED + 2];

    memset(longer, 'n', sizeof(longer));
    longer[STORED + 1] = '\0';
    memcpy(a, longer, STORED);
    a[STORED] = '\0';
    strcpy(b, a);
    b[STORED - 1] = 'o';
    add_and_remove(ctx, a);
    add_and_remove(ctx, b);
    add_and_remove(ctx, longer);
    add_and_remove(ctx, longer);
    ck_assert_uint_eq(info_of(ctx, a).stats.syscalls, 3);
    ck_assert_uint_eq(info_of(ctx, b).stats.syscalls, 1);
    loop_free(ctx);
}
END_TEST

START_TEST(no_more_handlers_are_written_than_there_is_room_for)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s[3] = {0};
    struct aio_handler_info all[3] = {{.name = ""}};

    for (unsigned i = 0; i < 3; i++) {
        source_add(&s[i], ctx);
    }
    ck_assert_uint_eq(aio_get_handlers(ctx, all, 2), 2);
    ck_assert_str_eq(all[2].name, "");
    for (unsigned i = 0; i < 3; i++) {
        source_remove(&s[i]);
    }
    ck_assert_uint_eq(aio_get_handlers(ctx, all, 1), 1);
    loop_free(ctx);
}
END_TEST

START_TEST(batches_are_counted_by_powers_of_two)
{
    static const unsigned sizes[] = {1, 2, 3, 4, 7, 8, 64, 127, 128, 100000};
    static const uint64_t expected[AIO_BATCH_BUCKETS] = {1, 2, 2, 1, 0, 0, 2, 2};
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};
    struct aio_handler_info info;

    source_add(&s, ctx);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        aio_count_batch(&s.h, sizes[i]);
    }
    info = info_of(ctx, "source");
    ck_assert_mem_eq(info.stats.batches, expected, sizeof(expected));
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static void nothing(void *opaque)
{
}

static void *notify_twice(void *opaque)
{
    aio_notify(opaque);
    aio_notify(opaque);
    return NULL;
}

START_TEST(notifications_of_the_owner_and_of_others_are_all_counted)
{
    AioContext *ctx = loop_new(_i, 0);
    struct aio_bh bh;
    pthread_t other;

    aio_bh_init(ctx, &bh, nothing, NULL);
    aio_bh_schedule(&bh);
    ck_assert_int_eq(pthread_create(&other, NULL, notify_twice, ctx), 0);
    pthread_join(other, NULL);
    ck_assert_uint_eq(loop_stats(ctx).notify_elided, 3);
    ck_assert_uint_eq(loop_stats(ctx).notify_sent, 0);
    loop_drain(ctx);
    loop_free(ctx);
}
END_TEST

START_TEST(an_account_is_taken_while_the_thread_runs)
{
    struct iothread_config config = {
        .id = "io0",
        .poll = {.policy = &poll_policy_cost, .max_ns = WINDOW_NS},
        .fdmon = aio_fdmon_name(_i),
    };
    struct iothread_account *a = malloc(sizeof(*a));
    struct iothread *io;
    struct error err;

    ck_assert_int_eq(iothread_new(&config, &io, &err), 0);
    ck_assert_int_eq(iothread_get_account(io, 60000000000, a), 0);
    ck_assert_uint_eq(a->nr_handlers, 1);
    ck_assert_str_eq(a->handlers[0].name, "notifier");
    ck_assert_ptr_eq(a->poll.policy, &poll_policy_cost);
    ck_assert_ptr_nonnull(strstr(a->policy, "window"));
    ck_assert_uint_ge(a->loop.notify_sent + a->loop.notify_elided, 1);
    ck_assert_uint_gt(a->cpu_ns, 0);
    iothread_free(io);
    free(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("account");
    TCase *t = tcase_create("account");
    int monitors = monitor_count();

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_hit_is_charged_to_the_handler_that_ended_it, 0, monitors);
    tcase_add_loop_test(t, a_miss_is_charged_to_the_handler_that_ended_it, 0, monitors);
    tcase_add_loop_test(t, without_polling_a_wait_is_no_miss, 0, monitors);
    tcase_add_loop_test(t, figures_of_a_removed_handler_are_added_to_the_next_of_its_name, 0,
                        monitors);
    tcase_add_loop_test(t, long_names_are_equal_if_their_stored_part_is, 0, 1);
    tcase_add_loop_test(t, no_more_handlers_are_written_than_there_is_room_for, 0, monitors);
    tcase_add_loop_test(t, batches_are_counted_by_powers_of_two, 0, 1);
    tcase_add_loop_test(t, notifications_of_the_owner_and_of_others_are_all_counted, 0, monitors);
    tcase_add_loop_test(t, an_account_is_taken_while_the_thread_runs, 0, monitors);
    return suite_run(s);
}

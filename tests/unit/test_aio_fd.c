// SPDX-License-Identifier: MIT
/* The event loop: descriptors, removal from inside callbacks, life and ownership of a loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

START_TEST(a_readable_fd_runs_its_handler_once_and_nothing_else_happens)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source a = {0}, b = {0};

    source_add_fd(&a, ctx);
    source_add(&b, ctx);
    ck_assert(!aio_poll(ctx, false));

    source_fire(&a);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(a.ready, 1);
    ck_assert_uint_eq(a.h.stats.wakeups, 1);
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(source_runs(&a), 1);

    source_fire(&b);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(b.ready, 1);
    ck_assert(!aio_poll(ctx, false));
    ck_assert_uint_eq(source_runs(&b), 1);

    source_remove(&a);
    source_remove(&b);
    loop_free(ctx);
}
END_TEST

START_TEST(events_that_come_again_are_seen_again)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    source_add_fd(&s, ctx);
    for (unsigned i = 1; i <= 200; i++) {
        source_fire(&s);
        ck_assert(aio_poll(ctx, i % 2));
        ck_assert_uint_eq(s.ready, i);
    }
    ck_assert(!aio_poll(ctx, false));
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

#define MANY 150

START_TEST(of_many_fds_exactly_the_readable_run_while_others_come_and_go)
{
    AioContext *ctx = loop_new(_i, 0);
    static struct source s[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        source_add_fd(&s[i], ctx);
    }
    for (unsigned i = 0; i < MANY; i += 3) {
        source_remove(&s[i]);
    }
    for (unsigned i = 1; i < MANY; i += 3) {
        source_fire(&s[i]);
    }
    ck_assert(aio_poll(ctx, true));
    loop_drain(ctx);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(s[i].ready, i % 3 == 1);
    }
    for (unsigned i = 0; i < MANY; i += 3) {
        source_add_fd(&s[i], ctx);
        source_fire(&s[i]);
    }
    loop_drain(ctx);
    for (unsigned i = 2; i < MANY; i += 3) {
        ck_assert_uint_eq(s[i].ready, 0);
        source_fire(&s[i]);
    }
    loop_drain(ctx);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(s[i].ready, 1);
        source_remove(&s[i]);
    }
    loop_free(ctx);
}
END_TEST

START_TEST(a_descriptor_that_fired_thousands_of_times_is_seen_and_seen_again)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    source_add_fd(&s, ctx);
    ck_assert(!aio_poll(ctx, false));
    for (unsigned i = 0; i < 10000; i++) {
        source_fire(&s); /* more than a ring of completions holds */
    }
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 1);
    s.ready = 0;
    while (!s.ready) {
        source_fire(&s);
        aio_poll(ctx, true);
    }
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

static unsigned count_epoll_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 3 * MANY; fd++) {
        char path[32], target[64] = "";

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof(target) - 1) > 0) {
            count += !strcmp(target, "anon_inode:[eventpoll]");
        }
    }
    return count;
}

START_TEST(auto_goes_over_to_epoll_with_many_handlers_and_back_with_few)
{
    struct poll_params params = {.policy = &poll_policy_block};
    struct aio_context_config config = {.poll = params, .fdmon = "auto"};
    static struct source s[MANY];
    AioContext *ctx;

    ck_assert_int_eq(aio_context_new(&config, &ctx, NULL), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            ck_assert(i > 60 || !count_epoll_descriptors());
            source_add_fd(&s[i], ctx);
        }
        ck_assert_uint_eq(count_epoll_descriptors(), 1);
        for (unsigned i = 0; i < MANY; i++) {
            source_remove(&s[i]);
        }
        ck_assert_uint_eq(count_epoll_descriptors(), 0);
    }
    loop_free(ctx);
}
END_TEST

static void note_revents(void *opaque, int revents)
{
    *(int *)opaque = revents;
}

START_TEST(room_to_write_and_the_end_of_a_pipe_are_events)
{
    static const struct aio_handler_ops ops = {.ready = note_revents};
    AioContext *ctx = loop_new(_i, 0);
    struct aio_handler h;
    int fds[2], revents = 0;

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(aio_handler_add(ctx, &h, fds[1], POLLOUT, &ops, &revents, "w", NULL), 0);
    ck_assert(aio_poll(ctx, true));
    ck_assert_int_eq(revents, POLLOUT);
    aio_handler_remove(&h);

    revents = 0;
    ck_assert_int_eq(aio_handler_add(ctx, &h, fds[0], POLLIN, &ops, &revents, "r", NULL), 0);
    ck_assert(!aio_poll(ctx, false));
    close(fds[1]);
    ck_assert(aio_poll(ctx, true));
    ck_assert_int_ne(revents & POLLHUP, 0);
    aio_handler_remove(&h);
    close(fds[0]);
    loop_free(ctx);
}
END_TEST

static void nothing(void *opaque)
{
}

START_TEST(freeing_a_loop_with_anything_alive_gives_ebusy_and_does_nothing)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};
    struct aio_timer timer;
    struct aio_bh bh;
    struct aio_deferred d;

    source_add_fd(&s, ctx);
    ck_assert_int_eq(aio_context_free(ctx), -EBUSY);
    source_fire(&s);
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(s.ready, 1);
    source_remove(&s);

    aio_timer_init(ctx, &timer, nothing, NULL);
    aio_timer_arm(&timer, UINT64_MAX);
    ck_assert_int_eq(aio_context_free(ctx), -EBUSY);
    aio_timer_cancel(&timer);

    aio_bh_init(ctx, &bh, nothing, NULL);
    aio_bh_schedule(&bh);
    ck_assert_int_eq(aio_context_free(ctx), -EBUSY);
    aio_bh_cancel(&bh);

    aio_deferred_init(&d, nothing, NULL);
    aio_defer(ctx, &d);
    ck_assert_int_eq(aio_context_free(ctx), -EBUSY);
    aio_deferred_cancel(&d);

    loop_free(ctx);
}
END_TEST

START_TEST(removing_twice_is_safe_and_a_removed_handler_may_be_added_again)
{
    AioContext *ctx = loop_new(_i, 0);
    struct source s = {0};

    source_add(&s, ctx);
    source_fire(&s);
    aio_handler_remove(&s.h);
    aio_handler_remove(&s.h);
    ck_assert(!aio_poll(ctx, false));
    close(s.fd);

    source_add(&s, ctx);
    ck_assert(!aio_poll(ctx, false));
    source_fire(&s);
    ck_assert(aio_poll(ctx, false));
    ck_assert_uint_eq(s.ready, 1);
    source_remove(&s);
    loop_free(ctx);
}
END_TEST

/* --- removal from inside every kind of callback --- */

static struct source *alive[2]; /* on the heap, so that a late access is seen by a sanitizer */
static unsigned removed_runs;

static void remove_both(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (alive[i]) {
            removed_runs += source_runs(alive[i]);
            source_remove(alive[i]);
            free(alive[i]);
            alive[i] = NULL;
        }
    }
}

static void remove_both_cb(void *opaque)
{
    remove_both();
}

static void remove_both_in_handler(struct source *s)
{
    remove_both();
}

static AioContext *loop_with_two_sources(int monitor, uint64_t max_ns)
{
    AioContext *ctx = loop_new(monitor, max_ns);

    for (unsigned i = 0; i < 2; i++) {
        alive[i] = calloc(1, sizeof(*alive[i]));
        alive[i]->then = remove_both_in_handler;
        source_add(alive[i], ctx);
    }
    return ctx;
}

START_TEST(a_handler_may_remove_itself_and_another_ready_one)
{
    AioContext *ctx = loop_with_two_sources(_i, 0);

    source_fire(alive[0]);
    source_fire(alive[1]);
    ck_assert(aio_poll(ctx, true));
    ck_assert(!alive[0] && !alive[1]);
    ck_assert_uint_eq(removed_runs, 1);
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

START_TEST(a_polled_handler_may_remove_itself_and_another_ready_one)
{
    AioContext *ctx = loop_with_two_sources(_i, 10000);

    alive[0]->event_after_looks = 20;
    alive[1]->event_after_looks = 20;
    ck_assert(aio_poll(ctx, true));
    ck_assert(!alive[0] && !alive[1]);
    ck_assert_uint_eq(removed_runs, 1);
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

START_TEST(a_bottom_half_may_remove_handlers)
{
    AioContext *ctx = loop_with_two_sources(_i, 0);
    struct aio_bh bh;

    aio_bh_init(ctx, &bh, remove_both_cb, NULL);
    aio_bh_schedule(&bh);
    ck_assert(aio_poll(ctx, true));
    ck_assert(!alive[0] && !alive[1]);
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

START_TEST(a_timer_may_remove_handlers)
{
    AioContext *ctx = loop_with_two_sources(_i, 10000);
    struct aio_timer timer;

    aio_timer_init(ctx, &timer, remove_both_cb, NULL);
    aio_timer_arm(&timer, virtual_now() + 5000);
    ck_assert(aio_poll(ctx, true));
    ck_assert(!alive[0] && !alive[1]);
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

START_TEST(deferred_work_may_remove_handlers)
{
    AioContext *ctx = loop_with_two_sources(_i, 0);
    struct aio_deferred d;

    aio_deferred_init(&d, remove_both_cb, NULL);
    aio_defer(ctx, &d);
    ck_assert(aio_poll(ctx, true));
    ck_assert(!alive[0] && !alive[1]);
    ck_assert(!aio_poll(ctx, false));
    loop_free(ctx);
}
END_TEST

static struct source newcomer;

static void add_newcomer(struct source *s)
{
    s->then = NULL;
    source_add(&newcomer, s->ctx);
    source_fire(&newcomer);
}

START_TEST(a_handler_may_add_another)
{
    AioContext *ctx = loop_new(_i, 10000);
    struct source s = {.then = add_newcomer};

    source_add(&s, ctx);
    s.event_after_looks = 20;
    ck_assert(aio_poll(ctx, true));
    ck_assert_uint_eq(newcomer.ready, 0);
    ck_assert(newcomer.polling);
    source_fire(&newcomer);
    while (!newcomer.ready) {
        aio_poll(ctx, true);
    }
    source_remove(&s);
    source_remove(&newcomer);
    loop_free(ctx);
}
END_TEST

/* --- life --- */

START_TEST(a_loop_that_cannot_have_descriptors_says_so)
{
    struct poll_params params = {.policy = &poll_policy_fixed};
    struct aio_context_config config = {.poll = params, .fdmon = aio_fdmon_name(_i)};
    struct rlimit limit, none;
    struct error err = {""};
    AioContext *ctx;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(aio_context_new(&config, &ctx, &err), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_ptr_ne(strstr(err.msg, strerror(EMFILE)), NULL);
}
END_TEST

START_TEST(an_unknown_monitor_is_named)
{
    struct poll_params params = {.policy = &poll_policy_fixed};
    struct aio_context_config config = {.poll = params, .fdmon = "bogus"};
    struct error err = {""};
    AioContext *ctx;

    ck_assert_int_eq(aio_context_new(&config, &ctx, &err), -EINVAL);
    ck_assert_ptr_ne(strstr(err.msg, "bogus"), NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("aio_fd");
    TCase *fds = tcase_create("descriptors");
    TCase *life = tcase_create("life");
    int monitors = monitor_count();

    tcase_add_loop_test(fds, a_readable_fd_runs_its_handler_once_and_nothing_else_happens, 0,
                        monitors);
    tcase_add_loop_test(fds, events_that_come_again_are_seen_again, 0, monitors);
    tcase_add_loop_test(fds, of_many_fds_exactly_the_readable_run_while_others_come_and_go, 0,
                        monitors);
    tcase_add_loop_test(fds, a_descriptor_that_fired_thousands_of_times_is_seen_and_seen_again, 0,
                        monitors);
    tcase_add_test(fds, auto_goes_over_to_epoll_with_many_handlers_and_back_with_few);
    tcase_add_loop_test(fds, room_to_write_and_the_end_of_a_pipe_are_events, 0, monitors);
    tcase_add_loop_test(fds, removing_twice_is_safe_and_a_removed_handler_may_be_added_again, 0,
                        monitors);
    tcase_add_loop_test(fds, a_handler_may_remove_itself_and_another_ready_one, 0, monitors);
    tcase_add_loop_test(fds, a_polled_handler_may_remove_itself_and_another_ready_one, 0, monitors);
    tcase_add_loop_test(fds, a_bottom_half_may_remove_handlers, 0, monitors);
    tcase_add_loop_test(fds, a_timer_may_remove_handlers, 0, monitors);
    tcase_add_loop_test(fds, deferred_work_may_remove_handlers, 0, monitors);
    tcase_add_loop_test(fds, a_handler_may_add_another, 0, monitors);
    suite_add_tcase(s, fds);

    tcase_add_loop_test(life, freeing_a_loop_with_anything_alive_gives_ebusy_and_does_nothing, 0,
                        monitors);
    tcase_add_loop_test(life, a_loop_that_cannot_have_descriptors_says_so, 0, monitors);
    tcase_add_test(life, an_unknown_monitor_is_named);
    suite_add_tcase(s, life);

    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/* The monitor on io_uring while the kernel refuses to take its requests. */
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "aio/aio.h"
#include "loop-fixture.h"

#define MONITOR 3   /* io_uring */
#define MANY    100 /* more than its submission queue has entries */

/* The next calls that submit, which fail as when the kernel has no memory. */
static unsigned refusals;

static bool refused(void)
{
    refusals -= refusals > 0;
    return refusals > 0;
}

/* These two take the place of liburing's in this program. */
int io_uring_submit(struct io_uring *ring)
{
    int (*real)(struct io_uring *) = dlsym(RTLD_NEXT, "io_uring_submit");

    return refused() ? -EAGAIN : real(ring);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
                                     struct __kernel_timespec *ts, sigset_t *mask)
{
    int (*real)(struct io_uring *, struct io_uring_cqe **, unsigned, struct __kernel_timespec *,
                sigset_t *) = dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout");

    return refused() ? -EAGAIN : real(ring, cqe, n, ts, mask);
}

static AioContext *ctx;
static struct source sources[MANY];

static void setup(void)
{
    ctx = loop_new(MONITOR, 0);
    ck_assert_str_eq(aio_fdmon_name(MONITOR), "io_uring");
}

static void teardown(void)
{
    loop_free(ctx);
}

static void add_all(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        source_add_fd(&sources[i], ctx);
    }
}

static void remove_all(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        source_remove(&sources[i]);
    }
}

START_TEST(handlers_that_were_added_meanwhile_see_their_events_later)
{
    refusals = UINT32_MAX;
    add_all();
    source_fire(&sources[0]);
    source_fire(&sources[MANY - 1]);
    ck_assert(!aio_poll(ctx, true)); /* returns although nothing can wake it */
    refusals = 0;
    while (!sources[0].ready || !sources[MANY - 1].ready) {
        aio_poll(ctx, true);
    }
    for (unsigned i = 1; i < MANY - 1; i++) {
        ck_assert_uint_eq(sources[i].ready, 0);
    }
    remove_all();
}
END_TEST

START_TEST(the_loop_catches_up_without_being_woken)
{
    add_all();
    loop_drain(ctx);
    remove_all();
    refusals = 200;
    add_all();
    source_fire(&sources[MANY - 1]);
    while (!sources[MANY - 1].ready) {
        aio_poll(ctx, true);
    }
    remove_all();
}
END_TEST

START_TEST(handlers_that_were_removed_meanwhile_see_nothing_more)
{
    struct source next = {0};

    add_all();
    loop_drain(ctx);
    refusals = UINT32_MAX;
    for (unsigned i = 0; i < MANY; i++) {
        source_fire(&sources[i]);
    }
    remove_all();
    source_add_fd(&next, ctx);
    source_fire(&next);
    aio_poll(ctx, false);
    refusals = 0;
    while (!next.ready) {
        aio_poll(ctx, true);
    }
    loop_drain(ctx);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(sources[i].ready, 0);
    }
    ck_assert_uint_eq(next.ready, 1);
    source_remove(&next);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fdmon-refused");
    TCase *tc = tcase_create("io_uring");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, handlers_that_were_added_meanwhile_see_their_events_later);
    tcase_add_test(tc, the_loop_catches_up_without_being_woken);
    tcase_add_test(tc, handlers_that_were_removed_meanwhile_see_nothing_more);
    suite_add_tcase(s, tc);

    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

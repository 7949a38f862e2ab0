// SPDX-License-Identifier: MIT
/* I/O threads: start, calls into them, parameters while they run, stop. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "iothread/iothread.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

static struct iothread *start(int monitor, uint64_t max_ns)
{
    struct iothread_config config = {
        .id = "io0",
        .poll = {.policy = &poll_policy_fixed, .max_ns = max_ns},
        .fdmon = aio_fdmon_name(monitor),
    };
    struct error err = {""};
    struct iothread *io;
    int r = iothread_new(&config, &io, &err);

    ck_assert_msg(r == 0, "%s", err.msg);
    return io;
}

static int note_thread(void *opaque)
{
    *(pthread_t *)opaque = pthread_self();
    return 42;
}

START_TEST(a_call_runs_in_the_thread_even_right_after_its_start)
{
    for (unsigned i = 0; i < 200; i++) {
        struct iothread *io = start(_i, 0);
        pthread_t ran_in = pthread_self();

        ck_assert(!aio_context_in_owner(iothread_ctx(io)));
        ck_assert_int_eq(iothread_call(io, note_thread, &ran_in), 42);
        ck_assert(!pthread_equal(ran_in, pthread_self()));
        iothread_free(io);
    }
}
END_TEST

static int note_name(void *opaque)
{
    return pthread_getname_np(pthread_self(), opaque, 16);
}

START_TEST(the_thread_carries_its_id)
{
    struct iothread *io = start(_i, 0);
    char name[16];

    ck_assert_int_eq(iothread_call(io, note_name, name), 0);
    ck_assert_str_eq(name, "io0");
    ck_assert_str_eq(iothread_id(io), "io0");
    iothread_free(io);
}
END_TEST

static int note_cpus(void *opaque)
{
    return sched_getaffinity(0, sizeof(cpu_set_t), opaque) < 0 ? -errno : 0;
}

START_TEST(the_thread_runs_on_its_cpus_only)
{
    struct iothread_config config = {.id = "io0", .fdmon = aio_fdmon_name(_i)};
    struct error err = {""};
    cpu_set_t all, got;
    struct iothread *io;

    poll_params_default(&config.poll);
    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all)) {
            CPU_ZERO(&config.cpus);
            CPU_SET(i, &config.cpus);
            ck_assert_msg(iothread_new(&config, &io, &err) == 0, "%s", err.msg);
            ck_assert_int_eq(iothread_call(io, note_cpus, &got), 0);
            ck_assert(CPU_EQUAL(&got, &config.cpus));
            iothread_free(io);
        }
    }
    CPU_ZERO(&config.cpus);
    CPU_SET(CPU_SETSIZE - 1, &config.cpus); /* hardly any host has it */
    if (!CPU_ISSET(CPU_SETSIZE - 1, &all)) {
        ck_assert_int_eq(iothread_new(&config, &io, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.msg, "cannot start I/O thread io0"));
    }
}
END_TEST

static int call_again(void *opaque)
{
    pthread_t ran_in;
    int r = iothread_call(opaque, note_thread, &ran_in);

    ck_assert(pthread_equal(ran_in, pthread_self()));
    return r + 1;
}

START_TEST(a_call_from_the_thread_itself_runs_at_once)
{
    struct iothread *io = start(_i, 0);

    ck_assert_int_eq(iothread_call(io, call_again, io), 43);
    iothread_free(io);
}
END_TEST

START_TEST(an_id_has_1_to_15_characters)
{
    static const char *const bad[] = {"", "sixteen-letters!"};

    for (unsigned i = 0; i < 2; i++) {
        struct iothread_config config = {.id = bad[i], .poll = {.policy = &poll_policy_block}};
        struct error err = {""};
        struct iothread *io;

        ck_assert_int_eq(iothread_new(&config, &io, &err), -EINVAL);
        ck_assert_ptr_ne(strstr(err.msg, bad[i]), NULL);
        ck_assert_ptr_ne(strstr(err.msg, "id"), NULL);
    }
}
END_TEST

START_TEST(a_loop_that_cannot_be_made_starts_no_thread)
{
    struct iothread_config config = {
        .id = "io0", .poll = {.policy = &poll_policy_block}, .fdmon = "bogus"};
    struct error err = {""};
    struct iothread *io;

    ck_assert_int_eq(iothread_new(&config, &io, &err), -EINVAL);
    ck_assert_ptr_ne(strstr(err.msg, "bogus"), NULL);
    ck_assert_ptr_ne(strstr(err.msg, "io0"), NULL);
}
END_TEST

START_TEST(freeing_no_thread_is_allowed)
{
    iothread_free(NULL);
}
END_TEST

struct held {
    sem_t holds, released;
};

static void hold(void *opaque)
{
    struct held *held = opaque;

    sem_post(&held->holds);
    sem_wait(&held->released);
}

/* As with a system call that does not return. */
START_TEST(a_thread_that_hangs_is_asked_with_a_time_limit)
{
    struct iothread *io = start(_i, 0);
    struct iothread_account account;
    struct held held;
    struct aio_bh bh;

    sem_init(&held.holds, 0, 0);
    sem_init(&held.released, 0, 0);
    aio_bh_init(iothread_ctx(io), &bh, hold, &held);
    aio_bh_schedule(&bh);
    sem_wait(&held.holds);
    ck_assert_int_eq(iothread_get_account(io, 1000, &account), -ETIMEDOUT);
    ck_assert_int_eq(iothread_get_account(io, 1000, &account), -ETIMEDOUT);
    sem_post(&held.released);
    ck_assert_int_eq(iothread_get_account(io, 60000000000, &account), 0);
    ck_assert_uint_ge(account.loop.bhs, 1);

    aio_bh_schedule(&bh);
    sem_wait(&held.holds);
    ck_assert_int_eq(iothread_get_account(io, 1000, &account), -ETIMEDOUT);
    sem_post(&held.released);
    iothread_free(io); /* whether the last question was answered or not */
}
END_TEST

static int burn_a_millisecond_of_cpu(void *opaque)
{
    struct timespec ts;
    uint64_t begin, now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    begin = now = ts.tv_sec * 1000000000ull + ts.tv_nsec;
    while (now - begin < 1000000) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        now = ts.tv_sec * 1000000000ull + ts.tv_nsec;
    }
    return 0;
}

START_TEST(cpu_time_is_that_of_the_thread)
{
    struct iothread *io = start(_i, 0);
    uint64_t before = iothread_cpu_ns(io);

    burn_a_millisecond_of_cpu(NULL);
    iothread_call(io, burn_a_millisecond_of_cpu, NULL);
    ck_assert_uint_ge(iothread_cpu_ns(io) - before, 1000000);
    iothread_free(io);
}
END_TEST

/* What the thread sees of a policy, without asking it anything else meanwhile. */
static sem_t window_asked;

static uint64_t asked_window(struct poll_policy *p, uint64_t now)
{
    sem_post(&window_asked);
    return 0;
}

static const struct poll_policy_ops asked = {.name = "asked", .window = asked_window};

static int add_source(void *opaque)
{
    struct source *s = opaque;

    source_add(s, s->ctx);
    return 0;
}

static int remove_source(void *opaque)
{
    source_remove(opaque);
    return 0;
}

START_TEST(other_parameters_reach_a_thread_that_blocks)
{
    struct poll_params params = {.policy = &asked, .max_ns = 1000};
    const unsigned one = 1; /* event to come, or the source may have left the poll set */
    struct iothread *io = start(_i, 0);
    struct source s = {.ctx = iothread_ctx(io), .in_flight = &one};

    sem_init(&window_asked, 0, 0);
    iothread_call(io, add_source, &s);
    ck_assert_int_eq(aio_set_poll_params(iothread_ctx(io), &params), 0);
    while (sem_wait(&window_asked) < 0 && errno == EINTR) {
    }
    iothread_call(io, remove_source, &s);
    iothread_free(io);
}
END_TEST

static void report_fault(int signal)
{
    _exit(42);
}

static int fault(void *opaque)
{
    return *(volatile int *)opaque;
}

/* A handler restores the terminal, a sanitizer's reports: it must get to run. */
START_TEST(a_fault_in_the_thread_reaches_its_handler)
{
    void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction act = {.sa_handler = report_fault};

    sigaction(SIGSEGV, &act, NULL);
    iothread_call(start(0, 0), fault, nowhere);
    ck_abort_msg("it did not fault");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("iothread");
    TCase *t = tcase_create("iothread");
    int monitors = monitor_count();

    tcase_add_loop_test(t, a_call_runs_in_the_thread_even_right_after_its_start, 0, monitors);
    tcase_add_loop_test(t, the_thread_carries_its_id, 0, monitors);
    tcase_add_loop_test(t, the_thread_runs_on_its_cpus_only, 0, monitors);
    tcase_add_loop_test(t, a_call_from_the_thread_itself_runs_at_once, 0, monitors);
    tcase_add_loop_test(t, a_thread_that_hangs_is_asked_with_a_time_limit, 0, monitors);
    tcase_add_test(t, an_id_has_1_to_15_characters);
    tcase_add_test(t, a_loop_that_cannot_be_made_starts_no_thread);
    tcase_add_test(t, freeing_no_thread_is_allowed);
    tcase_add_test(t, cpu_time_is_that_of_the_thread);
    tcase_add_loop_test(t, other_parameters_reach_a_thread_that_blocks, 0, monitors);
    tcase_add_exit_test(t, a_fault_in_the_thread_reaches_its_handler, 42);
    suite_add_tcase(s, t);

    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * Many threads against one loop. Every test ends after a fixed number of operations, each of which
 * waits for its own effect, so one lost wake-up hangs it. Seeds are fixed and printed with a
 * failure.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/barrier.h"
#include "iothread/iothread.h"
#include "tests/unit/loop-fixture.h"
#include "tests/unit/suite.h"

#define THREADS 4

/* xorshift64; each thread has its own. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static unsigned random_below(uint64_t *state, unsigned n)
{
    return (random_next(state) >> 33) % n;
}

/* Test index: monitor and mode. Windows are short, so that polling often ends in a block. */
#define MODES 3

static struct iothread *start(int i)
{
    static const uint64_t max_ns[MODES] = {0, 2000, 100000};
    struct iothread_config config = {
        .id = "stress",
        .poll = {.policy = &poll_policy_fixed, .max_ns = max_ns[i % MODES]},
        .fdmon = aio_fdmon_name(i / MODES),
    };
    struct error err = {""};
    struct iothread *io;
    int r = iothread_new(&config, &io, &err);

    ck_assert_msg(r == 0, "%s", err.msg);
    return io;
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) < 0 && errno == EINTR) {
    }
}

/* --- a source that is kicked like a virtqueue: a counter, and an eventfd unless suppressed --- */

struct queue {
    struct aio_handler h;
    AioContext *ctx;
    int fd;
    sem_t seen;
    unsigned taken; /* the loop's own */
    bool attached;
    unsigned bad;

    /* shared with the kicking thread */
    unsigned published;
    unsigned wanted; /* the loop wants the eventfd written */
};

static void queue_take(struct queue *q)
{
    unsigned published = load_acquire(&q->published);

    for (; q->taken != published; q->taken++) {
        sem_post(&q->seen);
    }
}

static void queue_ready(void *opaque, int revents)
{
    struct queue *q = opaque;
    uint64_t n;

    while (read(q->fd, &n, sizeof(n)) < 0 && errno == EINTR) {
    }
    q->bad += !q->attached;
    queue_take(q);
}

static bool queue_poll(void *opaque)
{
    struct queue *q = opaque;

    return load_relaxed(&q->published) != q->taken;
}

static void queue_poll_ready(void *opaque)
{
    struct queue *q = opaque;

    q->bad += !q->attached;
    queue_take(q);
}

static void queue_poll_begin(void *opaque)
{
    struct queue *q = opaque;

    store_relaxed(&q->wanted, 0);
}

static void queue_poll_end(void *opaque)
{
    struct queue *q = opaque;

    store_relaxed(&q->wanted, 1);
    full_barrier(); /* pairs with the one in queue_kick() */
}

static const struct aio_handler_ops queue_ops = {
    .ready = queue_ready,
    .poll = queue_poll,
    .poll_ready = queue_poll_ready,
    .poll_begin = queue_poll_begin,
    .poll_end = queue_poll_end,
};

static int queue_attach(void *opaque)
{
    struct queue *q = opaque;

    q->attached = true;
    return aio_handler_add(q->ctx, &q->h, q->fd, POLLIN, &queue_ops, q, "queue", NULL);
}

static int queue_detach(void *opaque)
{
    struct queue *q = opaque;

    aio_handler_remove(&q->h);
    q->attached = false;
    return q->bad;
}

static void queue_init(struct queue *q, struct iothread *io)
{
    *q = (struct queue){.ctx = iothread_ctx(io), .wanted = 1};
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_ge(q->fd, 0);
    sem_init(&q->seen, 0, 0);
}

static void queue_destroy(struct queue *q)
{
    close(q->fd);
    sem_destroy(&q->seen);
}

static void queue_kick(struct queue *q)
{
    uint64_t one = 1;

    store_release(&q->published, q->published + 1);
    full_barrier(); /* pairs with the one in queue_poll_end() */
    if (load_relaxed(&q->wanted)) {
        ck_assert_int_eq(write(q->fd, &one, sizeof(one)), sizeof(one));
    }
}

/* --- the threads --- */

struct worker {
    pthread_t thread;
    struct iothread *io;
    uint64_t seed;
    unsigned operations;
    unsigned failed;
    /* of the operation that is under way */
    sem_t ran;
    unsigned written, seen;
    struct aio_bh bh;
    struct aio_timer timer;
    struct queue queue;
};

static void worker_effect(void *opaque)
{
    struct worker *w = opaque;

    w->seen = w->written;
    sem_post(&w->ran);
}

static void run_workers(int i, unsigned operations, void *(*fn)(void *opaque))
{
    struct iothread *io = start(i);
    struct worker *w = calloc(THREADS, sizeof(*w));

    for (unsigned t = 0; t < THREADS; t++) {
        w[t].io = io;
        w[t].seed = 0x9e3779b97f4a7c15 * (t + 1) + i;
        w[t].operations = operations;
        sem_init(&w[t].ran, 0, 0);
        ck_assert_int_eq(pthread_create(&w[t].thread, NULL, fn, &w[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(w[t].thread, NULL);
        ck_assert_msg(w[t].failed == 0, "thread %u, of test %d: %u failed", t, i, w[t].failed);
        sem_destroy(&w[t].ran);
    }
    free(w);
    iothread_free(io);
}

static void *schedule_and_wait(void *opaque)
{
    struct worker *w = opaque;

    aio_bh_init(iothread_ctx(w->io), &w->bh, worker_effect, w);
    for (unsigned i = 1; i <= w->operations; i++) {
        w->written = i;
        aio_bh_schedule(&w->bh);
        wait_for(&w->ran);
        w->failed += w->seen != i;
        if (random_below(&w->seed, 8) == 0) {
            sched_yield();
        }
    }
    return NULL;
}

START_TEST(a_bottom_half_is_never_lost)
{
    run_workers(_i, 1200, schedule_and_wait);
}
END_TEST

static struct aio_bh shared_bh;
static unsigned shared_requests, shared_seen;

static void see_shared(void *opaque)
{
    store_release(&shared_seen, load_relaxed(&shared_requests));
}

/* All threads schedule the same one: whoever finds it scheduled relies on the run to come. */
static void *schedule_the_same(void *opaque)
{
    struct worker *w = opaque;

    for (unsigned i = 0; i < w->operations; i++) {
        unsigned mine = __atomic_add_fetch(&shared_requests, 1, __ATOMIC_RELAXED);

        aio_bh_schedule(&shared_bh);
        while ((int)(load_acquire(&shared_seen) - mine) < 0) {
            sched_yield();
        }
    }
    return NULL;
}

static int init_shared_bh(void *opaque)
{
    aio_bh_init(opaque, &shared_bh, see_shared, NULL);
    return 0;
}

START_TEST(one_bottom_half_of_many_threads_sees_what_each_wrote)
{
    struct iothread *io = start(_i);
    struct worker w[THREADS] = {0};

    iothread_call(io, init_shared_bh, iothread_ctx(io));
    for (unsigned t = 0; t < THREADS; t++) {
        w[t].operations = 1000;
        ck_assert_int_eq(pthread_create(&w[t].thread, NULL, schedule_the_same, &w[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(w[t].thread, NULL);
    }
    iothread_free(io);
}
END_TEST

static int add_one(void *opaque)
{
    return ++*(int *)opaque;
}

static void *call_in(void *opaque)
{
    struct worker *w = opaque;
    int n = 0;

    for (unsigned i = 1; i <= w->operations; i++) {
        w->failed += iothread_call(w->io, add_one, &n) != (int)i;
    }
    return NULL;
}

START_TEST(calls_from_many_threads_each_run_once_and_return)
{
    run_workers(_i, 1200, call_in);
}
END_TEST

static int arm_timer(void *opaque)
{
    struct worker *w = opaque;
    AioContext *ctx = iothread_ctx(w->io);

    aio_timer_init(ctx, &w->timer, worker_effect, w);
    aio_timer_arm(&w->timer, aio_now(ctx) + random_below(&w->seed, 40000));
    return 0;
}

static int cancel_timer(void *opaque)
{
    struct worker *w = opaque;

    aio_timer_cancel(&w->timer);
    return 0;
}

static void change_parameters(struct worker *w)
{
    static const struct poll_policy_ops *const policies[] = {
        &poll_policy_block,
        &poll_policy_fixed,
        &poll_policy_grow_shrink,
        &poll_policy_weighted,
    };
    struct poll_params params = {
        .policy = policies[random_below(&w->seed, 4)],
        .max_ns = random_below(&w->seed, 3) * 10000,
    };

    w->failed += aio_set_poll_params(iothread_ctx(w->io), &params) != 0;
}

static void kick_and_wait(struct worker *w)
{
    for (unsigned kicks = random_below(&w->seed, 8); kicks; kicks--) {
        unsigned batch = 1 + random_below(&w->seed, 3);

        for (unsigned k = 0; k < batch; k++) {
            queue_kick(&w->queue);
        }
        for (unsigned k = 0; k < batch; k++) {
            wait_for(&w->queue.seen);
        }
    }
}

static void *do_anything(void *opaque)
{
    struct worker *w = opaque;
    struct aio_stats stats;
    bool attached = false;

    queue_init(&w->queue, w->io);
    aio_bh_init(iothread_ctx(w->io), &w->bh, worker_effect, w);
    for (unsigned i = 1; i <= w->operations; i++) {
        switch (random_below(&w->seed, 6)) {
        case 0:
            attached = !attached;
            w->failed += iothread_call(w->io, attached ? queue_attach : queue_detach, &w->queue);
            break;
        case 1:
        case 2:
            if (attached) {
                kick_and_wait(w);
            }
            break;
        case 3:
            iothread_call(w->io, arm_timer, w);
            if (random_below(&w->seed, 2)) {
                wait_for(&w->ran);
            } else {
                iothread_call(w->io, cancel_timer, w);
                while (sem_trywait(&w->ran) == 0) { /* it may have run before */
                }
            }
            break;
        case 4:
            aio_bh_schedule(&w->bh);
            wait_for(&w->ran);
            break;
        case 5:
            change_parameters(w);
            aio_get_stats(iothread_ctx(w->io), &stats);
            w->failed += stats.turns == 0 && i > 100;
            break;
        }
    }
    if (attached) {
        w->failed += iothread_call(w->io, queue_detach, &w->queue);
    }
    queue_destroy(&w->queue);
    return NULL;
}

START_TEST(handlers_timers_and_parameters_come_and_go_and_no_event_is_lost)
{
    run_workers(_i, 1000, do_anything);
}
END_TEST

/* --- a descriptor that fires while its handler is removed --- */

struct flood {
    pthread_t thread;
    int fd;
};

/* Writes until the other side has closed. */
static void *write_until_closed(void *opaque)
{
    struct flood *f = opaque;

    while (send(f->fd, "x", 1, MSG_NOSIGNAL) > 0) {
    }
    return NULL;
}

struct victim {
    struct aio_handler h;
    AioContext *ctx;
    int fd;
    unsigned fired, after;
    bool gone;
    sem_t once;
};

static void victim_ready(void *opaque, int revents)
{
    struct victim *v = opaque;
    char buf[256];

    v->after += v->gone;
    while (recv(v->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
    }
    if (!v->fired++) {
        sem_post(&v->once);
    }
}

static int victim_attach(void *opaque)
{
    static const struct aio_handler_ops ops = {.ready = victim_ready};
    struct victim *v = opaque;

    return aio_handler_add(v->ctx, &v->h, v->fd, POLLIN, &ops, v, "victim", NULL);
}

static int victim_remove_and_close(void *opaque)
{
    struct victim *v = opaque;

    aio_handler_remove(&v->h);
    v->gone = true;
    close(v->fd);
    return 0;
}

START_TEST(a_descriptor_that_fires_while_it_is_removed_is_let_go)
{
    struct iothread *io = start(_i * MODES);

    for (unsigned i = 0; i < 150; i++) {
        struct victim v = {.ctx = iothread_ctx(io)};
        struct flood f;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        v.fd = fds[0];
        f.fd = fds[1];
        sem_init(&v.once, 0, 0);
        ck_assert_int_eq(pthread_create(&f.thread, NULL, write_until_closed, &f), 0);
        ck_assert_int_eq(iothread_call(io, victim_attach, &v), 0);
        wait_for(&v.once);
        iothread_call(io, victim_remove_and_close, &v);
        pthread_join(f.thread, NULL); /* hangs if somebody still holds the descriptor */
        ck_assert_uint_eq(v.after, 0);
        close(fds[1]);
        sem_destroy(&v.once);
    }
    iothread_free(io);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stress");
    TCase *t = tcase_create("stress");
    int n = MODES * monitor_count();

    tcase_add_loop_test(t, a_bottom_half_is_never_lost, 0, n);
    tcase_add_loop_test(t, one_bottom_half_of_many_threads_sees_what_each_wrote, 0, n);
    tcase_add_loop_test(t, calls_from_many_threads_each_run_once_and_return, 0, n);
    tcase_add_loop_test(t, handlers_timers_and_parameters_come_and_go_and_no_event_is_lost, 0, n);
    tcase_add_loop_test(t, a_descriptor_that_fires_while_it_is_removed_is_let_go, 0,
                        monitor_count());
    suite_add_tcase(s, t);

    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * The cost of a wake-up. A thread sends the time to an I/O thread, through memory that can be
 * polled and through an eventfd; the I/O thread computes the delay. The cost is the difference of
 * the medians of an I/O thread that blocks and one that polls.
 *
 * The threads run on different CPUs, as a guest and its I/O thread do: else the scheduler would put
 * the woken thread on the CPU of the sender, which is awake.
 */
#include "bench/advise/wake-cost.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "cli/median.h"
#include "iothread/iothread.h"

#define SENDS 15
/* Between two, so that the thread has gone to sleep: as long as a fast disk takes. */
#define PAUSE_NS 100000
/* It polls for longer than that. */
#define POLL_NS 10000000

struct wake {
    struct aio_handler handler;
    AioContext *ctx;
    int fd;
    cpu_set_t cpus;   /* for the I/O thread; empty: any */
    uint64_t sent_ns; /* 0: received */
    double after_ns;
    sem_t received;
};

static void receive(struct wake *w)
{
    uint64_t sent = load_acquire(&w->sent_ns);

    if (sent) {
        w->after_ns = (double)(aio_now(w->ctx) - sent);
        store_relaxed(&w->sent_ns, 0);
        sem_post(&w->received);
    }
}

/* If the eventfd is written after the thread has seen the memory, it wakes the thread again. */
static void clear(struct wake *w)
{
    uint64_t value;

    while (read(w->fd, &value, sizeof(value)) < 0 && errno == EINTR) {
    }
}

static void wake_ready(void *opaque, int revents)
{
    clear(opaque);
    receive(opaque);
}

static bool wake_poll(void *opaque)
{
    const struct wake *w = opaque;

    return load_relaxed(&w->sent_ns);
}

static void wake_poll_ready(void *opaque)
{
    receive(opaque);
    clear(opaque);
}

static void wake_poll_end(void *opaque)
{
    full_barrier();
}

static const struct aio_handler_ops wake_ops = {
    .ready = wake_ready,
    .poll = wake_poll,
    .poll_ready = wake_poll_ready,
    .poll_end = wake_poll_end,
};

static int watch(void *opaque)
{
    struct wake *w = opaque;

    if (CPU_COUNT(&w->cpus) > 0) {
        sched_setaffinity(0, sizeof(w->cpus), &w->cpus);
    }
    return aio_handler_add(w->ctx, &w->handler, w->fd, POLLIN, &wake_ops, w, "wake", NULL);
}

static int unwatch(void *opaque)
{
    struct wake *w = opaque;

    aio_handler_remove(&w->handler);
    return 0;
}

static double send_one(struct wake *w)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    const uint64_t one = 1;

    nanosleep(&pause, NULL);
    store_release(&w->sent_ns, clock_ns(CLOCK_MONOTONIC));
    while (write(w->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    while (sem_wait(&w->received) < 0 && errno == EINTR) {
    }
    return w->after_ns;
}

static int measure(struct wake *w, const struct poll_policy_ops *policy, double *ns,
                   struct error *err)
{
    struct iothread_config config = {.id = "advise"};
    double after[SENDS];
    struct iothread *io;
    int ret;

    poll_params_default(&config.poll);
    config.poll.policy = policy;
    config.poll.max_ns = POLL_NS;
    ret = iothread_new(&config, &io, err);
    if (ret < 0) {
        return ret;
    }
    w->ctx = iothread_ctx(io);
    ret = iothread_call(io, watch, w);
    if (ret == 0) {
        send_one(w); /* a thread's first wake-up is no measure */
        for (unsigned i = 0; i < SENDS; i++) {
            after[i] = send_one(w);
        }
        *ns = median(after, SENDS);
        iothread_call(io, unwatch, w);
    } else {
        error_set(err, ret, "cannot watch an eventfd: %s", strerror(-ret));
    }
    iothread_free(io);
    return ret;
}

/* The caller stays where it is, the I/O thread goes elsewhere. @all: where the caller may be. */
static void use_two_cpus(struct wake *w, cpu_set_t *all)
{
    int here = sched_getcpu();
    cpu_set_t mine;

    CPU_ZERO(&w->cpus);
    CPU_ZERO(all);
    if (here < 0 || sched_getaffinity(0, sizeof(*all), all) < 0 || CPU_COUNT(all) < 2) {
        return;
    }
    w->cpus = *all;
    CPU_CLR(here, &w->cpus);
    CPU_ZERO(&mine);
    CPU_SET(here, &mine);
    sched_setaffinity(0, sizeof(mine), &mine);
}

int advise_wake(double *ns, struct error *err)
{
    struct wake w = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    cpu_set_t all;
    double blocked, polled;
    int ret;

    if (w.fd < 0) {
        return error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
    }
    sem_init(&w.received, 0, 0);
    use_two_cpus(&w, &all);
    ret = measure(&w, &poll_policy_block, &blocked, err);
    if (ret == 0) {
        ret = measure(&w, &poll_policy_fixed, &polled, err);
    }
    if (ret == 0) {
        *ns = blocked - polled;
    }
    if (CPU_COUNT(&w.cpus) > 0) {
        sched_setaffinity(0, sizeof(all), &all);
    }
    sem_destroy(&w.received);
    close(w.fd);
    return ret;
}

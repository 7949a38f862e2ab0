// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/thread-mask.h"
#include "cli/ending.h"

#define SECOND_NS  UINT64_C(1000000000)
#define REPEAT_NS  SECOND_NS /* between two requests that are one */
#define ANSWER_NS  SECOND_NS /* for the disks and threads, from the first request on */
#define RECHECK_NS (SECOND_NS / 10)

/* Of the process, as its signals are: CLOCK_MONOTONIC of the first request, or 0. */
static _Atomic uint64_t first_ns;

static uint64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

bool ending_repeats(uint64_t first, uint64_t now_ns)
{
    return first && now_ns - first < REPEAT_NS;
}

void ending_request(void)
{
    uint64_t none = 0;

    atomic_compare_exchange_strong(&first_ns, &none, now());
}

static void requested(int sig)
{
    uint64_t first = atomic_load(&first_ns);
    int saved = errno;

    if (!first) {
        ending_request();
    } else if (!ending_repeats(first, now())) {
        signal(sig, SIG_DFL);
        raise(sig); /* pending until the handler returns */
    }
    errno = saved;
}

void ending_take_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction sa = {.sa_handler = requested, .sa_flags = SA_RESTART}, old;

    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &sa, &old);
        if (old.sa_handler == SIG_IGN) {
            sigaction(signals[i], &old, NULL);
        }
    }
}

struct closing {
    void (*close)(void *opaque);
    void *opaque;
    sem_t closed;
};

static void *closer(void *opaque)
{
    struct closing *c = opaque;

    c->close(c->opaque);
    sem_post(&c->closed);
    return NULL;
}

static bool wait_for(sem_t *closed)
{
    for (;;) {
        uint64_t until = now() + RECHECK_NS, first = atomic_load(&first_ns);
        struct timespec deadline;

        if (first) {
            until = first + ANSWER_NS;
        }
        deadline = (struct timespec){.tv_sec = (time_t)(until / SECOND_NS),
                                     .tv_nsec = (long)(until % SECOND_NS)};
        if (sem_clockwait(closed, CLOCK_MONOTONIC, &deadline) == 0) {
            return true;
        }
        if (errno == ETIMEDOUT && first) {
            return false;
        }
    }
}

bool ending_close(void (*close)(void *opaque), void *opaque)
{
    static struct closing c; /* the thread may outlive this call */
    pthread_t thread;
    sigset_t mask;
    int num;

    c = (struct closing){.close = close, .opaque = opaque};
    sem_init(&c.closed, 0, 0);
    thread_mask_enter(&mask);
    num = pthread_create(&thread, NULL, closer, &c);
    thread_mask_leave(&mask);
    if (num) {
        close(opaque);
        return true;
    }
    if (!wait_for(&c.closed)) {
        return false;
    }
    pthread_join(thread, NULL);
    sem_destroy(&c.closed);
    return true;
}

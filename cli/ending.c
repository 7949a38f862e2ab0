// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

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

bool ending_wait(sem_t *closed)
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

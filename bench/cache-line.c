// SPDX-License-Identifier: MIT
/* Two threads on two CPUs pass a cache line to each other; the time of a round trip. */
#include "bench/cache-line.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "cli/median.h"

#define SAMPLES 200
#define TRIPS   200 /* of a sample */

struct line {
    unsigned value __attribute__((aligned(128))); /* alone, also for a prefetch of two lines */
    bool stop __attribute__((aligned(128)));
};

/* Odd values are for the other side, even ones are its answers. */
static void *answer(void *opaque)
{
    struct line *line = opaque;
    unsigned value = 1;

    while (!load_relaxed(&line->stop)) {
        if (load_acquire(&line->value) == value) {
            store_release(&line->value, value + 1);
            value += 2;
        }
    }
    return NULL;
}

struct asker {
    struct line *line;
    double samples[SAMPLES]; /* ns of a trip */
};

static void *ask(void *opaque)
{
    struct asker *asker = opaque;
    struct line *line = asker->line;
    unsigned value = 1;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t begin = clock_ns(CLOCK_MONOTONIC);

        for (unsigned n = 0; n < TRIPS; n++, value += 2) {
            store_release(&line->value, value);
            while (load_acquire(&line->value) != value + 1) {
            }
        }
        asker->samples[i] = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / TRIPS;
    }
    return NULL;
}

static int start_on(int cpu, void *(*fn)(void *), void *opaque, pthread_t *thread)
{
    pthread_attr_t attr;
    cpu_set_t set;
    int ret;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ret = pthread_attr_init(&attr);
    if (ret) {
        return -ret;
    }
    ret = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
    if (ret == 0) {
        ret = pthread_create(thread, &attr, fn, opaque);
    }
    pthread_attr_destroy(&attr);
    return -ret;
}

static int first_two(int cpu[2])
{
    unsigned n = 0;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0) {
        return -errno;
    }
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
        if (CPU_ISSET(i, &set)) {
            cpu[n++] = i;
        }
    }
    return n == 2 ? 0 : -ENODEV;
}

int cache_line_trip(struct cache_line_trip *out)
{
    struct line line = {.value = 0};
    struct asker asker = {.line = &line};
    pthread_t here, there;
    int ret = first_two(out->cpu);

    if (ret == 0) {
        ret = start_on(out->cpu[1], answer, &line, &there);
    }
    if (ret < 0) {
        return ret;
    }
    ret = start_on(out->cpu[0], ask, &asker, &here);
    if (ret == 0) {
        pthread_join(here, NULL);
        out->ns = median(asker.samples, SAMPLES);
    }
    store_relaxed(&line.stop, true);
    pthread_join(there, NULL);
    return ret;
}

// SPDX-License-Identifier: MIT
/*
 * Measures an I/O thread and its block device without a VM: a driver in plain memory keeps some
 * requests in flight, and either polls its ring or waits for an eventfd, as a guest does that
 * halts until the interrupt. Busy threads beside it can take the CPUs.
 *
 *     build/tests/perf/device --engine linux-aio --file /dev/shm/disk --load 2 block cost fixed
 *
 * The modes are measured in turn, so that a change of the machine meets all of them. A figure is the
 * median of the turns; a ratio is that of the pairs, with its interval.
 */
#include <check.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio/loop-clock.h"
#include "base/histogram.h"
#include "cli/median.h"
#include "iothread/iothread.h"
#include "tests/unit/blk-rig.h"

#define MODES_MAX 8
#define TURNS_MAX 101
#define DEPTH_MAX 128
#define RING_SIZE 256
#define LOADS_MAX 64

static struct {
    const char *engine, *file;
    unsigned depth, turns, load;
    double seconds;
    uint64_t delay_ns;
    bool interrupts, pin;
} options = {.engine = "null", .depth = 1, .turns = 7, .seconds = 0.5};

struct mode {
    const char *name;
    const struct poll_policy_ops *policy;
    bool no_contention;
    double iops[TURNS_MAX], p99_us[TURNS_MAX], cpu[TURNS_MAX];
};

static const char usage[] =
    "usage: device [OPTION]... MODE...\n"
    "  MODE                  a poll policy, or POLICY-off: without poll-contention\n"
    "  --engine NAME         default null\n"
    "  --file FILE           for other engines\n"
    "  --direct              with O_DIRECT\n"
    "  --delay-us N          engine null: time of a request\n"
    "  --depth N             requests in flight, default 1\n"
    "  --interrupts          the driver waits for interrupts instead of polling its ring\n"
    "  --load N              busy threads beside it\n"
    "  --pin                 the driver on CPU 0, the I/O thread on CPU 1, busy thread I on CPU I\n"
    "  --turns N             default 7\n"
    "  --seconds S           of a measurement, default 0.5\n";

/* What the assertions of blk-rig.c and fake-driver.c call; Check's own work in a test only. */
void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    (void)msg;
    errx(1, "%s:%d: %s", file, line, expr);
}

/* Thread @i runs on CPU @i, if there are so many, and with --pin. */
static void pin(unsigned i)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(i % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
    if (options.pin && sched_setaffinity(0, sizeof(cpus), &cpus) < 0) {
        err(1, "sched_setaffinity");
    }
}

static void *busy_thread(void *opaque)
{
    pin((unsigned)(uintptr_t)opaque);
    for (;;) {
        compiler_barrier();
    }
    return opaque;
}

static const struct engine_ops *find_engine(const char *name)
{
    for (unsigned i = 0; engine_at(i); i++) {
        if (!strcmp(engine_at(i)->name, name)) {
            return engine_at(i);
        }
    }
    errx(2, "no engine is named '%s'", name);
}

static void parse_mode(struct mode *m, const char *name)
{
    size_t len = strlen(name);

    m->name = name;
    m->no_contention = len > 4 && !strcmp(name + len - 4, "-off");
    len -= m->no_contention ? 4 : 0;
    for (unsigned i = 0; poll_policy_at(i); i++) {
        const char *policy = poll_policy_at(i)->name;

        if (strlen(policy) == len && !strncmp(policy, name, len)) {
            m->policy = poll_policy_at(i);
            return;
        }
    }
    errx(2, "no poll policy is named '%.*s'", (int)len, name);
}

/* Offers @n of the chains again. */
static void offer(struct fake_driver *d, const uint16_t *heads, unsigned n)
{
    uint16_t old = d->avail_idx;
    uint64_t one = 1;

    for (unsigned i = 0; i < n; i++) {
        d->avail->ring[d->avail_idx++ % d->size] = heads[i];
    }
    store_release(&d->avail->idx, d->avail_idx);
    if (fake_driver_wants_kick(d, old) && write(d->kick_fd, &one, sizeof(one)) < 0) {
        err(1, "kick");
    }
}

static void wait_for_interrupt(struct fake_driver *d)
{
    struct pollfd pfd = {.fd = d->call_fd, .events = POLLIN};

    fake_driver_want_interrupts(d, true);
    full_barrier(); /* between asking for an interrupt and the last look at used->idx */
    if (fake_driver_used_idx(d) == d->reaped) {
        if (poll(&pfd, 1, -1) < 0) {
            err(1, "poll");
        }
        fake_driver_interrupts(d);
    }
}

static double percentile_us(const uint64_t *n, uint64_t total, double part)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        sum += n[i];
        if ((double)sum >= part * (double)total) {
            return (double)hist_edge(i) / 1000;
        }
    }
    return (double)hist_edge(HIST_BUCKETS - 1) / 1000;
}

/* Keeps options.depth requests in flight until the time is over. */
static void drive(struct blk_rig *rig, struct mode *m, unsigned turn)
{
    static uint64_t times[HIST_BUCKETS], offered[RING_SIZE * 4];
    struct fake_driver *d = &rig->drv[0];
    uint16_t heads[DEPTH_MAX] = {0};
    uint64_t start, end, now, cpu, done = 0;

    memset(times, 0, sizeof(times));
    for (unsigned i = 0; i < options.depth; i++) {
        heads[i] = fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN, .sector = i * 8ull), IN(4096),
                                     STATUS());
    }
    fake_driver_want_interrupts(d, false);
    cpu = iothread_cpu_ns(rig->iothreads[0]);
    start = now = aio_clock_monotonic();
    end = start + (uint64_t)(options.seconds * 1e9);
    for (unsigned i = 0; i < options.depth; i++) {
        offered[heads[i]] = now;
    }
    offer(d, heads, options.depth);
    while (now < end) {
        uint16_t used = fake_driver_used_idx(d);
        unsigned n = 0;

        if (used == d->reaped) {
            if (options.interrupts) {
                wait_for_interrupt(d);
            } else {
                cpu_relax();
            }
            continue;
        }
        now = aio_clock_monotonic();
        while (d->reaped != used) {
            uint16_t head = (uint16_t)d->used->ring[d->reaped++ % d->size].id;

            times[hist_bucket(now - offered[head])]++;
            offered[head] = now;
            heads[n++] = head;
        }
        done += n;
        offer(d, heads, n);
    }
    m->iops[turn] = (double)done * 1e9 / (double)(now - start);
    m->p99_us[turn] = percentile_us(times, done, 0.99);
    m->cpu[turn] = (double)(iothread_cpu_ns(rig->iothreads[0]) - cpu) * 100 / (double)(now - start);
}

static void measure(struct mode *m, unsigned turn, const struct image *image)
{
    struct blk_rig_options o = {
        .engine = find_engine(options.engine),
        .image = *image,
        .queue_size = RING_SIZE,
        .policy = m->policy,
        .delay_ns = options.delay_ns,
        .contention = !m->no_contention,
        .event_idx = true,
    };
    static struct blk_rig rig;

    pin(1); /* the I/O thread and its workers inherit this */
    blk_rig_init(&rig, &o);
    pin(0);
    blk_rig_go_live(&rig);
    drive(&rig, m, turn);
    blk_rig_destroy(&rig);
}

static void report(struct mode *modes, unsigned nr)
{
    double ratios[TURNS_MAX], p99s[TURNS_MAX];

    printf("%-16s %10s %9s %6s  %s\n", "mode", "IOPS", "p99 us", "CPU %",
           "IOPS and p99 to the first");
    for (unsigned i = 0; i < nr; i++) {
        struct mode *m = &modes[i];
        struct interval iops, p99;

        for (unsigned t = 0; t < options.turns; t++) {
            ratios[t] = m->iops[t] / modes[0].iops[t];
            p99s[t] = m->p99_us[t] / modes[0].p99_us[t];
        }
        median_interval(ratios, options.turns, &iops);
        median_interval(p99s, options.turns, &p99);
        printf("%-16s", m->name);
        for (unsigned t = 0; t < options.turns; t++) {
            ratios[t] = m->iops[t];
            p99s[t] = m->p99_us[t];
        }
        printf(" %10.0f %9.1f", median(ratios, options.turns), median(p99s, options.turns));
        for (unsigned t = 0; t < options.turns; t++) {
            ratios[t] = m->cpu[t];
        }
        printf(" %6.1f  %.2f (%.2f-%.2f)  %.2f (%.2f-%.2f)\n", median(ratios, options.turns),
               iops.median, iops.low, iops.high, p99.median, p99.low, p99.high);
    }
}

static unsigned number(const char *text, unsigned min, unsigned max, const char *name)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (!*text || *end || n < min || n > max) {
        errx(2, "%s takes a number from %u to %u, not '%s'", name, min, max, text);
    }
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    enum { ENGINE = 1, PATH, DIRECT, DELAY, DEPTH, INTERRUPTS, LOAD, PIN, TURNS, SECONDS };
    static const struct option longs[] = {
        {"engine", required_argument, NULL, ENGINE},
        {"file", required_argument, NULL, PATH},
        {"direct", no_argument, NULL, DIRECT},
        {"delay-us", required_argument, NULL, DELAY},
        {"depth", required_argument, NULL, DEPTH},
        {"interrupts", no_argument, NULL, INTERRUPTS},
        {"load", required_argument, NULL, LOAD},
        {"pin", no_argument, NULL, PIN},
        {"turns", required_argument, NULL, TURNS},
        {"seconds", required_argument, NULL, SECONDS},
        {NULL, 0, NULL, 0},
    };
    static struct mode modes[MODES_MAX];
    struct image image = {.fd = -1, .size = 1 << 30, .align = 1};
    struct image_config config = {0};
    struct error error = {""};
    pthread_t thread;
    unsigned nr = 0;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
        switch (c) {
        case ENGINE:
            options.engine = optarg;
            break;
        case PATH:
            config.path = optarg;
            break;
        case DIRECT:
            config.direct = true;
            break;
        case DELAY:
            options.delay_ns = number(optarg, 0, 1000000, "--delay-us") * 1000ull;
            break;
        case DEPTH:
            options.depth =
                number(optarg, 1, RING_SIZE / 4 < DEPTH_MAX ? RING_SIZE / 4 : DEPTH_MAX, "--depth");
            break;
        case INTERRUPTS:
            options.interrupts = true;
            break;
        case LOAD:
            options.load = number(optarg, 0, LOADS_MAX, "--load");
            break;
        case PIN:
            options.pin = true;
            break;
        case TURNS:
            options.turns = number(optarg, 1, TURNS_MAX, "--turns");
            break;
        case SECONDS:
            options.seconds = atof(optarg);
            break;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    for (; optind < argc && nr < MODES_MAX; optind++) {
        parse_mode(&modes[nr++], argv[optind]);
    }
    if (!nr || !(options.seconds > 0)) {
        fputs(usage, stderr);
        return 2;
    }
    if (config.path && image_open(&image, &config, &error) < 0) {
        errx(1, "%s", error.msg);
    }
    for (unsigned i = 0; i < options.load; i++) {
        errno = pthread_create(&thread, NULL, busy_thread, (void *)(uintptr_t)i);
        if (errno) {
            err(1, "cannot start a busy thread");
        }
    }
    for (unsigned turn = 0; turn < options.turns; turn++) {
        for (unsigned i = 0; i < nr; i++) {
            measure(&modes[i], turn, &image);
        }
    }
    report(modes, nr);
    image_close(&image);
    return 0;
}

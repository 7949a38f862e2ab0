// SPDX-License-Identifier: MIT
/* Options of pollux bench: the table, the defaults, and the checks. */
#include "bench/bench-options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/choices.h"
#include "cli/trace-file.h"
#include "engine/engine.h"
#include "guest-images/bench/bench-guest.h"

static const char *order_name(unsigned i)
{
    static const char *const names[] = {"random", "seq", NULL};

    return names[i];
}

static const char *guest_name(unsigned i)
{
    static const char *const names[] = {"built-in", "linux", NULL};

    return names[i];
}

const char *bench_cache_name(unsigned i)
{
    static const char *const names[] = {"none", "writeback", NULL};

    return names[i];
}

static const char *wait_name(unsigned i)
{
    static const char *const names[] = {"poll", "irq", NULL};

    return names[i];
}

static const char *ring_name(unsigned i)
{
    static const char *const names[] = {"split", "packed", NULL};

    return names[i];
}

/* Tables of one key each: an option that takes one value, or a list. */
#define KEY(key, ...)                                                                              \
    (const struct option_key[])                                                                    \
    {                                                                                              \
        {.name = key, __VA_ARGS__}, {.name = NULL},                                                \
    }
#define AT(member) .offset = offsetof(struct bench_config, member)

const struct option bench_options[] = {
    {.name = "depth",
     .help = "requests in flight in each queue; default 1,32",
     .plain = true,
     .keys = KEY("depth", .kind = OPTION_NUMBER, .list = true, .metavar = "N", .min = 1,
                 .max = BENCH_MAX_DEPTH, AT(depths))},
    {.name = "pause",
     .help =
         "the guest waits so long before each request; default 0. Always the same TIME, or\n"
         "                              - exp:MEAN: exponentially distributed\n"
         "                              - bimodal:SHORT:LONG:PERCENT: so many percent are SHORT\n"
         "                              - on-off:ON:OFF: no pause for ON, then one of OFF",
     .plain = true,
     .keys = KEY("pause", .list = true, .metavar = "PAUSE", .min = 1, AT(pauses))},
    {.name = "policy",
     .help = "how the I/O thread waits; default block,grow-shrink,cost",
     .more = "Each policy but block runs with each cap of --poll-max-ns.",
     .plain = true,
     .keys = KEY("policy", .kind = OPTION_CHOICE, .list = true, .metavar = "POLICY",
                 .choice = choice_policy, .about = choice_policy_about, AT(policies))},
    {.name = "poll-max-ns",
     .help = "longest time to poll; default 200000 for cost, 32768 for the others, as in QEMU",
     .plain = true,
     .keys = KEY("poll-max-ns", .kind = OPTION_TIME, .list = true, .metavar = "NS", .min = 1,
                 .max = 1000000000, AT(max_ns))},
    {.name = "poll-contention",
     .help = "on a busy host, trials choose between polling and blocking; default on",
     .plain = true,
     .keys = KEY("poll-contention", .kind = OPTION_SWITCH, .metavar = "on|off", AT(contention))},
    {.name = "idle-handlers",
     .help = "so many more sources in the I/O thread that are never busy; default 0",
     .plain = true,
     .keys = KEY("idle-handlers", .kind = OPTION_NUMBER, .list = true, .metavar = "N",
                 .max = BENCH_IDLE_MAX, AT(idle))},
    {.name = "engine",
     .help = "default null,linux-aio; null has one row, mmap a file in memory, the others one on "
             "disk too",
     .plain = true,
     .keys = KEY("engine", .kind = OPTION_CHOICE, .list = true, .metavar = "ENGINE",
                 .choice = choice_engine, .about = choice_engine_about, AT(engines))},
    {.name = "disk",
     .help = "measure this image or block device instead of scratch files",
     .more =
         "It is only read; writing wants --overwrite. nbd=URI and rbd=POOL/IMAGE name a disk on a "
         "server, as the keys of pollux run do; --engine does not apply to it.",
     .plain = true,
     .keys = KEY("disk", .metavar = "FILE", .min = 1, AT(disk))},
    {.name = "overwrite",
     .help = "let --rw write to --disk; what is on it is lost",
     .offset = offsetof(struct bench_config, overwrite)},
    {.name = "file",
     .help = "directory of the scratch file on disk; default the current one",
     .more = "The scratch file has no name and vanishes with the process.",
     .plain = true,
     .keys = KEY("file", .metavar = "DIR", .min = 1, AT(dir))},
    {.name = "size",
     .help = "of a scratch file; default 256M",
     .more = "There is one on disk and one in memory.",
     .plain = true,
     .keys = KEY("size", .kind = OPTION_SIZE, .metavar = "SIZE", .min = BENCH_MAX_BS,
                 .max = 1ull << 50, AT(size))},
    {.name = "bs",
     .help = "bytes of a request; default 4096",
     .plain = true,
     .keys = KEY("bs", .kind = OPTION_SIZE, .list = true, .metavar = "SIZE", .min = BENCH_MIN_BS,
                 .max = BENCH_MAX_BS, AT(block_sizes))},
    {.name = "rw",
     .help = "read, write, or mixed:P with P percent reads; default read",
     .plain = true,
     .keys = KEY("rw", .metavar = "read|write|mixed:P", .min = 1, AT(rw))},
    {.name = "fsync",
     .help = "a flush after every N writes of a queue; default none",
     .plain = true,
     .keys = KEY("fsync", .kind = OPTION_NUMBER, .metavar = "N", .min = 1, .max = UINT32_MAX,
                 AT(fsync))},
    {.name = "disks",
     .help = "disks of the guest, all on the same file and I/O thread; default 1",
     .more = "Up to 4.",
     .plain = true,
     .keys = KEY("disks", .kind = OPTION_NUMBER, .metavar = "N", .min = 1, .max = BENCH_MAX_DISKS,
                 AT(disks))},
    {.name = "queues",
     .help = "virtqueues of each disk; default 1",
     .more = "Up to 4.",
     .plain = true,
     .keys = KEY("queues", .kind = OPTION_NUMBER, .metavar = "N", .min = 1, .max = BENCH_MAX_QUEUES,
                 AT(queues))},
    {.name = "order",
     .help = "default random",
     .plain = true,
     .keys =
         KEY("order", .kind = OPTION_CHOICE, .metavar = "ORDER", .choice = order_name, AT(order))},
    {.name = "cache",
     .help = "around the host's page cache (none), or through it; default none",
     .more = "O_DIRECT goes around it, where the file system has that. Scratch files are in "
             "the page cache when a run begins. linux-aio would block on writeback and is "
             "refused.",
     .plain = true,
     .keys = KEY("cache", .kind = OPTION_CHOICE, .metavar = "none|writeback",
                 .choice = bench_cache_name, AT(cache))},
    {.name = "merge",
     .help = "adjacent requests go to the host as one; default on",
     .plain = true,
     .keys = KEY("merge", .kind = OPTION_SWITCH, .metavar = "on|off", AT(merge))},
    {.name = "wait",
     .help = "the guest polls the ring, or waits for interrupts; default poll",
     .plain = true,
     .keys = KEY("wait", .kind = OPTION_CHOICE, .metavar = "WAIT", .choice = wait_name, AT(wait))},
    {.name = "ring",
     .help = "format of the virtqueue, split or packed; default split",
     .plain = true,
     .keys = KEY("ring", .kind = OPTION_CHOICE, .list = true, .metavar = "RING",
                 .choice = ring_name, AT(rings))},
    {.name = "against",
     .help = "run the same guest under QEMU, in turn, with each --poll-max-ns",
     .more = "It runs once for each cap, right after Pollux: a microvm with one virtio-mmio "
             "disk on an iothread, O_DIRECT, and QEMU's engine of the same kind. A second "
             "table gives the ratios of Pollux to the QEMU that was best in the cell, of "
             "those that poll or of those that block, taken within a turn, with the "
             "interval in which the median lies. --idle-handlers are for Pollux only. CPU "
             "pinning with taskset(1) holds for all.",
     .plain = true,
     .keys = KEY("against", .metavar = "qemu[=PATH]", .min = 1, AT(against))},
    {.name = "host",
     .help = "measure what the host can do without a VMM, in turn",
     .more = "The table has the ratios of Pollux to that: the spin device, which is this "
             "guest and a thread that spins on its ring and the kernel's, with no events, "
             "interrupts or checks; fio, if it is installed, and pread(2) on the same file; "
             "and one cache line passed to another CPU and back. No QEMU is needed.",
     .offset = offsetof(struct bench_config, host)},
    {.name = "guest",
     .help = "built-in, or linux: fio in the test Linux guest, see make guest-linux",
     .more = "With linux, each run boots the test Linux guest that make guest-linux makes, "
             "and fio with libaio makes the requests. Latencies are fio's; figures of the "
             "I/O thread are of the time that fio runs; those of the vCPU are left out. It "
             "needs a KVM that boots Linux, and goes with one disk of one queue, without "
             "pauses, --against and --host.",
     .plain = true,
     .keys =
         KEY("guest", .kind = OPTION_CHOICE, .metavar = "GUEST", .choice = guest_name, AT(guest))},
    {.name = "guest-dir",
     .help = "where the test Linux guest is; default build/guest-linux",
     .plain = true,
     .keys = KEY("guest-dir", .metavar = "DIR", .min = 1, .max = 256, AT(guest_dir))},
    {.name = "runs",
     .help = "runs of each cell; default 5, with --against or --host 6",
     .more = "Six are the fewest for an interval of 95 percent.",
     .plain = true,
     .keys = KEY("runs", .kind = OPTION_NUMBER, .metavar = "N", .min = 1, .max = BENCH_RUNS_MAX,
                 AT(runs))},
    {.name = "time",
     .help = "length of a run; a number without a unit is seconds; default 0.8s",
     .plain = true,
     .keys = KEY("time", .kind = OPTION_TIME, .metavar = "TIME", .min = 10000000,
                 .max = 3600000000000, .unit = 1000000000, AT(time_ns))},
    {.name = "trace",
     .help = TRACE_FILE_HELP "; of the first run of each cell",
     .plain = true,
     .keys = KEY("trace", .metavar = "FILE", .min = 1, AT(trace))},
    {.name = "wide",
     .help = "a table with every figure; 120 columns are not enough for it",
     .offset = offsetof(struct bench_config, wide)},
    {.name = "json",
     .help = "print one JSON object with all runs instead of the table",
     .more = "Its form is described in docs/bench-json.md.",
     .offset = offsetof(struct bench_config, json)},
    {.name = "report",
     .help = "make a page with charts as well, DIR/index.html; needs python3",
     .more = "The charts show IOPS against depth, CPU against latency, latency "
             "distributions, and where the time of a request goes.",
     .plain = true,
     .keys = KEY("report", .metavar = "DIR", .min = 1, AT(report))},
    {.name = "compare",
     .help = "measure nothing; tell what differs between two files that --json wrote",
     .more = "They are compared cell by cell. Of IOPS, p99 latency and CPU time per request "
             "the ratio of the medians of the runs is printed, B to A, with an interval in "
             "which it lies with 95 percent; those that differ beyond noise are marked.",
     .plain = true,
     .keys = KEY("compare", .metavar = "A.json B.json", .offset = 0)}, /* see bench.c */
    {.name = NULL},
};

void bench_config_init(struct bench_config *c)
{
    *c = (struct bench_config){
        .depths = {2, {1, 32}},
        .pauses = {1, {(uintptr_t) "0"}},
        .block_sizes = {1, {4096}},
        .disks = 1,
        .queues = 1,
        .policies = {3,
                     {choice_index(choice_policy, "block"),
                      choice_index(choice_policy, "grow-shrink"),
                      choice_index(choice_policy, "cost")}},
        .idle = {1, {0}},
        .rings = {1, {0}},
        .merge = true,
        .contention = true,
        .engines = {2,
                    {choice_index(choice_engine, "null"),
                     choice_index(choice_engine, "linux-aio")}},
        .dir = ".",
        .guest_dir = "build/guest-linux",
        .rw = "read",
        .size = 256 << 20,
        .time_ns = 800000000,
    };
}

static int check_rw(const char *rw, struct error *err)
{
    char *end;

    if (!strcmp(rw, "read") || !strcmp(rw, "write")) {
        return 0;
    }
    if (!strncmp(rw, "mixed:", 6) && rw[6] >= '0' && rw[6] <= '9' &&
        strtoul(rw + 6, &end, 10) <= 100 && !*end) {
        return 0;
    }
    return error_set(err, -EINVAL,
                     "--rw: '%s' is not known; it takes read, write, or mixed:P with P from 0 to "
                     "100",
                     rw);
}

static uint64_t largest(const struct option_list *list)
{
    uint64_t max = 0;

    for (unsigned i = 0; i < list->n; i++) {
        max = list->v[i] > max ? list->v[i] : max;
    }
    return max;
}

int bench_config_check(const struct bench_config *c, struct error *err)
{
    for (unsigned i = 0; i < c->engines.n; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (c->engines.v[i] == c->engines.v[j]) {
                return error_set(err, -EINVAL, "--engine: '%s' is given twice",
                                 choice_engine((unsigned)c->engines.v[i]));
            }
        }
        if (c->cache != BENCH_CACHE_NONE &&
            engine_at((unsigned)c->engines.v[i]) == &engine_linux_aio) {
            return error_set(err, -EINVAL,
                             "--cache: linux-aio would block on %s: give another --engine",
                             bench_cache_name(c->cache));
        }
    }
    if (c->rings.n > 2) {
        return error_set(err, -EINVAL, "--ring: there are only split and packed");
    }
    for (unsigned i = 0; i < c->block_sizes.n; i++) {
        if (c->block_sizes.v[i] % BENCH_MIN_BS) {
            return error_set(err, -EINVAL, "--bs: must be a multiple of %d", BENCH_MIN_BS);
        }
    }
    if (c->size % 4096) {
        return error_set(err, -EINVAL, "--size: must be a multiple of 4K");
    }
    if (c->against && strcmp(c->against, "qemu") != 0 && strncmp(c->against, "qemu=/", 6) != 0 &&
        strncmp(c->against, "qemu=.", 6) != 0) {
        return error_set(err, -EINVAL, "--against: takes qemu, or qemu=PATH with a path");
    }
    if (c->fsync && !strcmp(c->rw, "read")) {
        return error_set(err, -EINVAL, "--fsync needs writes: --rw write or --rw mixed:P");
    }
    if (largest(&c->block_sizes) * largest(&c->depths) * c->disks * c->queues > BENCH_MEMORY_MAX) {
        return error_set(err, -EINVAL,
                         "--bs, --depth, --disks and --queues together would need more than %llu "
                         "MiB for data",
                         BENCH_MEMORY_MAX >> 20);
    }
    return check_rw(c->rw, err);
}

// SPDX-License-Identifier: MIT
/* Machines with disks: the bench guest works on them, and whatever happens, nothing is left. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest-images/bench/bench-guest.h"
#include "kvm/storage.h"
#include "tests/vm/guest.h"

#define MIB          (1ull << 20)
#define FILE_SECTORS 16384
#define BUSY         1000 /* requests after which a disk counts as at work */
#define RESTART      5

static char image_path[] = "/tmp/pollux-disk-XXXXXX";
static char report[65536];
static size_t report_len;

static void console_out(void *opaque, const void *data, size_t len)
{
    if (len > sizeof(report) - 1 - report_len) {
        len = sizeof(report) - 1 - report_len;
    }
    memcpy(report + report_len, data, len);
    report_len += len;
    report[report_len] = '\0';
}

/* Ends the machine when the guest says so; @opaque points to the machine. */
static void control(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
    struct machine **m = opaque;

    if (port == BENCH_PORT_CTL && BENCH_CTL_COMMAND(value) == BENCH_CTL_EXIT) {
        machine_stop(*m, BENCH_CTL_ARGUMENT(value) == BENCH_EXIT_OK ? MACHINE_POWEROFF
                                                                    : MACHINE_STOPPED);
    }
}

struct setup {
    struct machine *m;
    struct machine_config config;
    struct machine_ports ports;
    struct disk_config disks[MACHINE_DISKS_MAX + 1];
    struct iothread_config iothreads[2];
    struct error err;
};

/* Two I/O threads; an in-memory null disk on one, a file on the other. */
static void prepare(struct setup *s, const char *append)
{
    memset(s, 0, sizeof(*s));
    report_len = 0;
    s->ports = (struct machine_ports){
        .first = BENCH_PORT_FIRST, .count = BENCH_PORT_COUNT, .out = control, .opaque = &s->m};
    for (unsigned i = 0; i < 2; i++) {
        poll_params_default(&s->iothreads[i].poll);
    }
    s->iothreads[0].id = "io0";
    s->iothreads[1].id = "io1";
    s->disks[0] = (struct disk_config){
        .name = "null", .image = {.size = 64 * MIB}, .engine = &engine_null, .iothreads = {"io0"}};
    s->disks[1] = (struct disk_config){.name = "file",
                                       .image = {.path = image_path},
                                       .engine = &engine_linux_aio,
                                       .iothreads = {"io1"}};
    s->config = (struct machine_config){
        .cpus = 1,
        .memory = 64 * MIB,
        .kernel_data = bench_guest_start,
        .kernel_size = (size_t)(bench_guest_end - bench_guest_start),
        .append = append,
        .iothreads = s->iothreads,
        .nr_iothreads = 2,
        .disks = s->disks,
        .nr_disks = 2,
        .ports = &s->ports,
        .console_out = console_out,
    };
}

/* The file holds what the guest expects of a disk that it has written. */
static void make_image(void)
{
    FILE *f;
    int fd = mkstemp(image_path);

    ck_assert_int_ge(fd, 0);
    f = fdopen(fd, "w");
    for (uint64_t i = 0; i < FILE_SECTORS; i++) {
        uint64_t sector[SECTOR_SIZE / 8] = {bench_verify_word(i)};

        sector[SECTOR_SIZE / 8 - 1] = ~sector[0];
        ck_assert_uint_eq(fwrite(sector, sizeof(sector), 1, f), 1);
    }
    ck_assert_int_eq(fclose(f), 0);
}

static void remove_image(void)
{
    unlink(image_path);
    strcpy(image_path, "/tmp/pollux-disk-XXXXXX");
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

static void *nothing(void *opaque)
{
    return NULL;
}

struct held {
    unsigned fds, threads;
};

/* What the process has now; a sanitizer starts a thread of its own with the first one. */
static struct held held(void)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, nothing, NULL), 0);
    pthread_join(thread, NULL);
    return (struct held){entries("/proc/self/fd"), entries("/proc/self/task")};
}

/* A joined thread may be seen a moment longer. What is left for good runs into the time limit. */
static void expect_held(const struct held *h)
{
    ck_assert_uint_eq(entries("/proc/self/fd"), h->fds);
    while (entries("/proc/self/task") > h->threads) {
        sched_yield();
    }
}

static uint64_t done(struct machine *m, unsigned disk)
{
    struct virtio_blk_stats stats;

    virtio_blk_get_stats(machine_disk(m, disk), &stats);
    return stats.reads + stats.writes;
}

/* Longer than the guest takes to fill its rings: it finds nothing done, and waits. */
#define SLOW_NS 5000000

/* Each sector comes from where the guest asks for it, and goes there. */
static void verify(const char *append, unsigned queues, uint64_t delay_ns)
{
    const struct engine_faults faults = {.delay_ns = delay_ns};
    struct setup s;
    char message[4096];
    enum machine_end end;

    prepare(&s, append);
    s.disks[0] = s.disks[1];
    s.disks[0].device.nr_queues = queues;
    s.disks[0].faults = faults;
    s.iothreads[1].poll.policy = &poll_policy_block; /* each queue needs its own kicks */
    s.config.nr_disks = 1;
    ck_assert_msg(machine_new(&s.config, &s.m, &s.err) == 0, "%s", s.err.msg);
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    end = machine_wait(s.m, message, sizeof(message));
    ck_assert_msg(end == MACHINE_POWEROFF, "%s%s", message, report);
    ck_assert_ptr_nonnull(strstr(report, "disk=0 sectors=16384"));
    ck_assert_ptr_nonnull(strstr(report, "mismatches=0"));
    ck_assert_uint_ge(done(s.m, 0), 300);
    ck_assert_uint_gt(machine_vcpu_cpu_ns(s.m, 0), 0);
    machine_free(s.m);
}

START_TEST(guest_reads_what_it_wrote_waiting_by_polling)
{
    verify("console=serial wait=poll depth=8 rw=mixed:50 verify=1 requests=500 time=0", 1, 0);
}
END_TEST

START_TEST(guest_reads_what_it_wrote_waiting_by_interrupt)
{
    verify("console=serial wait=irq depth=8 rw=mixed:50 verify=1 requests=500 time=0", 1, SLOW_NS);
    ck_assert_ptr_null(strstr(report, "interrupts=0\n"));
}
END_TEST

START_TEST(guest_drives_several_queues_of_a_disk)
{
    verify("console=serial queues=3 wait=poll depth=8 rw=mixed:50 verify=1 requests=500 time=0", 4,
           0);
    ck_assert_ptr_nonnull(strstr(report, "disk=0 queue=2 "));
    verify("console=serial queues=4 wait=irq depth=8 rw=mixed:50 verify=1 requests=500 time=0", 4,
           SLOW_NS);
    ck_assert_ptr_nonnull(strstr(report, "disk=0 queue=3 "));
    ck_assert_ptr_null(strstr(report, "interrupts=0\n"));
}
END_TEST

/* A value of the guest's report. */
static double reported(const char *key)
{
    const char *at = strstr(report, key);

    ck_assert_msg(at, "no %s in:\n%s", key, report);
    return strtod(at + strlen(key), NULL);
}

/* Pauses make up nearly all of the time, so it tells their mean. */
static const struct {
    const char *pause;
    double mean_ns;
} pauses[] = {
    {"1ms", 1e6},
    {"exp:1ms", 1e6},
    {"bimodal:500us:5500us:90", 1e6},
    {"on-off:1ns:1ms", 1e6},
};

START_TEST(pauses_have_the_length_they_should)
{
    char append[128];
    double ns;

    snprintf(append, sizeof(append), "console=serial pause=%s requests=300 warmup=1 time=0",
             pauses[_i].pause);
    verify(append, 1, 0);
    ns = reported("\nelapsed_ns=") / reported("\nrequests=");
    ck_assert_double_ge(ns, pauses[_i].mean_ns * 0.8); /* what chance may take off */
}
END_TEST

START_TEST(a_flush_follows_every_n_writes)
{
    double flushes;

    verify("console=serial rw=mixed:50 flush_every=4 requests=1000 warmup=0 time=0", 1, 0);
    flushes = reported("\nflushes=");
    ck_assert_double_ge(flushes, 100); /* of 500 writes or so */
    ck_assert_double_le(flushes, 150);
}
END_TEST

/* The machine ends while both disks are busy; all that was begun is waited for. */
START_TEST(machine_ends_with_requests_in_flight)
{
    struct held before = held();

    for (unsigned i = 0; i < RESTART; i++) {
        struct virtio_blk_stats stats;
        struct setup s;
        char message[16];

        prepare(&s, "depth=32 rw=mixed:50 time=3600s");
        ck_assert_msg(machine_new(&s.config, &s.m, &s.err) == 0, "%s", s.err.msg);
        ck_assert_int_eq(machine_start(s.m, &s.err), 0);
        while (done(s.m, 0) < BUSY || done(s.m, 1) < BUSY) {
            sched_yield();
        }
        machine_stop(s.m, MACHINE_STOPPED);
        ck_assert_int_eq(machine_wait(s.m, message, sizeof(message)), MACHINE_STOPPED);
        for (unsigned d = 0; d < 2; d++) {
            virtio_blk_get_stats(machine_disk(s.m, d), &stats);
            ck_assert_uint_eq(stats.in_flight, 0);
            ck_assert_uint_eq(stats.faults, 0);
        }
        machine_free(s.m);
        expect_held(&before);
    }
}
END_TEST

/* --- an engine that keeps what it gets for a while --- */

#define HOLD_NS 50000000

struct slow {
    struct engine e;
    struct aio_timer timer;
    struct list held;
};

static void let_go(void *opaque)
{
    struct slow *slow = opaque;
    struct list held;

    list_take(&held, &slow->held);
    while (!list_empty(&held)) {
        struct engine_req *req = list_entry(held.next, struct engine_req, node);

        list_del(&req->node);
        slow->e.in_flight--;
        req->cb(req, req->op == ENGINE_FLUSH ? 0 : 4096);
    }
}

static int slow_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                     struct engine **out, struct error *err)
{
    struct slow *slow = calloc(1, sizeof(*slow));

    list_init(&slow->held);
    aio_timer_init(ctx, &slow->timer, let_go, slow);
    *out = &slow->e;
    return 0;
}

static int slow_submit(struct engine *e, struct engine_req *req)
{
    struct slow *slow = container_of(e, struct slow, e);

    if (list_empty(&slow->held)) {
        aio_timer_arm(&slow->timer, aio_now(e->ctx) + HOLD_NS);
    }
    list_add_tail(&slow->held, &req->node);
    return 0;
}

static void slow_close(struct engine *e)
{
    struct slow *slow = container_of(e, struct slow, e);

    ck_assert(list_empty(&slow->held));
    aio_timer_cancel(&slow->timer);
    free(slow);
}

static const struct engine_ops slow_engine = {
    .name = "slow", .open = slow_open, .submit = slow_submit, .close = slow_close};

START_TEST(end_of_the_machine_waits_for_a_slow_disk)
{
    struct virtio_blk_stats stats;
    struct setup s;
    char message[16];

    prepare(&s, "depth=32 bs=4096 time=3600s");
    s.disks[0].engine = &slow_engine;
    s.config.nr_disks = 1;
    ck_assert_msg(machine_new(&s.config, &s.m, &s.err) == 0, "%s", s.err.msg);
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    do {
        sched_yield();
        virtio_blk_get_stats(machine_disk(s.m, 0), &stats);
    } while (stats.in_flight == 0);
    machine_stop(s.m, MACHINE_STOPPED);
    ck_assert_int_eq(machine_wait(s.m, message, sizeof(message)), MACHINE_STOPPED);
    virtio_blk_get_stats(machine_disk(s.m, 0), &stats);
    ck_assert_uint_eq(stats.in_flight, 0);
    ck_assert_uint_gt(stats.reads, 0);
    ck_assert_uint_eq(stats.errors, 0);
    machine_free(s.m);
}
END_TEST

static void refused(struct setup *s, const char *text)
{
    struct held before = held();

    s->m = NULL;
    ck_assert_int_lt(machine_new(&s->config, &s->m, &s->err), 0);
    ck_assert_ptr_null(s->m);
    ck_assert_msg(strstr(s->err.msg, text), "\"%s\" is not in \"%s\"", text, s->err.msg);
    expect_held(&before);
}

START_TEST(what_is_wrong_is_said_and_nothing_is_left_behind)
{
    struct setup s;

    prepare(&s, "");
    s.disks[1].iothreads[0] = "io7";
    refused(&s, "there is no I/O thread io7");

    prepare(&s, "");
    s.iothreads[1].id = "io0";
    refused(&s, "there are two of this id");

    prepare(&s, "");
    s.disks[1].image.path = "/";
    refused(&s, "directory");

    prepare(&s, "");
    s.config.kernel = "/";
    refused(&s, "is a directory");

    prepare(&s, "");
    s.config.initrd = "/nonexistent";
    refused(&s, "initrd /nonexistent");

    prepare(&s, "");
    s.config.nr_disks = MACHINE_DISKS_MAX + 1;
    for (unsigned i = 0; i < s.config.nr_disks; i++) {
        s.disks[i] = s.disks[0];
    }
    refused(&s, "32 disks");
    s.config.nr_disks = MACHINE_MMIO_MAX + 1;
    refused(&s, "interrupts for 18 disks with transport=mmio");
}
END_TEST

/* Descriptors run out at every step in turn; then there are enough. */
START_TEST(each_step_that_fails_undoes_those_before)
{
    struct rlimit was;
    unsigned failed = 0;
    struct setup s;
    int ret;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    do {
        struct held before = held();
        struct rlimit now = {.rlim_cur = failed + 1, .rlim_max = was.rlim_max};

        prepare(&s, "");
        s.config.cpus = 3;
        s.config.memory_shared = true;
        s.disks[1].engine = &engine_io_uring;
        s.disks[1].transport = DISK_TRANSPORT_PCI;
        s.iothreads[0].fdmon = "epoll";
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
        ret = machine_new(&s.config, &s.m, &s.err);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
        if (ret == 0) {
            machine_free(s.m);
        } else {
            ck_assert_msg(strstr(s.err.msg, "open files"), "%s", s.err.msg);
            failed++;
        }
        expect_held(&before);
    } while (ret < 0);
    ck_assert_uint_gt(failed, 15);
}
END_TEST

START_TEST(as_many_disks_as_there_are_interrupts_and_slots)
{
    struct setup s;

    prepare(&s, "");
    s.config.nr_disks = MACHINE_DISKS_MAX;
    for (unsigned i = 0; i < s.config.nr_disks; i++) {
        s.disks[i] = s.disks[0];
        s.disks[i].transport = i < MACHINE_MMIO_MAX ? DISK_TRANSPORT_MMIO : DISK_TRANSPORT_PCI;
    }
    ck_assert_msg(machine_new(&s.config, &s.m, &s.err) == 0, "%s", s.err.msg);
    ck_assert_ptr_nonnull(machine_disk(s.m, MACHINE_DISKS_MAX - 1));
    ck_assert_ptr_null(machine_disk(s.m, MACHINE_DISKS_MAX));
    ck_assert_str_eq(iothread_id(machine_iothread(s.m, 1)), "io1");
    ck_assert_ptr_null(machine_iothread(s.m, 2));
    machine_free(s.m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("disks");
    TCase *t = tcase_create("disks");

    tcase_add_checked_fixture(t, make_image, remove_image);
    tcase_add_test(t, guest_reads_what_it_wrote_waiting_by_polling);
    tcase_add_test(t, guest_reads_what_it_wrote_waiting_by_interrupt);
    tcase_add_test(t, guest_drives_several_queues_of_a_disk);
    tcase_add_loop_test(t, pauses_have_the_length_they_should, 0,
                        sizeof(pauses) / sizeof(pauses[0]));
    tcase_add_test(t, a_flush_follows_every_n_writes);
    tcase_add_test(t, machine_ends_with_requests_in_flight);
    tcase_add_test(t, end_of_the_machine_waits_for_a_slow_disk);
    tcase_add_test(t, what_is_wrong_is_said_and_nothing_is_left_behind);
    tcase_add_test(t, each_step_that_fails_undoes_those_before);
    tcase_add_test(t, as_many_disks_as_there_are_interrupts_and_slots);
    suite_add_tcase(s, t);
    return guest_main(s);
}

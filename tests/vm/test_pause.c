// SPDX-License-Identifier: MIT
/* The machine pauses and goes on: when asked, and when a disk fails under werror or rerror stop. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/barrier.h"
#include "guest-images/bench/bench-guest.h"
#include "tests/vm/guest.h"

#define MIB 1048576ull

static unsigned clocks_marked; /* how often KVM was told that a vCPU did not run */

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, ...) = (__typeof__(real))dlsym(RTLD_NEXT, "ioctl");
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (request == KVM_KVMCLOCK_CTRL) {
        __atomic_fetch_add(&clocks_marked, 1, __ATOMIC_RELAXED);
    }
    return real(fd, request, arg);
}

struct setup {
    struct machine *m;
    struct machine_config config;
    struct machine_ports ports;
    struct disk_config disk;
    struct iothread_config iothread;
    char image[32];
    char report[16384];
    size_t report_len;
    char why[256];
    sem_t paused;
    struct error err;
};

static void console_out(void *opaque, const void *data, size_t len)
{
    struct setup *s = opaque;

    if (len > sizeof(s->report) - 1 - s->report_len) {
        len = sizeof(s->report) - 1 - s->report_len;
    }
    memcpy(s->report + s->report_len, data, len);
    s->report_len += len;
}

static void on_pause(void *opaque, const char *why)
{
    struct setup *s = opaque;

    snprintf(s->why, sizeof(s->why), "%s", why);
    sem_post(&s->paused);
}

static void control(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
    struct setup *s = opaque;

    if (port == BENCH_PORT_CTL && BENCH_CTL_COMMAND(value) == BENCH_CTL_EXIT) {
        machine_stop(s->m, BENCH_CTL_ARGUMENT(value) == BENCH_EXIT_OK ? MACHINE_POWEROFF
                                                                      : MACHINE_STOPPED);
    }
}

/* A disk in a file that holds what the bench guest expects. */
static void begin(struct setup *s, const struct engine_faults *faults, const char *append)
{
    FILE *f;
    int fd;

    memset(s, 0, sizeof(*s));
    strcpy(s->image, "/tmp/pollux-pause-XXXXXX");
    fd = mkstemp(s->image);
    ck_assert_int_ge(fd, 0);
    f = fdopen(fd, "w");
    for (uint64_t i = 0; i < 4 * MIB / SECTOR_SIZE; i++) {
        uint64_t sector[SECTOR_SIZE / 8] = {bench_verify_word(i)};

        sector[SECTOR_SIZE / 8 - 1] = ~sector[0];
        ck_assert_uint_eq(fwrite(sector, sizeof(sector), 1, f), 1);
    }
    ck_assert_int_eq(fclose(f), 0);
    sem_init(&s->paused, 0, 0);
    poll_params_default(&s->iothread.poll);
    s->iothread.id = "io0";
    s->ports = (struct machine_ports){
        .first = BENCH_PORT_FIRST, .count = BENCH_PORT_COUNT, .out = control, .opaque = s};
    s->disk = (struct disk_config){
        .name = "disk0",
        .image = {.path = s->image},
        .engine = &engine_threads,
        .iothreads = {"io0"},
        .device = {.merge = true, .rerror = VIRTIO_BLK_STOP, .werror = VIRTIO_BLK_STOP},
        .faults = faults ? *faults : (struct engine_faults){0}};
    s->config = (struct machine_config){
        .cpus = 1,
        .memory = 64 * MIB,
        .kernel_data = bench_guest_start,
        .kernel_size = (size_t)(bench_guest_end - bench_guest_start),
        .append = append,
        .iothreads = &s->iothread,
        .nr_iothreads = 1,
        .disks = &s->disk,
        .nr_disks = 1,
        .ports = &s->ports,
        .console_out = console_out,
        .paused = on_pause,
        .opaque = s,
    };
    ck_assert_msg(machine_new(&s->config, &s->m, &s->err) == 0, "%s", s->err.msg);
}

static void end(struct setup *s)
{
    machine_free(s->m);
    unlink(s->image);
    sem_destroy(&s->paused);
}

static struct virtio_blk_stats stats(struct setup *s)
{
    struct virtio_blk_stats stats;

    virtio_blk_get_stats(machine_disk(s->m, 0), &stats);
    return stats;
}

static bool read_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "r");
    bool ok = f && fgets(line, size, f);

    if (f) {
        fclose(f);
    }
    return ok;
}

static void await_requests(struct setup *s, uint64_t n)
{
    struct virtio_blk_stats now;

    do {
        sched_yield();
        now = stats(s);
    } while (now.reads + now.writes < n);
}

/* Return: the thread id of vCPU 0; 0: it has not given itself a name yet. */
static long find_vcpu_thread(void)
{
    struct dirent *entry;
    DIR *threads = opendir("/proc/self/task");
    char path[300], name[32];
    long id = 0;

    ck_assert_ptr_nonnull(threads);
    while (!id && (entry = readdir(threads))) {
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        if (read_line(path, name, sizeof(name)) && strcmp(name, "vcpu0\n") == 0) {
            id = strtol(entry->d_name, NULL, 10);
        }
    }
    closedir(threads);
    return id;
}

static long vcpu_thread_id(void)
{
    long id;

    while ((id = find_vcpu_thread()) == 0) {
        sched_yield();
    }
    return id;
}

/* The thread of a paused vCPU sleeps in futex(), that of a running one is in KVM_RUN, an ioctl(). */
static void await_pause(void)
{
    char path[64], line[256];

    snprintf(path, sizeof(path), "/proc/self/task/%ld/syscall", vcpu_thread_id());
    while (!read_line(path, line, sizeof(line)) || strtol(line, NULL, 10) != SYS_futex) {
        sched_yield();
    }
}

static bool ended(struct setup *s)
{
    struct pollfd pfd = {.fd = machine_end_fd(s->m), .events = POLLIN};

    return poll(&pfd, 1, 0) == 1;
}

/* The guest finds every byte as it should be, though the disk failed again and again. */
START_TEST(a_disk_that_fails_pauses_the_machine_until_it_goes_on)
{
    struct setup s;
    char message[4096];
    enum machine_end how;
    unsigned pauses = 0;

    begin(&s, &(struct engine_faults){.error_ppm = 3000, .error = EIO, .seed = 1},
          "console=serial wait=poll depth=8 rw=mixed:50 verify=1 requests=4000 time=0");
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    while (!ended(&s)) {
        if (sem_trywait(&s.paused) < 0) {
            sched_yield();
            continue;
        }
        await_pause();
        ck_assert_ptr_nonnull(strstr(s.why, "disk0 queue 0: "));
        ck_assert_ptr_nonnull(strstr(s.why, strerror(EIO)));
        ck_assert_uint_gt(stats(&s).held, 0);
        pauses++;
        machine_resume(s.m);
    }
    how = machine_wait(s.m, message, sizeof(message));
    ck_assert_msg(how == MACHINE_POWEROFF, "%s%s", message, s.report);
    ck_assert_ptr_nonnull(strstr(s.report, "mismatches=0"));
    ck_assert_uint_eq(stats(&s).errors, 0);
    ck_assert_uint_gt(pauses, 1);
    end(&s);
}
END_TEST

START_TEST(a_paused_machine_does_nothing_and_goes_on)
{
    struct setup s;
    struct virtio_blk_stats before, after;
    uint64_t cpu;

    begin(&s, NULL, "depth=4 rw=read time=3600s");
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    for (unsigned i = 0; i < 20; i++) {
        await_requests(&s, stats(&s).reads + 20);
        machine_pause(s.m);
        machine_pause(s.m);
        await_pause();
        before = stats(&s);
        cpu = machine_vcpu_exits(s.m, 0);
        for (unsigned k = 0; k < 1000; k++) {
            sched_yield();
        }
        after = stats(&s);
        /* Of its depth of 4, the guest may have left requests in the ring when it stopped. */
        ck_assert_uint_le(after.reads, before.reads + 4);
        ck_assert_uint_eq(machine_vcpu_exits(s.m, 0), cpu);
        machine_resume(s.m);
        machine_resume(s.m);
    }
    await_requests(&s, stats(&s).reads + 20);
    machine_stop(s.m, MACHINE_STOPPED);
    end(&s);
}
END_TEST

/* Stops this process, and lets it go on. */
static void stop_for_a_while(void)
{
    char path[32], line[64] = "";
    pid_t test = getpid(), helper = fork();

    if (helper == 0) {
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)test);
        kill(test, SIGSTOP);
        do {
            read_line(path, line, sizeof(line));
        } while (!strstr(line, ") T"));
        kill(test, SIGCONT);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(helper, NULL, 0), helper);
}

/* Else the guest's watchdog would take a vCPU that did not run for one that is locked up. */
START_TEST(the_clock_of_a_guest_that_did_not_run_is_marked)
{
    struct setup s;
    unsigned before;

    begin(&s, NULL, "depth=4 rw=read time=3600s");
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    await_requests(&s, 10);
    before = load_relaxed(&clocks_marked);
    machine_pause(s.m);
    await_pause();
    ck_assert_uint_gt(load_relaxed(&clocks_marked), before);
    machine_resume(s.m);
    await_requests(&s, stats(&s).reads + 10);
    before = load_relaxed(&clocks_marked);
    stop_for_a_while();
    while (load_relaxed(&clocks_marked) == before) {
        sched_yield();
    }
    await_requests(&s, stats(&s).reads + 10);
    machine_stop(s.m, MACHINE_STOPPED);
    end(&s);
}
END_TEST

START_TEST(a_paused_machine_ends_when_told_and_fails_what_was_kept)
{
    struct setup s;
    char message[16];

    begin(&s, &(struct engine_faults){.error_ppm = 1000000, .error = EIO, .seed = 1},
          "depth=4 rw=read time=3600s");
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    sem_wait(&s.paused);
    machine_stop(s.m, MACHINE_STOPPED);
    ck_assert_int_eq(machine_wait(s.m, message, sizeof(message)), MACHINE_STOPPED);
    ck_assert_uint_eq(stats(&s).in_flight, 0);
    ck_assert_uint_gt(stats(&s).errors, 0);
    machine_resume(s.m);
    end(&s);
}
END_TEST

START_TEST(a_machine_may_be_paused_before_it_starts)
{
    struct setup s;

    begin(&s, NULL, "depth=4 rw=read time=3600s");
    machine_pause(s.m);
    ck_assert_int_eq(machine_start(s.m, &s.err), 0);
    await_pause();
    ck_assert_uint_eq(machine_vcpu_exits(s.m, 0), 0);
    machine_resume(s.m);
    await_requests(&s, 10);
    machine_stop(s.m, MACHINE_STOPPED);
    end(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pause");
    TCase *pause = tcase_create("pause");

    tcase_add_test(pause, a_disk_that_fails_pauses_the_machine_until_it_goes_on);
    tcase_add_test(pause, a_paused_machine_does_nothing_and_goes_on);
    tcase_add_test(pause, the_clock_of_a_guest_that_did_not_run_is_marked);
    tcase_add_test(pause, a_paused_machine_ends_when_told_and_fails_what_was_kept);
    tcase_add_test(pause, a_machine_may_be_paused_before_it_starts);
    suite_add_tcase(suite, pause);
    return guest_main(suite);
}

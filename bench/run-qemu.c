// SPDX-License-Identifier: MIT
/*
 * The same guest under QEMU, for comparison: a microvm with one virtio-mmio disk on an iothread.
 *
 * The guest prints `mark=begin` and `mark=end` there, from the vCPU's thread, which waits until the
 * byte is in the pipe; the clocks are read when they arrive, some tens of microseconds later. QEMU
 * is told not to end by itself, or it would be gone, with its clocks, before they are read.
 */
#include "bench/run-qemu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench-disk.h"
#include "bench/bench-options.h"
#include "bench/child.h"
#include "bench/figures.h"
#include "bench/guest-report.h"
#include "bench/noise.h"
#include "bench/qemu-args.h"
#include "bench/workload.h"
#include "guest-images/bench/bench-guest.h"

#define GRACE_MS ((BENCH_STALL_S + 20) * 1000)

struct qemu_sample {
    struct bench_noise noise;
    uint64_t clock_ns, process_ns, vcpu_ns;
};

struct qemu_run {
    struct child child;
    int vcpu_fd; /* schedstat of the vCPU's thread; -1: not found yet */
    struct qemu_sample begin, end;
    char report[8192];
    size_t len;
};

/* --- starting it --- */

/* The ELF image as a file. Return: a descriptor or -errno. */
static int kernel_file(void)
{
    size_t size = (size_t)(bench_guest_end - bench_guest_start);
    int fd = memfd_create("bench-guest", MFD_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, bench_guest_start, size);
    int ret = n < 0 ? -errno : (size_t)n == size ? fd : -EIO;

    if (ret < 0 && fd >= 0) {
        close(fd);
    }
    return ret;
}

static int start_qemu(struct qemu_run *q, const struct bench_config *c,
                      const struct bench_group *group, const struct bench_variant *variant,
                      unsigned run, int stop_fd, struct error *err)
{
    int kernel = kernel_file(), ret;
    const int fds[] = {kernel, group->disk->fd, -1};
    struct qemu_args w = {.n = 0};

    if (kernel < 0) {
        return error_set(err, kernel, "cannot make a file of the bench guest: %s",
                         strerror(-kernel));
    }
    ret = qemu_args_make(&w, c, group, variant, run, kernel);
    ret = ret < 0 ? error_set(err, ret, "out of memory")
                  : child_start(&q->child, w.argv, fds, stop_fd, err);
    qemu_args_free(&w);
    close(kernel);
    return ret;
}

/* --- its output and clocks --- */

/* Return: schedstat of the vCPU's thread, or -1. */
static int open_schedstat(pid_t pid)
{
    char path[96], comm[32] = "";
    struct dirent *e;
    DIR *dir;
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    while (dir && fd < 0 && (e = readdir(dir))) {
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", pid, e->d_name);
        f = fopen(path, "re");
        if (f && fgets(comm, sizeof(comm), f) && !strcmp(comm, "CPU 0/KVM\n")) {
            snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, e->d_name);
            fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (f) {
            fclose(f);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return fd;
}

static void take_sample(struct qemu_run *q, struct qemu_sample *s)
{
    char text[96] = "";
    clockid_t clock;

    if (clock_getcpuclockid(q->child.pid, &clock) ||
        pread(q->vcpu_fd, text, sizeof(text) - 1, 0) <= 0) {
        return;
    }
    s->clock_ns = clock_ns(CLOCK_MONOTONIC);
    s->process_ns = clock_ns(clock);
    s->vcpu_ns = strtoull(text, NULL, 10);
}

/* Looks for the guest's marks in the output from @from on. */
static void look_for_marks(struct qemu_run *q)
{
    const char *mark;
    char proc[32];

    snprintf(proc, sizeof(proc), "/proc/%d", q->child.pid);
    if (q->vcpu_fd < 0) {
        q->vcpu_fd = open_schedstat(q->child.pid);
    }
    if (!q->begin.clock_ns && strstr(q->report, "\nmark=begin\n")) {
        take_sample(q, &q->begin);
        bench_noise_sample(&q->begin.noise, proc);
    }
    mark = q->begin.clock_ns ? strstr(q->report, "\nmark=end\n") : NULL;
    if (!q->end.clock_ns && mark) {
        take_sample(q, &q->end);
        bench_noise_sample(&q->end.noise, proc);
    }
}

/* The guest's last line, when it is complete; else NULL. */
static const char *exit_line(const struct qemu_run *q)
{
    const char *code = bench_guest_value(q->report, "exit");

    return code && strchr(code, '\n') ? code : NULL;
}

/* Return: 0 when QEMU or the guest has ended, or -errno and @err. */
static int follow(struct qemu_run *q, uint64_t time_ns, struct error *err)
{
    int timeout_ms = (int)(time_ns / 1000000) + GRACE_MS;
    ssize_t n;

    do {
        n = child_read(&q->child, q->report + q->len, sizeof(q->report) - q->len - 1, timeout_ms);
        if (n > 0) {
            q->len += (size_t)n;
            q->report[q->len] = '\0';
            look_for_marks(q);
        }
    } while (n > 0 && q->len + 1 < sizeof(q->report) && !exit_line(q));
    if (n > 0) {
        return exit_line(q) ? 0 : error_set(err, -EPROTO, "QEMU prints more than the guest would");
    }
    return n == -ETIMEDOUT ? error_set(err, (int)n, "the bench guest did not end under QEMU")
           : n < 0         ? error_set(err, (int)n, "cannot read from QEMU: %s", strerror((int)-n))
                           : 0;
}

/* As for Pollux: the threads but the vCPU count as I/O threads, workers of the engine too. */
static int read_report(const struct qemu_run *q, struct bench_result *out, struct error *err)
{
    const struct qemu_sample *begin = &q->begin, *end = &q->end;
    const uint64_t vcpu_ns = end->vcpu_ns - begin->vcpu_ns;
    const struct bench_clocks clocks = {
        .elapsed_ns = begin->clock_ns ? end->clock_ns - begin->clock_ns : 0,
        .iothread_ns = bench_other_ns(end->process_ns - begin->process_ns, vcpu_ns),
    };
    int ret;

    if (!end->clock_ns) {
        return error_set(err, -EIO, "no CPU time of QEMU's threads: /proc has no schedstat");
    }
    ret = bench_guest_report(q->report, &clocks, out, err);
    if (ret == 0) {
        out->vcpu_exits = NAN; /* not counted */
        out->vcpu_cpu = (double)vcpu_ns / (double)clocks.elapsed_ns;
        out->vcpu_cpu_ns = out->cpu_ns * out->vcpu_cpu / out->cpu;
        bench_noise_result(&begin->noise, &end->noise, out);
    }
    return ret;
}

static int judge(const struct qemu_run *q, int status, const char *complaint,
                 struct bench_result *out, struct error *err)
{
    const char *code = exit_line(q);

    if (code && atoi(code) == BENCH_EXIT_OK) {
        return read_report(q, out, err);
    }
    if (bench_guest_failure(q->report, err) < 0) {
        return -EIO;
    }
    return error_set(err, -EIO, "QEMU ended with status %d%s%s", status, *complaint ? ": " : "",
                     complaint);
}

static int run_qemu(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err)
{
    struct qemu_run q = {.vcpu_fd = -1};
    char complaint[ERROR_MSG_MAX / 2];
    int ret = start_qemu(&q, c, group, variant, run, stop_fd, err), status;

    if (ret < 0) {
        return ret;
    }
    ret = follow(&q, c->time_ns, err);
    status = child_end(&q.child, complaint, sizeof(complaint));
    if (q.vcpu_fd >= 0) {
        close(q.vcpu_fd);
    }
    return ret < 0 ? ret : judge(&q, status, complaint, out, err);
}

static bool qemu_takes(const struct bench_config *c, const struct bench_group *group,
                       const struct bench_variant *variant)
{
    const struct bench_disk *t = group->disk;
    const char *aio = t->file ? qemu_aio_name(t) : "";

    return aio && (t->direct || strcmp(aio, "native") != 0);
}

const struct bench_runner bench_runner_qemu = {
    .name = "qemu",
    .takes = qemu_takes,
    .run = run_qemu,
};

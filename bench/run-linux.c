// SPDX-License-Identifier: MIT
/*
 * pollux bench --guest linux: fio in the test Linux guest, booted afresh for each run.
 *
 * The kernel command line has the parameters of the guest's test `bench`. The test prints marks
 * before and after fio on the console, and fio's JSON; the host's clocks are read when the marks
 * arrive. Between the marks fio also starts and ends, without requests to the disk. So figures of
 * the I/O thread are those of the job, whose length fio reports. Figures of the vCPU would include
 * the start of fio, and are left out.
 */
#include "bench/run-linux.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench-disk.h"
#include "bench/bench-machine.h"
#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/guest-report.h"
#include "bench/noise.h"
#include "bench/workload.h"
#include "kvm/probe.h"

#define MARK_BEGIN  "POLLUX-BENCH begin"
#define MARK_END    "POLLUX-BENCH end"
#define VERDICT     "POLLUX-TEST bench "
#define CONSOLE_MAX (64u << 10)
#define MEMORY      (512ull << 20)
/* To boot and to leave, on a machine that emulates another. */
#define GRACE_MS 300000

struct sample {
    struct bench_noise noise;
    struct aio_stats loop;
    struct virtio_blk_stats disk;
    uint64_t process_ns, vcpu_ns;
};

/* Written by the console's thread, read after machine_wait(). */
struct linux_run {
    struct machine *machine;
    struct sample begin, end;
    bool begun, ended;
    char *console;
    size_t len;
};

/* --- parameters of the guest --- */

static void rw_options(const struct bench_config *c, char *buf, size_t size)
{
    const char *prefix = c->order ? "" : "rand";

    if (!strncmp(c->rw, "mixed:", 6)) {
        snprintf(buf, size, "%srw pollux.mixed=%s", prefix, c->rw + 6);
    } else {
        snprintf(buf, size, "%s%s", prefix, c->rw);
    }
}

static void append_options(const struct bench_config *c, const struct bench_group *group,
                           unsigned run, char *buf, size_t size)
{
    char rw[64];

    rw_options(c, rw, sizeof(rw));
    snprintf(buf, size,
             "console=ttyS0 quiet loglevel=0 panic=-1 pollux.run=bench pollux.depth=%u "
             "pollux.bs=%" PRIu64 " pollux.rw=%s pollux.fsync=%" PRIu64 " pollux.time=%" PRIu64
             "ms pollux.seed=%u",
             group->depth, group->bs, rw, c->fsync, c->time_ns / 1000000, run + 1);
}

static void guest_file(const struct bench_config *c, const char *name, char *buf, size_t size)
{
    snprintf(buf, size, "%s/%s", c->guest_dir, name);
}

/* --- output of the guest --- */

static void take_sample(struct machine *m, struct sample *s)
{
    s->process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    s->vcpu_ns = machine_vcpu_cpu_ns(m, 0);
    aio_get_stats(iothread_ctx(machine_iothread(m, 0)), &s->loop);
    virtio_blk_get_stats(machine_disk(m, 0), &s->disk);
}

static void console_out(void *opaque, const void *data, size_t len)
{
    struct linux_run *r = opaque;
    size_t room = CONSOLE_MAX - 1 - r->len;

    len = len < room ? len : room;
    memcpy(r->console + r->len, data, len);
    r->len += len;
    r->console[r->len] = '\0';
    if (!r->begun && strstr(r->console, MARK_BEGIN)) {
        r->begun = true;
        bench_noise_sample(&r->begin.noise, "/proc/self");
        take_sample(r->machine, &r->begin);
    }
    if (r->begun && !r->ended && strstr(r->console, MARK_END)) {
        r->ended = true;
        take_sample(r->machine, &r->end);
        bench_noise_sample(&r->end.noise, "/proc/self");
    }
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* Figures that fio has, of a job that reports reads and writes as one. */
static void read_fio(json_t *job, struct bench_result *out)
{
    const json_t *all = json_object_get(job, "mixed"), *lat = json_object_get(all, "lat_ns");
    const char *key;
    json_t *value;

    out->iops = number(all, "iops");
    out->mb_per_s = number(all, "bw_bytes") / 1e6;
    out->lat_mean_ns = number(lat, "mean");
    out->lat_max_ns = number(lat, "max");
    json_object_foreach(json_object_get(lat, "percentile"), key, value)
    {
        char name[32];
        const struct bench_figure *f;

        snprintf(name, sizeof(name), "lat_p%g_ns", strtod(key, NULL));
        f = bench_figure_find(name);
        if (f) {
            *bench_figure(out, f) = json_number_value(value);
        }
    }
}

/* @requests in @seconds. The engine's workers count as I/O threads: what is not the vCPU's. */
static void read_host(const struct linux_run *r, double requests, double seconds,
                      struct bench_result *out)
{
    const struct sample *b = &r->begin, *e = &r->end;
    double other_ns =
        (double)bench_other_ns(e->process_ns - b->process_ns, e->vcpu_ns - b->vcpu_ns);

    out->cpu = other_ns / 1e9 / seconds;
    out->cpu_ns = other_ns / requests;
    out->kicks = (double)(e->disk.kicks - b->disk.kicks) / requests;
    out->interrupts = (double)(e->disk.interrupts - b->disk.interrupts) / requests;
    out->poll_hits = (double)(e->loop.poll_hits - b->loop.poll_hits) / requests;
    out->poll_misses = (double)(e->loop.poll_misses - b->loop.poll_misses) / requests;
    bench_noise_result(&b->noise, &e->noise, out);
}

static int read_console(const struct linux_run *r, struct bench_result *out, struct error *err)
{
    const char *text = r->ended ? strchr(strstr(r->console, MARK_END), '{') : NULL;
    json_t *root = text ? json_loads(text, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    json_t *job = json_array_get(json_object_get(root, "jobs"), 0);
    const json_t *all = json_object_get(job, "mixed");
    double requests = number(all, "total_ios"), ms = number(all, "runtime");
    int ret = 0;

    bench_result_unknown(out);
    if (!job) {
        ret = error_set(err, -EPROTO, "what fio printed in the Linux guest is no JSON");
    } else if (requests < 1 || ms <= 0) {
        ret = error_set(err, -EPROTO, "fio made no request; give it more --time");
    } else {
        read_fio(job, out);
        read_host(r, requests, ms / 1e3, out);
    }
    json_decref(root);
    return ret;
}

static int judge(const struct linux_run *r, const struct bench_end *end, struct bench_result *out,
                 struct error *err)
{
    const char *verdict = strstr(r->console, VERDICT);

    if (end->how >= MACHINE_TRIPLE_FAULT) {
        return error_set(err, -EIO, "the Linux guest crashed: %s", end->message);
    }
    if (!verdict) {
        return error_set(err, -EIO, "the Linux guest ended without a result");
    }
    verdict += strlen(VERDICT);
    if (strncmp(verdict, "PASS", 4) != 0) {
        return error_set(err, -EIO, "the Linux guest: %.*s", (int)strcspn(verdict, "\r\n"),
                         verdict);
    }
    return read_console(r, out, err);
}

/* --- a run --- */

int bench_linux_run(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err)
{
    const struct bench_disk *t = group->disk;
    struct linux_run r = {.console = calloc(1, CONSOLE_MAX)};
    struct iothread_config io = {.id = "io0"};
    struct disk_config disk = {
        .name = "disk0",
        .image = {.path = t->file,
                  .size = t->file ? 0 : t->size,
                  .readonly = t->readonly,
                  .direct = t->direct},
        .engine = t->engine,
        .iothreads = {io.id},
        .device = {.packed = variant->packed, .merge = c->merge},
    };
    char kernel[512], initrd[512], append[512];
    struct bench_end end;
    struct machine_config mc = {
        .cpus = 1,
        .memory = MEMORY + bench_guest_memory(c, group),
        .kernel = kernel,
        .initrd = initrd,
        .append = append,
        .iothreads = &io,
        .nr_iothreads = 1,
        .disks = &disk,
        .nr_disks = 1,
        .console_out = console_out,
        .opaque = &r,
        .trace = trace,
    };
    int ret;

    if (!r.console) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    poll_params_default(&io.poll);
    io.poll.contention = c->contention;
    io.poll.policy = variant->policy;
    io.poll.max_ns = variant->max_ns;
    guest_file(c, "vmlinuz", kernel, sizeof(kernel));
    guest_file(c, "initrd-fio.img", initrd, sizeof(initrd));
    append_options(c, group, run, append, sizeof(append));
    ret = bench_machine_run(&mc, variant->idle, (int)(c->time_ns / 1000000) + GRACE_MS, stop_fd,
                            &r.machine, &end, err);
    if (ret == 0) {
        ret = judge(&r, &end, out, err);
    }
    free(r.console);
    return ret;
}

int bench_linux_check(const struct bench_config *c, struct error *err)
{
    static const char *const files[] = {"vmlinuz", "initrd-fio.img"};
    struct kvm_probe probe;
    char path[512];
    int ret;

    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        guest_file(c, files[i], path, sizeof(path));
        if (access(path, R_OK) < 0) {
            return error_set(err, -errno,
                             "--guest linux: cannot read %s: %s; make guest-linux makes it, "
                             "--guest-dir says where it is",
                             path, strerror(errno));
        }
    }
    ret = kvm_probe(&probe, err);
    if (ret == 0 && !probe.can_boot_linux) {
        ret = error_set(err, -ENOTSUP,
                        "--guest linux: KVM emulates kernel code here, Linux cannot boot");
    }
    return ret;
}

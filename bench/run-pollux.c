// SPDX-License-Identifier: MIT
/* One run: the bench guest in a fresh machine, its report read, the I/O thread's clock sampled. */
#include "bench/run-pollux.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bench-disk.h"
#include "bench/bench-machine.h"
#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/guest-report.h"
#include "bench/latency-stages.h"
#include "bench/noise.h"
#include "bench/run-linux.h"
#include "bench/workload.h"
#include "guest-images/bench/bench-guest.h"

/* The guest ends itself when it is stuck; this limit is for one that does not. */
#define GRACE_MS ((BENCH_STALL_S + 20) * 1000)

struct sample {
    struct bench_stages stages;
    struct bench_noise noise;
    struct aio_stats loop;
    uint64_t clock_ns, process_ns, vcpu_ns, exits;
};

/* Written by the vCPU thread, read after machine_wait(). */
struct guest_run {
    struct machine *machine;
    struct sample begin, end;
    unsigned nr_disks;
    unsigned exit_code;
    bool exited;
    char report[8192];
    size_t len;
};

static void take_sample(struct guest_run *run, struct sample *s)
{
    s->clock_ns = clock_ns(CLOCK_MONOTONIC);
    s->process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    s->vcpu_ns = machine_vcpu_cpu_ns(run->machine, 0);
    s->exits = machine_vcpu_exits(run->machine, 0);
    aio_get_stats(iothread_ctx(machine_iothread(run->machine, 0)), &s->loop);
}

static void guest_control(struct guest_run *run, uint32_t word)
{
    switch (BENCH_CTL_COMMAND(word)) {
    case BENCH_CTL_BEGIN:
        bench_stages_sample(&run->begin.stages, run->machine, run->nr_disks);
        bench_noise_sample(&run->begin.noise, "/proc/self");
        take_sample(run, &run->begin);
        break;
    case BENCH_CTL_END:
        take_sample(run, &run->end);
        bench_noise_sample(&run->end.noise, "/proc/self");
        bench_stages_sample(&run->end.stages, run->machine, run->nr_disks);
        break;
    case BENCH_CTL_EXIT:
        run->exit_code = BENCH_CTL_ARGUMENT(word);
        run->exited = true;
        machine_stop(run->machine, MACHINE_POWEROFF);
        break;
    }
}

static void guest_out(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
    struct guest_run *run = opaque;

    if (port == BENCH_PORT_CTL) {
        guest_control(run, value);
    } else if (port == BENCH_PORT_DEBUG && run->len + 1 < sizeof(run->report)) {
        run->report[run->len++] = (char)value;
    }
}

/* The engine's workers count as I/O threads: what is not the vCPU's. */
static int read_report(const struct guest_run *run, struct bench_result *out, struct error *err)
{
    const struct sample *begin = &run->begin, *end = &run->end;
    const uint64_t vcpu_ns = end->vcpu_ns - begin->vcpu_ns;
    const struct bench_clocks clocks = {
        .elapsed_ns = begin->clock_ns ? end->clock_ns - begin->clock_ns : 0,
        .iothread_ns = bench_other_ns(end->process_ns - begin->process_ns, vcpu_ns),
        .exits = end->exits - begin->exits,
    };
    double requests;
    int ret = bench_guest_report(run->report, &clocks, out, err);

    if (ret < 0) {
        return ret;
    }
    requests = strtod(bench_guest_value(run->report, "requests"), NULL);
    out->vcpu_cpu = (double)vcpu_ns / (double)clocks.elapsed_ns;
    out->vcpu_cpu_ns = (double)vcpu_ns / requests;
    out->poll_hits = (double)(end->loop.poll_hits - begin->loop.poll_hits) / requests;
    out->poll_misses = (double)(end->loop.poll_misses - begin->loop.poll_misses) / requests;
    bench_noise_result(&begin->noise, &end->noise, out);
    bench_stages_result(&begin->stages, &end->stages, out);
    return 0;
}

/* The error that the guest reports, else that of the machine. */
static int failure(const struct guest_run *run, const struct bench_end *end, struct error *err)
{
    int ret = bench_guest_failure(run->report, err);

    if (ret < 0) {
        return ret;
    }
    if (end->how >= MACHINE_TRIPLE_FAULT) {
        return error_set(err, -EIO, "the bench guest crashed: %s", end->message);
    }
    return error_set(err, -EIO, "the bench guest ended with code %u and no report", run->exit_code);
}

static int run_machine(struct guest_run *run, const struct machine_config *mc, unsigned nr_idle,
                       uint64_t time_ns, int stop_fd, struct bench_result *out, struct error *err)
{
    struct bench_end end;
    int ret = bench_machine_run(mc, nr_idle, (int)(time_ns / 1000000) + GRACE_MS, stop_fd,
                                &run->machine, &end, err);

    if (ret < 0) {
        return ret;
    }
    if (!run->exited || run->exit_code != BENCH_EXIT_OK) {
        return failure(run, &end, err);
    }
    return read_report(run, out, err);
}

static const char *const disk_names[BENCH_MAX_DISKS] = {"disk0", "disk1", "disk2", "disk3"};

int bench_run_guest(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, const struct bench_device *device,
                    unsigned run, int stop_fd, struct trace *trace, struct bench_result *out,
                    struct error *err)
{
    const struct bench_disk *t = group->disk;
    struct guest_run guest = {.nr_disks = (unsigned)c->disks};
    struct iothread_config io = {.id = "io0"};
    struct disk_config disks[BENCH_MAX_DISKS];
    struct machine_ports ports = {
        .first = BENCH_PORT_FIRST, .count = BENCH_PORT_COUNT, .out = guest_out, .opaque = &guest};
    char append[256];
    struct machine_config mc = {
        .cpus = 1,
        .memory = bench_guest_memory(c, group),
        .kernel_data = bench_guest_start,
        .kernel_size = (size_t)(bench_guest_end - bench_guest_start),
        .append = append,
        .iothreads = &io,
        .nr_iothreads = 1,
        .disks = disks,
        .nr_disks = (unsigned)c->disks,
        .ports = &ports,
        .trace = trace,
    };

    for (unsigned i = 0; i < c->disks; i++) {
        disks[i] = (struct disk_config){
            .name = disk_names[i],
            .image = bench_image(t->file),
            .engine = t->engine,
            .iothreads = {io.id},
            .device = {.nr_queues = (unsigned)c->queues,
                       .queue_size = bench_queue_size(group),
                       .packed = variant->packed,
                       .merge = c->merge},
            .make = device ? device->make : NULL,
            .opaque = device ? device->opaque : NULL,
        };
        disks[i].image.size = t->file ? 0 : t->size;
        disks[i].image.readonly = t->readonly;
        disks[i].image.direct = t->direct;
        disks[i].image.share_rw = c->disks > 1;
    }
    poll_params_default(&io.poll);
    io.poll.contention = c->contention;
    if (variant->policy) {
        io.poll.policy = variant->policy;
        io.poll.max_ns = variant->max_ns;
    }
    bench_guest_append(c, group, variant, run, append, sizeof(append));
    return run_machine(&guest, &mc, variant->idle, c->time_ns, stop_fd, out, err);
}

static int run_pollux(const struct bench_config *c, const struct bench_group *group,
                      const struct bench_variant *variant, unsigned run, int stop_fd,
                      struct trace *trace, struct bench_result *out, struct error *err)
{
    if (c->guest == BENCH_GUEST_LINUX) {
        return bench_linux_run(c, group, variant, run, stop_fd, trace, out, err);
    }
    return bench_run_guest(c, group, variant, NULL, run, stop_fd, trace, out, err);
}

static bool takes_all(const struct bench_config *c, const struct bench_group *group,
                      const struct bench_variant *variant)
{
    return true;
}

const struct bench_runner bench_runner_pollux = {
    .name = "pollux",
    .takes = takes_all,
    .run = run_pollux,
};

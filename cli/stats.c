// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>

#include "cli/account.h"
#include "cli/stats.h"

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static double mebibytes(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void print_disk(const char *name, struct virtio_device *dev, FILE *out)
{
    struct virtio_blk_stats s;

    virtio_blk_get_stats(dev, &s);
    fprintf(out,
            "%s: %" PRIu64 " reads, %.1f MiB; %" PRIu64 " writes, %.1f MiB; %" PRIu64
            " flushes; %" PRIu64 " discards, %.1f MiB; %" PRIu64 " write zeroes, %.1f MiB; %" PRIu64
            " others; %" PRIu64 " errors, %" PRIu64 " unsupported\n",
            name, s.reads, mebibytes(s.read_bytes), s.writes, mebibytes(s.write_bytes), s.flushes,
            s.discards, mebibytes(s.discard_bytes), s.write_zeroes, mebibytes(s.write_zeroes_bytes),
            s.others, s.errors, s.unsupported);
    fprintf(out,
            "%s: %" PRIu64 " kicks, %" PRIu64 " interrupts, %" PRIu64 " queue faults, %" PRIu64
            " merged, %" PRIu64 " only zeroes, %" PRIu64 " bounced, %" PRIu64 " in flight, %" PRIu64
            " of them held after an error; %" PRIu64 " errors ignored\n",
            name, s.kicks, s.interrupts, s.faults, s.merged, s.zeroes, s.bounced, s.in_flight,
            s.held, s.ignored);
}

static void print_stages(const char *name, enum blk_latency_op op,
                         const struct blk_histogram stages[BLK_LATENCY_STAGES], FILE *out)
{
    const double us = 1e3;

    for (unsigned i = 0; i < BLK_LATENCY_STAGES; i++) {
        const struct blk_histogram *h = &stages[i];

        fprintf(out, "%s:   %-15s %-22s %9.2f %9.2f %9.2f %9.2f %9.2f %9" PRIu64 "\n", name,
                blk_latency_op_name(op), blk_latency_stage_name(i), blk_histogram_mean(h) / us,
                (double)blk_histogram_quantile(h, 0.5) / us,
                (double)blk_histogram_quantile(h, 0.99) / us,
                (double)blk_histogram_quantile(h, 0.999) / us, (double)h->max_ns / us, h->timed);
    }
}

static void print_latency(const char *name, struct virtio_device *dev, FILE *out)
{
    struct blk_latency *latency = malloc(sizeof(*latency));
    bool titled = false;

    if (!latency) {
        fprintf(out, "%s: out of memory\n", name);
        return;
    }
    virtio_blk_get_latency(dev, latency);
    for (unsigned op = 0; op < BLK_LATENCY_OPS; op++) {
        if (!latency->of[op][BLK_SEEN_TO_USED].timed) {
            continue;
        }
        if (!titled) {
            fprintf(out, "%s:   %-15s %-22s %9s %9s %9s %9s %9s %9s\n", name, "us", "", "mean",
                    "p50", "p99", "p99.9", "max", "timed");
            titled = true;
        }
        print_stages(name, op, latency->of[op], out);
    }
    free(latency);
}

void stats_print_disk(const char *name, struct virtio_device *dev, FILE *out)
{
    print_disk(name, dev, out);
    print_latency(name, dev, out);
}

void stats_print(struct machine *m, const struct machine_config *config, FILE *out)
{
    for (unsigned i = 0; i < config->cpus; i++) {
        fprintf(out, "vcpu%u: %.3f s CPU, %" PRIu64 " exits to user space\n", i,
                seconds(machine_vcpu_cpu_ns(m, i)), machine_vcpu_exits(m, i));
    }
    for (unsigned i = 0; i < config->nr_iothreads; i++) {
        account_print(machine_iothread(m, i), out);
    }
    for (unsigned i = 0; i < config->nr_disks; i++) {
        stats_print_disk(config->disks[i].name, machine_disk(m, i), out);
    }
}

// SPDX-License-Identifier: MIT
/* The bench guest in a fresh Pollux machine. */
#ifndef POLLUX_BENCH_RUN_POLLUX_H
#define POLLUX_BENCH_RUN_POLLUX_H

#include "bench/workload.h"
#include "kvm/machine.h"

extern const struct bench_runner bench_runner_pollux;

/* A block device that replaces virtio-blk in the machine; see struct disk_config. */
struct bench_device {
    int (*make)(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err);
    void *opaque;
};

/**
 * bench_run_guest - one run in a fresh Pollux machine
 * @device: NULL: virtio-blk
 * For the rest see struct bench_runner.
 */
int bench_run_guest(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, const struct bench_device *device,
                    unsigned run, int stop_fd, struct trace *trace, struct bench_result *out,
                    struct error *err);

#endif

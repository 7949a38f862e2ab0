// SPDX-License-Identifier: MIT
/* A run in a fresh machine of ours. */
#ifndef POLLUX_BENCH_MACHINE_H
#define POLLUX_BENCH_MACHINE_H

#include "bench/bench.h"
#include "kvm/machine.h"

/* --- machine.c --- */

struct bench_end {
    enum machine_end how;
    char message[ERROR_MSG_MAX / 2];
};

/**
 * bench_machine_run - a machine from its start to its end
 * @nr_idle: see bench_idle_add()
 * @timeout_ms: for a guest that does not end by itself
 * @m: set before the guest runs, for what runs beside it; freed when this returns
 * Return: 0 and @end when the machine ended by itself; -EINTR when it was stopped; else -errno and
 *         @err.
 */
int bench_machine_run(const struct machine_config *mc, unsigned nr_idle, int timeout_ms,
                      int stop_fd, struct machine **m, struct bench_end *end, struct error *err);

/* --- idle.c --- */

struct bench_idle;

/**
 * bench_idle_add - @n handlers in the loop of @io that can be polled and never have anything to do
 * Return: 0 and *@out, which bench_idle_remove() frees; or -errno and @err.
 */
int bench_idle_add(struct iothread *io, unsigned n, struct bench_idle **out, struct error *err);
void bench_idle_remove(struct bench_idle *idle);

/* --- cell.c --- */

/* A block device to be run in our machine in place of our own; see struct disk_config. */
struct bench_device {
    int (*make)(void *opaque, const struct image *image, const struct guest_memory *mem,
                struct virtio_device **out, struct error *err);
    void *opaque;
};

/**
 * bench_cell - one run in a fresh machine of ours
 * @device: NULL: our own
 * For the rest see struct bench_runner.
 */
int bench_cell(const struct bench_config *c, const struct bench_group *group,
               const struct bench_variant *variant, const struct bench_device *device, unsigned run,
               int stop_fd, struct trace *trace, struct bench_result *out, struct error *err);

/* --- linux.c --- */

/* As struct bench_runner.run, with fio in the test Linux guest. */
int bench_linux_run(const struct bench_config *c, const struct bench_group *group,
                    const struct bench_variant *variant, unsigned run, int stop_fd,
                    struct trace *trace, struct bench_result *out, struct error *err);

/**
 * bench_linux_check - is the guest there, and can KVM boot it?
 * Return: 0, or -errno and @err.
 */
int bench_linux_check(const struct bench_config *c, struct error *err);

#endif

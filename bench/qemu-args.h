// SPDX-License-Identifier: MIT
/* QEMU's command line for one run. */
#ifndef POLLUX_BENCH_QEMU_ARGS_H
#define POLLUX_BENCH_QEMU_ARGS_H

#include <stdbool.h>

#include "bench/workload.h"

#define QEMU_ARGS_MAX 64

struct qemu_args {
    char *argv[QEMU_ARGS_MAX + 1]; /* ended by NULL */
    unsigned n;
    bool failed; /* while it is made: a word is missing */
};

/* QEMU's engine of the same kind, NULL if it has none. */
const char *qemu_aio_name(const struct bench_disk *t);

/**
 * qemu_args_make - a command line
 * @w: zeroed; qemu_args_free() releases, also after an error
 * @run: as in bench_runner.run
 * @kernel_fd: the bench guest as a file, which QEMU inherits
 * Return: 0 or -ENOMEM.
 */
int qemu_args_make(struct qemu_args *w, const struct bench_config *c,
                   const struct bench_group *group, const struct bench_variant *variant,
                   unsigned run, int kernel_fd);
void qemu_args_free(struct qemu_args *w);

#endif

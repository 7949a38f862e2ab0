// SPDX-License-Identifier: MIT
/* Who runs a variant: Pollux, QEMU, or the host alone. See struct bench_runner. */
#ifndef POLLUX_BENCH_RUNNERS_H
#define POLLUX_BENCH_RUNNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bench/bench.h"

/* --- cell.c --- */

extern const struct bench_runner bench_runner_pollux;

/* --- qemu.c --- */

extern const struct bench_runner bench_runner_qemu;

/* What @c names: a path, or a name to be looked for along PATH. */
const char *bench_qemu_program(const struct bench_config *c);

/**
 * bench_qemu_probe - which version of QEMU that is
 * Return: 0 and @out, or -errno and @err.
 */
int bench_qemu_probe(const struct bench_config *c, struct bench_qemu *out, struct error *err);

/* The rule by which its iothread polls. */
const struct poll_policy_ops *bench_qemu_policy(const struct bench_qemu *qemu);

/* --- bare.c, fio.c, pread.c: the host alone --- */

extern const struct bench_runner bench_runner_bare, bench_runner_fio, bench_runner_pread;

/* Is this something that a program on the host can do as well? */
static inline bool bench_host_takes(const struct bench_config *c, const struct bench_group *group)
{
    return group->target->file && c->disks == 1 && c->queues == 1 && !c->fsync &&
           !strcmp(group->pause, "0");
}

/**
 * bench_fio_probe - which version of fio is installed
 * Return: false if there is none; then @version is empty.
 */
bool bench_fio_probe(char *version, size_t size);

#endif

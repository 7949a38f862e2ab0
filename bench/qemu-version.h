// SPDX-License-Identifier: MIT
/* The QEMU that Pollux is compared with. */
#ifndef POLLUX_BENCH_QEMU_VERSION_H
#define POLLUX_BENCH_QEMU_VERSION_H

#include "aio/policy/policy.h"
#include "bench/bench-options.h"

struct bench_qemu {
    char version[32];
    unsigned major, minor;
};

/* The QEMU of @c: a path, or a name to be looked for along PATH. */
const char *bench_qemu_program(const struct bench_config *c);

/**
 * bench_qemu_probe - the version of QEMU
 * Return: 0 and @out, or -errno and @err.
 */
int bench_qemu_probe(const struct bench_config *c, struct bench_qemu *out, struct error *err);

/* The poll policy of its iothread. */
const struct poll_policy_ops *bench_qemu_policy(const struct bench_qemu *qemu);

#endif

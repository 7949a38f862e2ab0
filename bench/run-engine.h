// SPDX-License-Identifier: MIT
/* Reads of a disk by its engine, in an I/O thread without a guest. */
#ifndef POLLUX_BENCH_RUN_ENGINE_H
#define POLLUX_BENCH_RUN_ENGINE_H

#include "bench/workload.h"

/* Its results have IOPS, latencies and the CPU time of all threads. */
extern const struct bench_runner bench_runner_engine;

/**
 * bench_engine_probe - can @ops be opened on @image?
 * Return: 0, or -errno and @err.
 */
int bench_engine_probe(const struct engine_ops *ops, const struct image *image, struct error *err);

#endif

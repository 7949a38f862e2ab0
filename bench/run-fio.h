// SPDX-License-Identifier: MIT
/* fio on the host, without a guest. */
#ifndef POLLUX_BENCH_RUN_FIO_H
#define POLLUX_BENCH_RUN_FIO_H

#include "bench/workload.h"

extern const struct bench_runner bench_runner_fio;

/**
 * bench_fio_probe - which version of fio is installed
 * Return: false if there is none; then @version is empty.
 */
bool bench_fio_probe(char *version, size_t size);

#endif

// SPDX-License-Identifier: MIT
#ifndef POLLUX_BENCH_GNUPLOT_H
#define POLLUX_BENCH_GNUPLOT_H

#include <stddef.h>

#include "base/error.h"

/**
 * gnuplot_probe - is it there?
 * Return: 0, or -errno and @err, which names the package.
 */
int gnuplot_probe(struct error *err);

/**
 * gnuplot_run - run commands
 * @out: what it printed, ended by a '\0'; free() it
 * Return: 0, or -errno and @err; then *@out is NULL.
 */
int gnuplot_run(const char *script, size_t size, char **out, struct error *err);

#endif

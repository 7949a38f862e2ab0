// SPDX-License-Identifier: MIT
/* A recommendation as sentences and as options. */
#ifndef POLLUX_BENCH_ADVISE_ADVICE_TEXT_H
#define POLLUX_BENCH_ADVISE_ADVICE_TEXT_H

#include "bench/advise/rule.h"

#define ADVISE_REASONS  4
#define ADVISE_TEXT_MAX 700

/**
 * advise_explain - the reasons of a recommendation as sentences with figures
 * Return: their number.
 */
unsigned advise_explain(const struct advise_data *d, const struct advice *a,
                        char out[ADVISE_REASONS][ADVISE_TEXT_MAX]);

/**
 * advise_options - the options for pollux run, quoted for a shell
 * Return: NULL if there is no memory; free() it.
 */
char *advise_options(const struct advise_data *d, const struct advice *a);

#endif

// SPDX-License-Identifier: MIT
/* The report of pollux advise. */
#ifndef POLLUX_BENCH_ADVISE_ADVICE_PRINT_H
#define POLLUX_BENCH_ADVISE_ADVICE_PRINT_H

#include <stdio.h>

#include "bench/advise/advise-data.h"

/**
 * advise_print - the table of the bench and the recommendation
 * advise_print_json - the JSON of the bench, with more keys
 * Return: 0 or -ENOMEM.
 */
void advise_print(const struct advise_data *d, FILE *out);
int advise_print_json(const struct advise_data *d, FILE *out);

#endif

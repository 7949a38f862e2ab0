// SPDX-License-Identifier: MIT
/* Cells of a bench result in JSON, for those who read it: the comparison and the page. */
#ifndef POLLUX_BENCH_CELLS_H
#define POLLUX_BENCH_CELLS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Lists of keys, ended by NULL. A cell is a workload and a variant. */
extern const char *const cell_workload_keys[];
extern const char *const cell_variant_keys[];

/* Do two cells agree in all of them? */
bool cell_same(const json_t *a, const json_t *b, const char *const *keys);

/* "" or 0 where there is none. */
const char *cell_text(const json_t *object, const char *key);
json_int_t cell_number(const json_t *object, const char *key);

/* The median of a figure; not a number if it is not known. */
double cell_figure(const json_t *cell, const char *figure);

/**
 * cell_runs - a figure of each run that has it, if it is more than 0
 * @v: room for BENCH_RUNS_MAX
 * Return: how many.
 */
unsigned cell_runs(const json_t *cell, const char *figure, double *v);

/**
 * cell_name_variant - "cost", "qemu grow-shrink", "block+1024/packed"
 * @cap: with poll-max-ns: "cost 200us"
 * cell_name_workload - "memory, linux-aio, 4K, depth 1, pause exp:50us"
 * @depth: false: without
 */
void cell_name_variant(const json_t *cell, bool cap, char *buf, size_t size);
void cell_name_workload(const json_t *cell, bool depth, char *buf, size_t size);

#endif

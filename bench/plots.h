// SPDX-License-Identifier: MIT
/*
 * Plots of bench results, as gnuplot commands that write SVG. Colours stand for variants, the same
 * in all plots of a page; the page has the legend.
 */
#ifndef POLLUX_BENCH_PLOTS_H
#define POLLUX_BENCH_PLOTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PLOT_STAGES 4

struct plot_stage {
    const char *name, *figure;
    uint32_t rgb;
};

extern const struct plot_stage plot_stages[PLOT_STAGES];

/* Colour of the @i-th variant; they repeat. */
uint32_t plot_colour(unsigned i);

/* What all plots have in common; comes first. */
void plot_begin(FILE *script);

/**
 * plot_* - one plot each
 * @cells: of one section of the page: they differ in depth and variant only
 * @variants: a cell of each variant, in the order of their colours
 * @depth: only of these
 * Return: false, and nothing was written, if the cells do not have what it takes.
 */
bool plot_iops(FILE *script, const json_t *cells, const json_t *variants);
bool plot_cpu(FILE *script, const json_t *cells, const json_t *variants);
bool plot_latency(FILE *script, const json_t *cells, const json_t *variants, int depth);
bool plot_where(FILE *script, const json_t *cells, const json_t *variants, int depth);

#endif

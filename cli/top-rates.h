// SPDX-License-Identifier: MIT
/* Rates and percentiles between two samples of `pollux top`: a row for each thread and disk. */
#ifndef POLLUX_CLI_TOP_RATES_H
#define POLLUX_CLI_TOP_RATES_H

#include "cli/top-sample.h"

/* Times are in ns, percentages of one CPU or as said, rates per second. */
enum top_figure {
    TOP_IOPS,
    TOP_MB, /* of 10^6 bytes */
    TOP_P50,
    TOP_P99,
    TOP_CPU,
    TOP_MISSED, /* percent of the CPU time */
    TOP_RUN_DELAY,
    TOP_WINDOW,
    TOP_KICKS,
    TOP_INTERRUPTS,
    TOP_P999,
    TOP_READS,
    TOP_WRITES,
    TOP_READ_MB,
    TOP_WRITE_MB,
    TOP_IN_FLIGHT,
    TOP_HITS,
    TOP_MISSES,
    TOP_BLOCKS,
    TOP_SYSCALLS,
    TOP_WAKE,
    TOP_POLL_MAX,
    TOP_ERRORS,
    TOP_FIGURES
};

struct top_row {
    char name[TOP_NAME_MAX], policy[TOP_NAME_MAX];
    unsigned index;             /* in the order of the server */
    bool answers;               /* false: a thread that does not */
    double figure[TOP_FIGURES]; /* NAN: unknown, or not a figure of threads or of disks */
};

/* All zeroes: none. */
struct top_rows {
    struct top_row *row; /* threads, then disks */
    unsigned nr_threads, nr_disks;
};

/**
 * top_rates - rows for what happened from @before to @after
 * @before: empty: only figures that are no rates are known. The same holds for a thread or disk that
 *          it lacks, or whose time or counters went back.
 * Return: 0, or -ENOMEM. top_rows_free() frees.
 */
int top_rates(const struct top_sample *before, const struct top_sample *after,
              struct top_rows *out);
void top_rows_free(struct top_rows *rows);

/**
 * top_rows_sort - threads and disks, each by @figure; the largest first, the unknown ones last
 * @figure: TOP_FIGURES: the order of the server
 */
void top_rows_sort(struct top_rows *rows, enum top_figure figure, bool reverse);

#endif

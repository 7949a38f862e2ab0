// SPDX-License-Identifier: MIT
/*
 * What `pollux top` reads from a control socket: counters of I/O threads and disks at one time. All
 * but top_sample_read() are pure functions of the answers; a member that an answer lacks counts as 0.
 */
#ifndef POLLUX_CLI_TOP_SAMPLE_H
#define POLLUX_CLI_TOP_SAMPLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/qmp-client.h"

#define TOP_NAME_MAX 32 /* bytes, with the NUL; longer names are cut */

struct top_bin {
    uint64_t low, end; /* ns */
    uint64_t n;        /* requests that took @low or more, and less than @end */
};

/* A histogram: bins that do not overlap, by time. */
struct top_bins {
    struct top_bin *bin;
    unsigned nr;
};

struct top_thread {
    char id[TOP_NAME_MAX], policy[TOP_NAME_MAX];
    bool answers; /* else only the parameters are known */
    bool has_run_delay;
    uint64_t poll_max_ns;
    uint64_t time_ns, cpu_ns, run_delay_ns, missed_ns, window_ns, wake_ns;
    uint64_t hits, misses, blocks, syscalls;
};

/* What an I/O thread has done for a disk. */
struct top_share {
    char id[TOP_NAME_MAX];
    uint64_t operations, bytes, kicks, interrupts;
};

struct top_disk {
    char name[TOP_NAME_MAX];
    uint64_t time_ns;
    uint64_t reads, writes, others, read_bytes, write_bytes;
    uint64_t kicks, interrupts, errors, in_flight;
    struct top_share *share;
    unsigned nr_shares;
    struct top_bins latency; /* of all requests */
};

/* All zeroes: empty. */
struct top_sample {
    struct top_thread *thread;
    struct top_disk *disk;
    unsigned nr_threads, nr_disks;
};

/**
 * top_sample_parse - fill @s from the answers to three commands
 * @iothreads, @polling, @blockstats: of query-iothreads, x-pollux-polling, query-blockstats
 * Return: 0, or -EPROTO or -ENOMEM and @err. top_sample_free() frees in both cases.
 */
int top_sample_parse(struct top_sample *s, const json_t *iothreads, const json_t *polling,
                     const json_t *blockstats, struct error *err);
void top_sample_free(struct top_sample *s);

/**
 * top_sample_read - ask a server for a sample
 * Return: as qmp_connection_ask(), or as above.
 */
int top_sample_read(struct top_sample *s, struct qmp_connection *c, struct error *err);

/**
 * top_bins_add - add the counts of @from to @to
 * Return: 0 or -ENOMEM.
 */
int top_bins_add(struct top_bins *to, const struct top_bins *from);

/**
 * top_bins_since - what @after counts beyond @before
 * Return: 0 and *@out, whose bins free() frees; -ERANGE: a count went back; -ENOMEM.
 */
int top_bins_since(const struct top_bins *before, const struct top_bins *after,
                   struct top_bins *out);

/**
 * top_bins_quantile - the time that a share @q of the requests did not exceed
 * Return: ns, interpolated inside a bin; NAN if @bins has no requests.
 */
double top_bins_quantile(const struct top_bins *bins, double q);

#endif

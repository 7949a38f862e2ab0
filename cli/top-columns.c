// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/top-columns.h"

const struct top_column top_columns[TOP_FIGURES] = {
    {TOP_IOPS, "IOPS", "iops", 8, 0, 1, "requests per second: reads, writes, flushes, discards"},
    {TOP_MB, "MB/s", "mb_per_s", 8, 1, 1, "10^6 bytes read and written per second"},
    {TOP_P50, "p50us", "lat_p50_ns", 7, 2, 1e3, "median latency of the requests in the device, us"},
    {TOP_P99, "p99us", "lat_p99_ns", 7, 2, 1e3, "99 % of the requests took no longer, us"},
    {TOP_CPU, "CPU%", "cpu_percent", 6, 1, 1, "CPU time of the thread, percent of a CPU"},
    {TOP_MISSED, "MISS%", "missed_percent", 6, 1, 1,
     "percent of this CPU time: polls without an event"},
    {TOP_RUN_DELAY, "DELAY%", "run_delay_percent", 7, 1, 1,
     "time in which the thread waited for a CPU, percent"},
    {TOP_WINDOW, "WIN-us", "window_ns", 7, 1, 1e3,
     "how long the thread polls now before it blocks, us"},
    {TOP_KICKS, "KICK/s", "kicks_per_s", 7, 0, 1, "notifications by the driver per second"},
    {TOP_INTERRUPTS, "INTR/s", "interrupts_per_s", 7, 0, 1, "interrupts of the driver per second"},
    {TOP_P999, "p99.9us", "lat_p99.9_ns", 8, 2, 1e3, "99.9 % of the requests took no longer, us"},
    {TOP_READS, "READ/s", "reads_per_s", 8, 0, 1, "reads per second"},
    {TOP_WRITES, "WRITE/s", "writes_per_s", 8, 0, 1, "writes per second"},
    {TOP_READ_MB, "RDMB/s", "read_mb_per_s", 8, 1, 1, "10^6 bytes read per second"},
    {TOP_WRITE_MB, "WRMB/s", "write_mb_per_s", 8, 1, 1, "10^6 bytes written per second"},
    {TOP_IN_FLIGHT, "INFL", "in_flight", 6, 0, 1, "requests in flight now"},
    {TOP_HITS, "HIT/s", "hits_per_s", 8, 0, 1,
     "waits per second that ended while the thread polled"},
    {TOP_MISSES, "MISS/s", "misses_per_s", 8, 0, 1,
     "waits per second with polling, and then a block"},
    {TOP_BLOCKS, "BLOCK/s", "blocks_per_s", 8, 0, 1, "blocks in the kernel per second"},
    {TOP_SYSCALLS, "SYSC/s", "system_calls_per_s", 8, 0, 1, "system calls per second"},
    {TOP_WAKE, "W-us", "wake_ns", 7, 1, 1e3, "latency that blocking adds, as measured, us"},
    {TOP_POLL_MAX, "MAX-us", "poll_max_ns", 7, 1, 1e3, "poll-max-ns: the longest window, us"},
    {TOP_ERRORS, "ERR/s", "errors_per_s", 6, 0, 1, "failed requests per second"},
};

/* What 80 columns leave for the name, and what an id of an I/O thread needs. */
#define NAME_WIDTH_LEAST 10
#define NAME_WIDTH_MOST  16

unsigned top_name_width(unsigned width)
{
    unsigned more = width > 80 ? width - 80 : 0;

    return NAME_WIDTH_LEAST + more < NAME_WIDTH_MOST ? NAME_WIDTH_LEAST + more : NAME_WIDTH_MOST;
}

/* Return: the columns that fit, and the width that they leave in *@left. */
static unsigned fit(unsigned width, unsigned *left)
{
    unsigned used = top_name_width(width), n = 0;

    while (n < TOP_FIGURES && used + top_columns[n].width <= width) {
        used += top_columns[n++].width;
    }
    *left = width > used ? width - used : 0;
    return n;
}

unsigned top_columns_in(unsigned width)
{
    unsigned left;

    return fit(width, &left);
}

bool top_policy_in(unsigned width)
{
    unsigned left;

    return fit(width, &left) == TOP_FIGURES && left >= TOP_POLICY_WIDTH;
}

void top_number(char *out, size_t size, const struct top_column *column, double value)
{
    static const char *const suffixes[] = {"", "k", "M", "G", "T", "P", "E"};
    double scaled = value / column->unit;

    if (isnan(value)) {
        snprintf(out, size, "-");
        return;
    }
    for (unsigned i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++, scaled /= 1000) {
        for (unsigned decimals = i ? 1 : column->decimals;; decimals--) {
            int len = snprintf(out, size, "%.*f%s", (int)decimals, scaled, suffixes[i]);

            if (len < (int)column->width) {
                return;
            }
            if (decimals == 0) {
                break;
            }
        }
    }
    snprintf(out, size, "much");
}

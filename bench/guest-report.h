// SPDX-License-Identifier: MIT
/* The bench guest under any runner: its memory, its command line and its report. */
#ifndef POLLUX_BENCH_GUEST_REPORT_H
#define POLLUX_BENCH_GUEST_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "bench/workload.h"

/* Differences between the guest's two marks. */
struct bench_clocks {
    uint64_t elapsed_ns;
    uint64_t iothread_ns; /* CPU time of the I/O thread */
    uint64_t exits;       /* of the vCPU, to user space; 0: not counted */
};

/* CPU time of all threads but the vCPU's. The clocks are not read at the same moment, so the
 * difference may be below 0 if the other threads did nearly nothing. */
static inline uint64_t bench_other_ns(uint64_t process_ns, uint64_t vcpu_ns)
{
    return process_ns > vcpu_ns ? process_ns - vcpu_ns : 0;
}

/* Entries of each virtqueue. The guest takes four for a request, so that none share a cache line.
 */
unsigned bench_queue_size(const struct bench_group *group);

/* Bytes of memory that the guest needs for this. */
uint64_t bench_guest_memory(const struct bench_config *c, const struct bench_group *group);

/* The guest's command line. */
void bench_guest_append(const struct bench_config *c, const struct bench_group *group,
                        const struct bench_variant *variant, unsigned run, char *buf, size_t size);

/* The value of the first line "KEY=..." of a report; it ends with the line. NULL: none. */
const char *bench_guest_value(const char *report, const char *key);

/**
 * bench_guest_report - figures from the output of the guest and the host's clocks
 * All others are made unknown.
 * Return: 0 and @out, or -EPROTO and @err.
 */
int bench_guest_report(const char *report, const struct bench_clocks *clocks,
                       struct bench_result *out, struct error *err);

/**
 * bench_guest_failure - the error that the guest reports
 * Return: -EIO and @err, or 0 if there is none.
 */
int bench_guest_failure(const char *report, struct error *err);

#endif

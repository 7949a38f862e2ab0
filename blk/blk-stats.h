// SPDX-License-Identifier: MIT
/* Counters of a disk. Each queue has its own, written by its I/O thread. */
#ifndef POLLUX_BLK_BLK_STATS_H
#define POLLUX_BLK_BLK_STATS_H

#include <stdint.h>

/* Every member is a uint64_t: blk_stats_add() adds them up as an array. */
struct virtio_blk_stats {
    uint64_t reads, writes, flushes, discards, write_zeroes;
    uint64_t others; /* requests without I/O: GET_ID */
    uint64_t read_bytes, write_bytes, discard_bytes, write_zeroes_bytes;
    uint64_t errors;      /* completed with S_IOERR; not in the counters above */
    uint64_t unsupported; /* completed with S_UNSUPP */
    uint64_t kicks;       /* notifications received from the driver */
    uint64_t interrupts;  /* sent to the driver */
    uint64_t faults;      /* queues broken by the driver */
    uint64_t bounced;     /* moved through a bounce buffer, because O_DIRECT rejects their memory */
    uint64_t ignored;     /* failed by the host and completed with S_OK (VIRTIO_BLK_IGNORE) */
    uint64_t held;        /* in flight, waiting for virtio_blk_retry() */
    uint64_t merged;      /* submitted to the host as a part of the request before them */
    uint64_t zeroes;      /* writes of zeroes that became write zeroes */
    uint64_t in_flight;
};

/**
 * blk_stats_add - add the counters @from, which their thread may be writing, to @to
 */
void blk_stats_add(struct virtio_blk_stats *to, const struct virtio_blk_stats *from);

#endif

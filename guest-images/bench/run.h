// SPDX-License-Identifier: MIT
/*
 * run.h - the measured loop: keep `depth` requests in flight in each queue
 */
#ifndef GUEST_IMAGES_BENCH_RUN_H
#define GUEST_IMAGES_BENCH_RUN_H

#include "guest-images/bench/bench-guest.h"
#include "guest-images/bench/histogram.h"
#include "guest-images/bench/pause.h"
#include "guest-images/bench/ring.h"
#include "guest-images/bench/virtio-mmio.h"

/* The workload. One random number generator serves all queues. */
struct workload {
    uint64_t random_state;
    bool random;
    bool mixed;
    bool verify;
    uint8_t read_percent;
    uint32_t flush_every;
    struct pause pause; /* TSC ticks */
    bool pausing;
};

/* A queue of a disk, and its part of the workload. */
struct queue {
    struct ring ring;
    uint64_t blocks;            /* of bs bytes, in the region in use */
    uint64_t sectors_per_block; /* bs / 512 */
    uint64_t first_block;       /* order=seq: the queues of a disk begin far from each other */
    uint64_t next_block;
    uint32_t until_flush;
    unsigned in_flight;
    unsigned disk;
};

/* The results of one run. */
struct results {
    uint64_t elapsed_ticks; /* first submission to last completion */
    uint64_t errors;        /* requests with a status that is not OK */
    uint8_t last_error;     /* its status */
    uint64_t bad_lengths;   /* used entries with a wrong length */
    uint64_t mismatches;    /* sectors read that verify=1 has not written */
    uint64_t rescued;       /* waits that the timer ended although there was a completion */
    struct histogram data;
    struct histogram flush;
};

struct bench {
    struct workload workload;
    struct results results;
    unsigned disk_count, queue_count;
    struct virtio_disk disks[BENCH_MAX_DISKS];
    struct queue queues[BENCH_MAX_DISKS * BENCH_MAX_QUEUES];
};

/**
 * run_poll, run_irq - submit until a limit, then wait for the requests in flight
 * @requests: at most so many reads and writes
 * @ticks:    and none after so many TSC ticks
 *
 * run_irq() waits with hlt: interrupts must be connected and the timer started.
 * bench->results is cleared first. Ends the guest if the device breaks the ring or stalls.
 */
void run_poll(struct bench *bench, uint64_t requests, uint64_t ticks);
void run_irq(struct bench *bench, uint64_t requests, uint64_t ticks);

#endif

// SPDX-License-Identifier: MIT
/*
 * options.h - the command line
 */
#ifndef GUEST_IMAGES_BENCH_OPTIONS_H
#define GUEST_IMAGES_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-images/bench/bench-guest.h"
#include "guest-images/bench/pause.h"

struct disk_place {
    uint64_t mmio;
    unsigned irq;
};

struct options {
    unsigned depth;
    unsigned bs;           /* bytes */
    unsigned read_percent; /* 100: only reads, 0: only writes */
    bool random;
    bool wait_irq;
    bool event_idx;
    bool indirect;
    bool packed;
    bool verify;
    bool hist;
    bool ctl;
    bool serial;
    struct pause pause; /* ns */
    uint64_t time_ns;   /* 0: no limit */
    uint64_t requests;  /* 0: no limit; flushes are not counted */
    uint64_t warmup;
    uint64_t region; /* bytes from the start of each disk, 0: all of it */
    uint64_t seed;
    unsigned flush_every; /* one flush after so many writes, 0: none */
    unsigned queue_size;  /* 0: the smallest that holds @depth requests */
    unsigned disks;       /* 0: all that were found */
    unsigned queues;      /* of each disk */
    unsigned found;
    struct disk_place place[BENCH_MAX_DISKS];
};

/* Fill @options from @cmdline; a wrong option ends the guest with BENCH_EXIT_USAGE. */
void options_parse(struct options *options, const char *cmdline);

/* Print the options as they were parsed. */
void options_report(const struct options *options);

#endif

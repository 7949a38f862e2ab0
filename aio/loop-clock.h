// SPDX-License-Identifier: MIT
/* The loop's clock, besides aio_now() of aio.h. */
#ifndef POLLUX_AIO_LOOP_CLOCK_H
#define POLLUX_AIO_LOOP_CLOCK_H

#include "aio/aio.h"

/* Age of a recent reading, at most, in ticks of the CPU's counter: a few microseconds. */
#define AIO_RECENT_TICKS 8192

/* CLOCK_MONOTONIC, ns: the clock of a loop that is not given another one. */
uint64_t aio_clock_monotonic(void);

/*
 * aio_recent - a reading of the clock that may be a few microseconds old
 * Cheaper than aio_now(): the kernel's clock waits for all instructions that the CPU has begun. A
 * clock other than the kernel's is read anew.
 */
uint64_t aio_recent(AioContext *ctx);

#endif

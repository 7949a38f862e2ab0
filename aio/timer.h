// SPDX-License-Identifier: MIT
/* Timers: the functions that an iteration calls. */
#ifndef POLLUX_AIO_TIMER_H
#define POLLUX_AIO_TIMER_H

#include "aio/aio.h"

/* Return: ns from @now to the next timer, 0 if one is due, INT64_MAX if none is armed. */
int64_t aio_timers_timeout(const AioContext *ctx, uint64_t now);

/* Runs those that are due at @now. Return: true if there was one. */
bool aio_timers_run(AioContext *ctx, uint64_t now);

#endif

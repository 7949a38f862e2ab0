// SPDX-License-Identifier: MIT
/* Bottom halves: the functions that an iteration calls. */
#ifndef POLLUX_AIO_BH_H
#define POLLUX_AIO_BH_H

#include "aio/aio.h"

/* Is a bottom half scheduled? */
bool aio_bh_any(AioContext *ctx);

/* Runs those that are scheduled. Return: true if there was one. */
bool aio_bh_run(AioContext *ctx);

#endif

// SPDX-License-Identifier: MIT
/* Deferred work: the function that an iteration calls. */
#ifndef POLLUX_AIO_DEFERRED_H
#define POLLUX_AIO_DEFERRED_H

#include "aio/aio.h"

/* Runs the deferred work of the turn. Return: true if there was any. */
bool aio_deferred_run(AioContext *ctx);

#endif

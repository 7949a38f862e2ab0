// SPDX-License-Identifier: MIT
/* The account of removed handlers; aio_get_handlers() and aio_get_stats() are in aio.h. */
#ifndef POLLUX_AIO_STATS_H
#define POLLUX_AIO_STATS_H

#include "aio/aio.h"

/* @h is being removed: add its figures to those of removed handlers of its name. */
void aio_stats_close(const struct aio_handler *h);

/* Frees the figures of removed handlers. */
void aio_stats_destroy(AioContext *ctx);

#endif

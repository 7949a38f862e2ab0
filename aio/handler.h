// SPDX-License-Identifier: MIT
/* File descriptor handlers: functions that aio.h does not declare. */
#ifndef POLLUX_AIO_HANDLER_H
#define POLLUX_AIO_HANDLER_H

#include "aio/aio.h"

/* Watches the notifier's descriptor. Its handler stays outside nr_handlers and the poll set: the poll
 * pass reads `notified` instead. Return: 0 or -errno. */
int aio_handler_add_notifier(AioContext *ctx, int fd, const struct aio_handler_ops *ops);

#endif

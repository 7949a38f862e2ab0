// SPDX-License-Identifier: MIT
/* The list of handlers that have an event, which poll passes and monitors fill. */
#ifndef POLLUX_AIO_READY_H
#define POLLUX_AIO_READY_H

#include "aio/loop.h"

/* @revents: what the monitor reported; 0: the poll callback returned true */
static inline void aio_handler_ready(struct aio_handler *h, int revents)
{
    h->revents |= revents;
    if (list_empty(&h->ready_node)) {
        list_add_tail(&h->ctx->ready, &h->ready_node);
    }
}

#endif

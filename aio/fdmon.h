// SPDX-License-Identifier: MIT
/*
 * File descriptor monitors: how a loop asks the kernel which descriptors are ready, and sleeps.
 * Private to aio/; every call is made by the loop's owner.
 */
#ifndef POLLUX_AIO_FDMON_H
#define POLLUX_AIO_FDMON_H

#include <stdint.h>

#include "aio/aio.h"

struct fdmon_ops {
    const char *name;

    /* Return: 0 and ctx->fdmon_data set, or -errno. */
    int (*open)(AioContext *ctx);
    void (*close)(AioContext *ctx);

    /* h->fd and h->events are set. Return: 0 or -errno, then @h is not watched. */
    int (*add)(AioContext *ctx, struct aio_handler *h);
    void (*remove)(AioContext *ctx, struct aio_handler *h);

    /**
     * wait - hand every ready handler to aio_handler_ready()
     * @timeout: ns; 0: do not block; INT64_MAX: as long as it takes
     */
    void (*wait)(AioContext *ctx, int64_t timeout);
};

extern const struct fdmon_ops fdmon_ppoll;

/* @timeout in ns, INT64_MAX for none, as ppoll(2) wants it: NULL or *@ts. */
struct timespec;
const struct timespec *fdmon_timespec(struct timespec *ts, int64_t timeout);

#endif

// SPDX-License-Identifier: MIT
/*
 * File descriptor monitors: how a loop asks the kernel which descriptors are ready, and sleeps.
 * Private to aio/; every call is made by the loop's owner.
 */
#ifndef POLLUX_AIO_FDMON_FDMON_H
#define POLLUX_AIO_FDMON_FDMON_H

#include <stdint.h>
#include <time.h>

#include "aio/aio.h"

struct fdmon;

struct fdmon_ops {
    const char *name;

    /* Return: 0 and *@out, or -errno. */
    int (*open)(AioContext *ctx, struct fdmon **out);
    /* No handler is left. */
    void (*close)(struct fdmon *m);

    /* h->fd and h->events are set. Return: 0 or -errno, then @h is not watched. */
    int (*add)(struct fdmon *m, struct aio_handler *h);
    void (*remove)(struct fdmon *m, struct aio_handler *h);

    /* Stop watching @h, which the loop polls, or watch it again. If the descriptor is then ready,
     * the next wait() reports it. Can't fail. NULL: the monitor always watches @h. */
    void (*watch)(struct fdmon *m, struct aio_handler *h, bool on);

    /**
     * wait - hand every ready handler to aio_handler_ready()
     * @timeout: ns; 0: do not block; INT64_MAX: as long as it takes
     */
    void (*wait)(struct fdmon *m, int64_t timeout);
};

/* What each monitor's own structure begins with. */
struct fdmon {
    const struct fdmon_ops *ops;
    AioContext *ctx;
};

extern const struct fdmon_ops fdmon_auto;
extern const struct fdmon_ops fdmon_ppoll;
extern const struct fdmon_ops fdmon_epoll;
extern const struct fdmon_ops fdmon_io_uring;

/* The monitor called @name, "auto" if NULL. Return: NULL if there is none. */
const struct fdmon_ops *fdmon_find(const char *name);

/* @timeout in ns, INT64_MAX for none, as ppoll(2) wants it: NULL or @ts. */
static inline const struct timespec *fdmon_timespec(struct timespec *ts, int64_t timeout)
{
    if (timeout == INT64_MAX) {
        return NULL;
    }
    *ts = (struct timespec){.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
    return ts;
}

#endif

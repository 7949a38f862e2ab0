// SPDX-License-Identifier: MIT
/* The monitor on ppoll(2): nothing to set up in the kernel, cost grows with the number of handlers.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "aio/internal.h"

struct ppoll_set {
    struct pollfd *fds;
    struct aio_handler **handlers; /* of the same index */
    unsigned nr, capacity;
};

const struct timespec *fdmon_timespec(struct timespec *ts, int64_t timeout)
{
    if (timeout == INT64_MAX) {
        return NULL;
    }
    ts->tv_sec = timeout / 1000000000;
    ts->tv_nsec = timeout % 1000000000;
    return ts;
}

static int ppoll_open(AioContext *ctx)
{
    ctx->fdmon_data = calloc(1, sizeof(struct ppoll_set));
    return ctx->fdmon_data ? 0 : -ENOMEM;
}

static void ppoll_close(AioContext *ctx)
{
    struct ppoll_set *set = ctx->fdmon_data;

    free(set->fds);
    free(set->handlers);
    free(set);
}

static int grow(struct ppoll_set *set)
{
    unsigned capacity = set->capacity ? 2 * set->capacity : 8;
    struct pollfd *fds = reallocarray(set->fds, capacity, sizeof(*fds));
    struct aio_handler **handlers;

    if (!fds) {
        return -ENOMEM;
    }
    set->fds = fds;
    handlers = reallocarray(set->handlers, capacity, sizeof(*handlers));
    if (!handlers) {
        return -ENOMEM;
    }
    set->handlers = handlers;
    set->capacity = capacity;
    return 0;
}

static int ppoll_add(AioContext *ctx, struct aio_handler *h)
{
    struct ppoll_set *set = ctx->fdmon_data;

    if (set->nr == set->capacity && grow(set) < 0) {
        return -ENOMEM;
    }
    h->fdmon_index = set->nr++;
    set->fds[h->fdmon_index] = (struct pollfd){.fd = h->fd, .events = h->events};
    set->handlers[h->fdmon_index] = h;
    return 0;
}

static void ppoll_remove(AioContext *ctx, struct aio_handler *h)
{
    struct ppoll_set *set = ctx->fdmon_data;
    unsigned last = --set->nr;

    set->fds[h->fdmon_index] = set->fds[last];
    set->handlers[h->fdmon_index] = set->handlers[last];
    set->handlers[h->fdmon_index]->fdmon_index = h->fdmon_index;
}

static void ppoll_wait(AioContext *ctx, int64_t timeout)
{
    struct ppoll_set *set = ctx->fdmon_data;
    struct timespec ts;
    int n;

    stat_add(&ctx->stats.syscalls, 1);
    n = ppoll(set->fds, set->nr, fdmon_timespec(&ts, timeout), NULL);
    for (unsigned i = 0; n > 0; i++) {
        if (set->fds[i].revents) {
            aio_handler_ready(set->handlers[i], set->fds[i].revents);
            n--;
        }
    }
}

const struct fdmon_ops fdmon_ppoll = {
    .name = "ppoll",
    .open = ppoll_open,
    .close = ppoll_close,
    .add = ppoll_add,
    .remove = ppoll_remove,
    .wait = ppoll_wait,
};

// SPDX-License-Identifier: MIT
/* The monitor on ppoll(2): no set-up in the kernel; a call costs more with more handlers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "aio/fdmon/fdmon.h"
#include "aio/ready.h"

struct fdmon_ppoll {
    struct fdmon m;
    struct pollfd *fds;
    struct aio_handler **handlers; /* of the same index */
    unsigned nr, capacity;
};

static struct fdmon_ppoll *ppoll_of(struct fdmon *m)
{
    return container_of(m, struct fdmon_ppoll, m);
}

static int ppoll_open(AioContext *ctx, struct fdmon **out)
{
    struct fdmon_ppoll *p = calloc(1, sizeof(*p));

    if (!p) {
        return -ENOMEM;
    }
    p->m = (struct fdmon){&fdmon_ppoll, ctx};
    *out = &p->m;
    return 0;
}

static void ppoll_close(struct fdmon *m)
{
    struct fdmon_ppoll *p = ppoll_of(m);

    free(p->fds);
    free(p->handlers);
    free(p);
}

static int grow(struct fdmon_ppoll *p)
{
    unsigned capacity = p->capacity ? 2 * p->capacity : 8;
    struct pollfd *fds = reallocarray(p->fds, capacity, sizeof(*fds));
    struct aio_handler **handlers;

    if (!fds) {
        return -ENOMEM;
    }
    p->fds = fds;
    handlers = reallocarray(p->handlers, capacity, sizeof(*handlers));
    if (!handlers) {
        return -ENOMEM;
    }
    p->handlers = handlers;
    p->capacity = capacity;
    return 0;
}

static int ppoll_add(struct fdmon *m, struct aio_handler *h)
{
    struct fdmon_ppoll *p = ppoll_of(m);

    if (p->nr == p->capacity && grow(p) < 0) {
        return -ENOMEM;
    }
    h->fdmon_index = p->nr++;
    p->fds[h->fdmon_index] = (struct pollfd){.fd = h->fd, .events = h->events};
    p->handlers[h->fdmon_index] = h;
    return 0;
}

static void ppoll_remove(struct fdmon *m, struct aio_handler *h)
{
    struct fdmon_ppoll *p = ppoll_of(m);
    unsigned last = --p->nr;

    p->fds[h->fdmon_index] = p->fds[last];
    p->handlers[h->fdmon_index] = p->handlers[last];
    p->handlers[h->fdmon_index]->fdmon_index = h->fdmon_index;
}

/* A negative descriptor is left out by ppoll. */
static void ppoll_watch(struct fdmon *m, struct aio_handler *h, bool on)
{
    ppoll_of(m)->fds[h->fdmon_index].fd = on ? h->fd : ~h->fd;
}

static void ppoll_wait(struct fdmon *m, int64_t timeout)
{
    struct fdmon_ppoll *p = ppoll_of(m);
    struct timespec ts;
    int n;

    aio_count_loop_syscall(m->ctx);
    n = ppoll(p->fds, p->nr, fdmon_timespec(&ts, timeout), NULL);
    for (unsigned i = 0; n > 0; i++) {
        if (p->fds[i].revents) {
            aio_handler_ready(p->handlers[i], p->fds[i].revents);
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
    .watch = ppoll_watch,
    .wait = ppoll_wait,
};

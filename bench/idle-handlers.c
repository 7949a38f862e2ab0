// SPDX-License-Identifier: MIT
/* Idle handlers beside the disk, to measure the cost of unused queues in an I/O thread. */
#include "bench/idle-handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "iothread/iothread.h"

struct bench_idle {
    struct iothread *io;
    unsigned nr;  /* added */
    unsigned max; /* wanted */
    struct aio_handler handlers[];
};

static void never_ready(void *opaque, int revents)
{
}

static bool nothing(void *opaque)
{
    return false;
}

static void never_polled(void *opaque)
{
}

static const struct aio_handler_ops idle_ops = {
    .ready = never_ready, .poll = nothing, .poll_ready = never_polled};

static int add_all(void *opaque)
{
    struct bench_idle *idle = opaque;

    for (; idle->nr < idle->max; idle->nr++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int r = fd < 0 ? -errno
                       : aio_handler_add(iothread_ctx(idle->io), &idle->handlers[idle->nr], fd,
                                         POLLIN, &idle_ops, idle, "idle", NULL);

        if (r < 0) {
            if (fd >= 0) {
                close(fd);
            }
            return r;
        }
    }
    return 0;
}

static int remove_all(void *opaque)
{
    struct bench_idle *idle = opaque;

    while (idle->nr > 0) {
        struct aio_handler *h = &idle->handlers[--idle->nr];

        aio_handler_remove(h);
        close(h->fd);
    }
    return 0;
}

int bench_idle_add(struct iothread *io, unsigned n, struct bench_idle **out, struct error *err)
{
    struct bench_idle *idle = calloc(1, sizeof(*idle) + n * sizeof(struct aio_handler));
    int r;

    if (!idle) {
        return error_set(err, -ENOMEM, "out of memory for idle handlers");
    }
    idle->io = io;
    idle->max = n;
    r = iothread_call(io, add_all, idle);
    if (r < 0) {
        bench_idle_remove(idle);
        return error_set(err, r, "cannot add %u idle handlers: %s%s", n, strerror(-r),
                         r == -EMFILE ? " (raise the limit: ulimit -n)" : "");
    }
    *out = idle;
    return 0;
}

void bench_idle_remove(struct bench_idle *idle)
{
    if (idle) {
        iothread_call(idle->io, remove_all, idle);
    }
    free(idle);
}

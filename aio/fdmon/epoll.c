// SPDX-License-Identifier: MIT
/*
 * The monitor on epoll(7): a system call for each handler that is added, but a wait costs the same
 * with one handler or a thousand. epoll_wait counts in milliseconds, so a shorter wait is a ppoll
 * on the epoll descriptor.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "aio/fdmon/fdmon.h"
#include "aio/ready.h"

#define EVENTS_AT_A_TIME 64

struct fdmon_epoll {
    struct fdmon m;
    int fd;
};

static struct fdmon_epoll *epoll_of(struct fdmon *m)
{
    return container_of(m, struct fdmon_epoll, m);
}

static int epoll_open(AioContext *ctx, struct fdmon **out)
{
    struct fdmon_epoll *e = calloc(1, sizeof(*e));

    if (!e) {
        return -ENOMEM;
    }
    e->m = (struct fdmon){&fdmon_epoll, ctx};
    e->fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->fd < 0) {
        int r = -errno;

        free(e);
        return r;
    }
    *out = &e->m;
    return 0;
}

static void epoll_close(struct fdmon *m)
{
    struct fdmon_epoll *e = epoll_of(m);

    close(e->fd);
    free(e);
}

/* The kernel's EPOLLIN and the like have the values of POLLIN and the like. */
static int epoll_add(struct fdmon *m, struct aio_handler *h)
{
    struct epoll_event event = {.events = h->events, .data.ptr = h};

    return epoll_ctl(epoll_of(m)->fd, EPOLL_CTL_ADD, h->fd, &event) < 0 ? -errno : 0;
}

static void epoll_remove(struct fdmon *m, struct aio_handler *h)
{
    epoll_ctl(epoll_of(m)->fd, EPOLL_CTL_DEL, h->fd, NULL);
}

/* Without events a write to an eventfd wakes no thread, which makes the write cheaper. */
static void epoll_watch(struct fdmon *m, struct aio_handler *h, bool on)
{
    struct epoll_event event = {.events = on ? h->events : 0, .data.ptr = h};

    aio_count_loop_syscall(m->ctx);
    epoll_ctl(epoll_of(m)->fd, EPOLL_CTL_MOD, h->fd, &event);
}

static void epoll_wait_ns(struct fdmon *m, int64_t timeout)
{
    struct fdmon_epoll *e = epoll_of(m);
    struct epoll_event events[EVENTS_AT_A_TIME];
    int wait_ms = timeout == INT64_MAX ? -1 : 0;
    int n;

    if (timeout != INT64_MAX && timeout > 0) {
        struct pollfd pfd = {.fd = e->fd, .events = POLLIN};
        struct timespec ts;

        aio_count_loop_syscall(m->ctx);
        if (ppoll(&pfd, 1, fdmon_timespec(&ts, timeout), NULL) <= 0) {
            return;
        }
    }
    aio_count_loop_syscall(m->ctx);
    n = epoll_wait(e->fd, events, EVENTS_AT_A_TIME, wait_ms);
    for (int i = 0; i < n; i++) {
        aio_handler_ready(events[i].data.ptr, events[i].events);
    }
}

const struct fdmon_ops fdmon_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .add = epoll_add,
    .remove = epoll_remove,
    .watch = epoll_watch,
    .wait = epoll_wait_ns,
};

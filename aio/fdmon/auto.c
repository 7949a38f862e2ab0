// SPDX-License-Identifier: MIT
/*
 * The default monitor. With few handlers it is ppoll, which needs no set-up in the kernel. With
 * many handlers epoll costs less, because ppoll passes all of them to the kernel in each call.
 *
 * The ppoll set is always up to date, which costs no system call. So the change back to ppoll
 * cannot fail, and if epoll fails, ppoll is used.
 */
#include <errno.h>
#include <stdlib.h>

#include "aio/fdmon/fdmon.h"
#include "aio/loop.h"

#define EPOLL_FROM  64
#define EPOLL_UNTIL 32

struct fdmon_auto {
    struct fdmon m;
    struct fdmon *ppoll;
    struct fdmon *epoll; /* NULL while ppoll does the work */
    bool no_epoll;       /* it failed once */
    unsigned nr;
};

static struct fdmon_auto *auto_of(struct fdmon *m)
{
    return container_of(m, struct fdmon_auto, m);
}

static int auto_open(AioContext *ctx, struct fdmon **out)
{
    struct fdmon_auto *a = calloc(1, sizeof(*a));
    int r;

    if (!a) {
        return -ENOMEM;
    }
    a->m = (struct fdmon){&fdmon_auto, ctx};
    r = fdmon_ppoll.open(ctx, &a->ppoll);
    if (r < 0) {
        free(a);
        return r;
    }
    *out = &a->m;
    return 0;
}

static void drop_epoll(struct fdmon_auto *a)
{
    fdmon_epoll.close(a->epoll);
    a->epoll = NULL;
}

static void auto_close(struct fdmon *m)
{
    struct fdmon_auto *a = auto_of(m);

    if (a->epoll) {
        drop_epoll(a);
    }
    fdmon_ppoll.close(a->ppoll);
    free(a);
}

/* @newest is not on the context's list yet. */
static void take_up_epoll(struct fdmon_auto *a, struct aio_handler *newest)
{
    struct list *at;
    int r = fdmon_epoll.open(a->m.ctx, &a->epoll);

    if (r == 0) {
        r = fdmon_epoll.add(a->epoll, newest);
        list_for_each(at, &a->m.ctx->handlers)
        {
            struct aio_handler *h = list_entry(at, struct aio_handler, node);

            if (r == 0 && !h->unwatched) {
                r = fdmon_epoll.add(a->epoll, h);
            }
        }
        if (r < 0) {
            drop_epoll(a);
        }
    }
    a->no_epoll = r < 0;
}

static int auto_add(struct fdmon *m, struct aio_handler *h)
{
    struct fdmon_auto *a = auto_of(m);
    int r = fdmon_ppoll.add(a->ppoll, h);

    if (r < 0) {
        return r;
    }
    a->nr++;
    if (a->epoll) {
        if (fdmon_epoll.add(a->epoll, h) < 0) {
            a->no_epoll = true;
            drop_epoll(a);
        }
    } else if (a->nr >= EPOLL_FROM && !a->no_epoll) {
        take_up_epoll(a, h);
    }
    return 0;
}

static void auto_remove(struct fdmon *m, struct aio_handler *h)
{
    struct fdmon_auto *a = auto_of(m);

    fdmon_ppoll.remove(a->ppoll, h);
    a->nr--;
    if (a->epoll) {
        fdmon_epoll.remove(a->epoll, h);
        if (a->nr < EPOLL_UNTIL) {
            drop_epoll(a);
        }
    }
}

static void auto_watch(struct fdmon *m, struct aio_handler *h, bool on)
{
    struct fdmon_auto *a = auto_of(m);

    fdmon_ppoll.watch(a->ppoll, h, on);
    if (!a->epoll) {
        return;
    }
    /* Removed from epoll: if adding it again fails, ppoll is used. */
    aio_count_loop_syscall(m->ctx);
    if (!on) {
        fdmon_epoll.remove(a->epoll, h);
    } else if (fdmon_epoll.add(a->epoll, h) < 0) {
        a->no_epoll = true;
        drop_epoll(a);
    }
}

static void auto_wait(struct fdmon *m, int64_t timeout)
{
    struct fdmon_auto *a = auto_of(m);

    if (a->epoll) {
        fdmon_epoll.wait(a->epoll, timeout);
    } else {
        fdmon_ppoll.wait(a->ppoll, timeout);
    }
}

const struct fdmon_ops fdmon_auto = {
    .name = "auto",
    .open = auto_open,
    .close = auto_close,
    .add = auto_add,
    .remove = auto_remove,
    .watch = auto_watch,
    .wait = auto_wait,
};

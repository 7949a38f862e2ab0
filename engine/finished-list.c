// SPDX-License-Identifier: MIT
/*
 * The eventfd is written only while the loop does not poll:
 *
 *     returning thread                       owner, poll_end
 *     ----------------                       ---------------
 *     push onto the stack                    wanted = 1
 *     full barrier (B)                       full barrier (A)
 *     if wanted: write the eventfd           look at the stack
 *
 * A pairs with B, as in aio/notifier.c, whose model this is: tests/model/notify.pml.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "engine/finished-list.h"

void finished_list_push(struct finished_list *l, struct finished *f)
{
    struct finished *head = load_relaxed(&l->newest);
    uint64_t one = 1;

    do {
        f->next = head;
    } while (!__atomic_compare_exchange_n(&l->newest, &head, f, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    full_barrier(); /* B, pairs with A in list_poll_end() */
    if (load_relaxed(&l->wanted)) {
        while (write(l->event_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

void finished_list_expect(struct finished_list *l)
{
    l->in_flight++;
    aio_handler_in_flight(&l->handler);
}

static void take_all(void *opaque)
{
    struct finished_list *l = opaque;
    struct finished *newest = exchange_acq_rel(&l->newest, NULL), *oldest = NULL;

    while (newest) {
        struct finished *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct finished *f = oldest;

        oldest = f->next;
        l->in_flight--;
        l->done(f);
    }
}

static void list_ready(void *opaque, int revents)
{
    struct finished_list *l = opaque;
    uint64_t n;

    aio_count_syscall(&l->handler);
    while (read(l->event_fd, &n, sizeof(n)) < 0 && errno == EINTR) {
    }
    take_all(l);
}

static bool list_poll(void *opaque)
{
    struct finished_list *l = opaque;

    return load_relaxed(&l->newest);
}

static void list_poll_begin(void *opaque)
{
    struct finished_list *l = opaque;

    store_relaxed(&l->wanted, 0);
}

static void list_poll_end(void *opaque)
{
    struct finished_list *l = opaque;

    store_relaxed(&l->wanted, 1);
    full_barrier(); /* A, pairs with B in finished_list_push(); the loop looks at the stack next */
}

static const struct aio_handler_ops list_ops = {
    .ready = list_ready,
    .poll = list_poll,
    .poll_ready = take_all,
    .poll_begin = list_poll_begin,
    .poll_end = list_poll_end,
};

int finished_list_init(struct finished_list *l, AioContext *ctx, const char *name,
                       void (*done)(struct finished *f))
{
    int ret;

    *l = (struct finished_list){.done = done, .wanted = 1};
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0) {
        return -errno;
    }
    ret = aio_handler_add(ctx, &l->handler, l->event_fd, POLLIN, &list_ops, l, name, &l->in_flight);
    if (ret < 0) {
        close(l->event_fd);
    }
    return ret;
}

void finished_list_destroy(struct finished_list *l)
{
    aio_handler_remove(&l->handler);
    close(l->event_fd);
}

// SPDX-License-Identifier: MIT
/*
 * The monitor on io_uring: one multishot poll request for each handler, whose completions appear in
 * memory. A wait that does not block costs no system call.
 *
 * A multishot poll reports edges: a wake-up of the descriptor after the last report. So a handler
 * must clear the cause completely, at the latest in its poll_end (struct aio_handler_ops). A request
 * ends when the kernel says so (no IORING_CQE_F_MORE). The monitor then makes it again, which
 * reports what is ready at that moment.
 *
 * After a removal, completions of the old request may still be in the ring. A slot is used again
 * only after its last completion, so no other handler gets a completion of the old request.
 *
 * The kernel may refuse to take requests (-EAGAIN: no memory, -EBUSY: completions wait for room).
 * They then stay in the submission queue. When this queue is full, too, the monitor is behind: some
 * slots lack a poll or cancel request. The next wait makes these requests, and lasts at most
 * BEHIND_WAIT_NS, since events of these slots are not seen.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "aio/fdmon/fdmon.h"
#include "aio/ready.h"
#include "base/uring-restrict.h"

#define RING_ENTRIES 64
/* Many: a descriptor that is not read while the loop polls reports each write. */
#define CQ_ENTRIES     4096
#define NO_SLOT        UINT64_MAX /* completions of cancel requests */
#define BEHIND_WAIT_NS 1000000

struct slot {
    struct aio_handler *handler; /* NULL: free, or its last completion is to come */
    bool armed;                  /* a poll request was made and has not ended */
    bool cancel;                 /* a cancel request is to be made */
};

struct fdmon_io_uring {
    struct fdmon m;
    struct io_uring ring;
    struct slot *slots;
    unsigned nr_slots;
    bool behind; /* a slot lacks a request */
};

static struct fdmon_io_uring *uring_of(struct fdmon *m)
{
    return container_of(m, struct fdmon_io_uring, m);
}

/* The ring waits for descriptors; it transfers and opens nothing. */
static int restrict_ring(struct io_uring *ring)
{
    static const struct io_uring_restriction only[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_POLL_ADD},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL},
    };
    return uring_restrict(ring->ring_fd, only, sizeof(only) / sizeof(only[0]));
}

static int uring_open(AioContext *ctx, struct fdmon **out)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
                                     .cq_entries = CQ_ENTRIES};
    struct fdmon_io_uring *u = calloc(1, sizeof(*u));
    int r;

    if (!u) {
        return -ENOMEM;
    }
    u->m = (struct fdmon){&fdmon_io_uring, ctx};
    r = io_uring_queue_init_params(RING_ENTRIES, &u->ring, &params);
    if (r < 0) {
        free(u);
        return r;
    }
    /* waiting with a time limit without a request for it: Linux 5.11 */
    if (!(u->ring.features & IORING_FEAT_EXT_ARG)) {
        io_uring_queue_exit(&u->ring);
        free(u);
        return -ENOSYS;
    }
    r = restrict_ring(&u->ring);
    if (r < 0) {
        io_uring_queue_exit(&u->ring);
        free(u);
        return r;
    }
    *out = &u->m;
    return 0;
}

static void uring_close(struct fdmon *m)
{
    struct fdmon_io_uring *u = uring_of(m);

    io_uring_queue_exit(&u->ring);
    free(u->slots);
    free(u);
}

static void submit(struct fdmon_io_uring *u)
{
    aio_count_loop_syscall(u->m.ctx);
    io_uring_submit(&u->ring);
}

/* Return: NULL if the queue is full and the kernel takes nothing; the monitor is behind then. */
static struct io_uring_sqe *get_sqe(struct fdmon_io_uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (!sqe) {
        submit(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    u->behind |= !sqe;
    return sqe;
}

static void arm(struct fdmon_io_uring *u, unsigned i)
{
    struct io_uring_sqe *sqe = get_sqe(u);

    if (sqe) {
        io_uring_prep_poll_multishot(sqe, u->slots[i].handler->fd, u->slots[i].handler->events);
        io_uring_sqe_set_data64(sqe, i);
        u->slots[i].armed = true;
    }
}

static void cancel(struct fdmon_io_uring *u, unsigned i)
{
    struct io_uring_sqe *sqe = get_sqe(u);

    u->slots[i].cancel = !sqe;
    if (sqe) {
        /* not a poll removal: that gives up (EALREADY) on a poll that fires at this moment */
        io_uring_prep_cancel64(sqe, i, 0);
        io_uring_sqe_set_data64(sqe, NO_SLOT);
    }
}

static void catch_up(struct fdmon_io_uring *u)
{
    u->behind = false;
    for (unsigned i = 0; i < u->nr_slots && !u->behind; i++) {
        if (u->slots[i].handler && !u->slots[i].armed) {
            arm(u, i);
        } else if (u->slots[i].cancel) {
            cancel(u, i);
        }
    }
}

static int uring_add(struct fdmon *m, struct aio_handler *h)
{
    struct fdmon_io_uring *u = uring_of(m);
    unsigned i = 0;

    while (i < u->nr_slots && (u->slots[i].handler || u->slots[i].armed)) {
        i++;
    }
    if (i == u->nr_slots) {
        unsigned nr = u->nr_slots ? 2 * u->nr_slots : 8;
        struct slot *slots = reallocarray(u->slots, nr, sizeof(*slots));

        if (!slots) {
            return -ENOMEM;
        }
        for (unsigned j = u->nr_slots; j < nr; j++) {
            slots[j] = (struct slot){0};
        }
        u->slots = slots;
        u->nr_slots = nr;
    }
    u->slots[i].handler = h;
    h->fdmon_index = i;
    arm(u, i);
    return 0;
}

static void uring_remove(struct fdmon *m, struct aio_handler *h)
{
    struct fdmon_io_uring *u = uring_of(m);
    unsigned i = h->fdmon_index;

    u->slots[i].handler = NULL;
    if (u->slots[i].armed) {
        cancel(u, i);
        submit(u); /* now: the poll request holds a file that the caller may be about to close */
    }
}

static void completion(struct fdmon_io_uring *u, const struct io_uring_cqe *cqe)
{
    struct slot *slot;
    unsigned i = cqe->user_data;

    if (cqe->user_data == NO_SLOT) {
        return;
    }
    slot = &u->slots[i];
    /* When a thread ends the kernel cancels its requests: the next owner makes them again. */
    if (slot->handler && cqe->res && cqe->res != -ECANCELED) {
        /* a request that failed shows as an error of the descriptor, as with poll(2) */
        aio_handler_ready(slot->handler, cqe->res > 0 ? cqe->res : POLLERR);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        slot->armed = slot->cancel = false;
        if (slot->handler) {
            arm(u, i);
        }
    }
}

/* Submits, and waits for a completion. */
static void block(struct fdmon_io_uring *u, int64_t timeout)
{
    struct __kernel_timespec ts = {timeout / 1000000000, timeout % 1000000000};
    struct io_uring_cqe *cqe;

    aio_count_loop_syscall(u->m.ctx);
    io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, timeout == INT64_MAX ? NULL : &ts, NULL);
    if (io_uring_sq_ready(&u->ring)) {
        /* The kernel has refused, and so has not waited. */
        ts = (struct __kernel_timespec){.tv_nsec =
                                            timeout < BEHIND_WAIT_NS ? timeout : BEHIND_WAIT_NS};
        aio_count_loop_syscall(u->m.ctx);
        io_uring_wait_cqe_timeout(&u->ring, &cqe, &ts);
    }
}

static void uring_wait(struct fdmon *m, int64_t timeout)
{
    struct fdmon_io_uring *u = uring_of(m);
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    if (io_uring_cq_has_overflow(&u->ring)) {
        aio_count_loop_syscall(m->ctx);
        io_uring_get_events(&u->ring);
    }
    if (u->behind) {
        catch_up(u);
    }
    if (timeout > 0 && !io_uring_cq_ready(&u->ring)) {
        block(u, u->behind && timeout > BEHIND_WAIT_NS ? BEHIND_WAIT_NS : timeout);
    } else if (io_uring_sq_ready(&u->ring)) {
        submit(u);
    }
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        completion(u, cqe);
        n++;
    }
    io_uring_cq_advance(&u->ring, n);
}

const struct fdmon_ops fdmon_io_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .add = uring_add,
    .remove = uring_remove,
    .wait = uring_wait,
};

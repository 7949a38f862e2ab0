// SPDX-License-Identifier: MIT
/*
 * Linux AIO: io_submit(2), and completions read from the ring that the kernel maps into the
 * process.
 *
 * A check for completions is two loads (engine/aio-ring.h), and taking the events needs no system
 * call. Where the ring cannot be read, the engine uses io_getevents(2) and is not polled.
 *
 * A request also names an eventfd, which wakes a loop that blocks. While the loop polls, the
 * eventfd is not read; poll_end reads it, so that the next block does not end at once for events
 * that were taken before.
 *
 * Requests that complete inside io_submit(), as those to a block device in memory do, need no
 * eventfd, and the kernel's write of it is a tenth of the cost of such a request. So requests name
 * no eventfd as long as no monitor watches it (aio_fds_unwatched()) and all requests of the last
 * submission were complete when the call returned. A request without an eventfd may still be in
 * flight when polling ends. Then a timer checks the ring; a completion is found at most a quarter
 * of the request's time late, or LOOK_NS.
 *
 * When the kernel has no free slots (EAGAIN), requests stay queued here. The next completion
 * submits them; if none is in flight, a timer does.
 */
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/aio-ring.h"
#include "engine/in-memory.h"
#include "engine/submit.h"
#include "engine/threads.h"

#define LOOK_NS             10000
#define GETEVENTS_AT_A_TIME 64

struct linux_aio {
    struct engine e;
    io_context_t io;
    struct aio_ring *ring; /* NULL: not readable, use io_getevents */
    struct aio_handler handler;
    int event_fd;
    bool event_fd_stale;    /* events were taken without reading the eventfd */
    struct list queued;     /* requests not submitted to the kernel yet */
    unsigned nr_submitted;  /* requests in the kernel */
    unsigned nr_unsignaled; /* of these, the requests without an eventfd */
    bool at_once;           /* all requests were complete when the last submission returned */
    struct aio_deferred submit;
    struct aio_timer retry;
    struct aio_timer look;        /* for requests without an eventfd, while the loop blocks */
    uint64_t unsignaled_since_ns; /* when @look was first set for them; 0: not yet */
};

_Static_assert(sizeof(struct iocb) <= sizeof(((struct engine_req *)0)->priv), "room for an iocb");

static struct iocb *iocb_of(struct engine_req *req)
{
    return (struct iocb *)req->priv;
}

/* IOCB_FLAG_RESFD, which libaio does not declare, is the only flag that this engine sets. */
static bool is_signaled(const struct iocb *iocb)
{
    return iocb->u.c.flags != 0;
}

static void take_event(struct linux_aio *l, const struct io_event *event)
{
    struct engine_req *req = event->data;

    l->nr_submitted--;
    if (is_signaled(iocb_of(req))) {
        l->event_fd_stale = true;
    } else if (--l->nr_unsignaled == 0) {
        aio_timer_cancel(&l->look);
        l->unsignaled_since_ns = 0;
    }
    engine_complete(&l->e, req, (ssize_t)event->res);
}

static void reap_ring(struct linux_aio *l)
{
    struct aio_ring *ring = l->ring;
    unsigned head = ring->head;

    /* Pairs with the kernel's write barrier between an event and the tail that covers it. */
    while (head != load_acquire(&ring->tail)) {
        struct io_event event = ring->io_events[head];

        head = head + 1 < ring->nr ? head + 1 : 0;
        store_release(&ring->head, head); /* the kernel may overwrite the event from here on */
        take_event(l, &event);
    }
}

static void reap_syscall(struct linux_aio *l)
{
    struct io_event events[GETEVENTS_AT_A_TIME];
    struct timespec zero = {0};
    int n;

    do {
        aio_count_syscall(&l->handler);
        n = io_getevents(l->io, 0, GETEVENTS_AT_A_TIME, events, &zero);
        for (int i = 0; i < n; i++) {
            take_event(l, &events[i]);
        }
    } while (n == GETEVENTS_AT_A_TIME);
}

static void reap(struct linux_aio *l)
{
    if (l->ring) {
        reap_ring(l);
    } else {
        reap_syscall(l);
    }
    if (!list_empty(&l->queued)) {
        aio_defer(l->e.ctx, &l->submit);
    }
}

/* The kernel rejected the first request of a batch. */
static void fail_first(struct linux_aio *l, int err)
{
    struct engine_req *req = list_entry(l->queued.next, struct engine_req, node);

    list_del(&req->node);
    engine_complete(&l->e, req, err);
}

static void event_fd_read(struct linux_aio *l)
{
    uint64_t n;

    aio_count_syscall(&l->handler);
    while (read(l->event_fd, &n, sizeof(n)) < 0 && errno == EINTR) {
    }
    l->event_fd_stale = false;
}

static void reap_signaled(struct linux_aio *l)
{
    event_fd_read(l);
    reap(l);
    l->event_fd_stale = false;
}

/* There are events that the loop was not woken for. */
static void reap_early(struct linux_aio *l)
{
    if (aio_polling(l->e.ctx)) {
        reap(l);
    } else {
        reap_signaled(l); /* else the eventfd would end the next block at once */
    }
}

static void set_signal(struct iocb *iocb, const struct linux_aio *l, bool on)
{
    if (on) {
        io_set_eventfd(iocb, l->event_fd);
    } else {
        iocb->u.c.flags = 0;
    }
}

static void submit_queued(void *opaque)
{
    struct linux_aio *l = opaque;

    while (!list_empty(&l->queued)) {
        bool signal = !aio_fds_unwatched(l->e.ctx) || !l->at_once;
        unsigned limit = engine_batch(&l->e, l->at_once), n = 0;
        struct iocb *batch[limit];
        struct list *at;
        int ret;

        list_for_each(at, &l->queued)
        {
            struct engine_req *req = list_entry(at, struct engine_req, node);

            batch[n] = iocb_of(req);
            set_signal(batch[n++], l, signal || req->op == ENGINE_FLUSH);
            if (n == limit) {
                break;
            }
        }
        aio_count_syscall(&l->handler);
        trace_submit_begin(aio_trace(l->e.ctx), l->e.ctx, "linux-aio", n);
        ret = io_submit(l->io, n, batch);
        trace_submit_end(aio_trace(l->e.ctx), l->e.ctx, "linux-aio", ret);
        if (ret == -EAGAIN || ret == -ENOMEM) {
            if (l->nr_submitted == 0) {
                aio_timer_arm(&l->retry, aio_now(l->e.ctx) + ENGINE_RETRY_NS);
            }
            break;
        }
        if (ret < 0) {
            fail_first(l, ret);
            /* The rest later: a callback that submits again may fail without end. */
            aio_defer(l->e.ctx, &l->submit);
            break;
        }
        aio_count_batch(&l->handler, ret);
        l->nr_submitted += ret;
        for (int i = 0; i < ret; i++) {
            l->nr_unsignaled += !is_signaled(batch[i]);
            list_del(l->queued.next);
        }
        l->at_once = l->ring && aio_ring_events(l->ring) == l->nr_submitted;
    }
    /* Requests that completed inside io_submit() (page cache, devices in memory). */
    if (l->ring && aio_ring_events(l->ring)) {
        reap_early(l);
    }
    if (l->nr_submitted) {
        aio_handler_in_flight(&l->handler); /* so that poll_end is called */
    }
}

static void completions_ready(void *opaque, int revents)
{
    reap_signaled(opaque);
}

static bool completions_poll(void *opaque)
{
    struct linux_aio *l = opaque;

    return aio_ring_events(l->ring) != 0;
}

static void completions_poll_ready(void *opaque)
{
    reap(opaque);
}

static void look_later(struct linux_aio *l)
{
    uint64_t now = aio_now(l->e.ctx), taken;

    if (!l->unsignaled_since_ns) {
        l->unsignaled_since_ns = now;
    }
    taken = now - l->unsignaled_since_ns;
    aio_timer_arm(&l->look, now + (taken / 4 > LOOK_NS ? taken / 4 : LOOK_NS));
}

static void look(void *opaque)
{
    struct linux_aio *l = opaque;
    if (aio_ring_events(l->ring)) {
        reap_early(l);
    }
    if (l->nr_unsignaled && !aio_polling(l->e.ctx)) {
        look_later(l);
    }
}

static void completions_poll_end(void *opaque)
{
    struct linux_aio *l = opaque;

    /* An event after this read writes the eventfd again: no wake-up is lost. */
    if (l->event_fd_stale) {
        event_fd_read(l);
    }
    if (l->nr_unsignaled) {
        look_later(l);
    }
    full_barrier();
}

static const struct aio_handler_ops completions_polled = {
    .ready = completions_ready,
    .poll = completions_poll,
    .poll_ready = completions_poll_ready,
    .poll_end = completions_poll_end,
};

static const struct aio_handler_ops completions_by_fd = {.ready = completions_ready};

static int setup_error(int ret, unsigned depth, struct error *err)
{
    if (ret == -EAGAIN) {
        return error_set(err, ret,
                         "no room for %u more requests of Linux AIO: the limit fs.aio-max-nr is "
                         "used up (raise it: sysctl fs.aio-max-nr=1048576)",
                         depth);
    }
    return error_set(err, ret, "cannot set up Linux AIO: %s", strerror(-ret));
}

static int linux_aio_open(AioContext *ctx, const struct image *image,
                          const struct engine_config *config, struct engine **out,
                          struct error *err)
{
    struct linux_aio *l;
    int ret;

    if (image->in_memory) {
        return in_memory_open(ctx, image, config, out, err);
    }
    l = calloc(1, sizeof(*l));
    if (!l) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    list_init(&l->queued);
    aio_deferred_init(&l->submit, submit_queued, l);
    aio_timer_init(ctx, &l->retry, submit_queued, l);
    aio_timer_init(ctx, &l->look, look, l);
    l->e.ctx = ctx;

    ret = io_setup(config->depth, &l->io);
    if (ret < 0) {
        setup_error(ret, config->depth, err);
        goto free_engine;
    }
    l->ring = aio_ring_of(l->io);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0) {
        ret = error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
        goto destroy_io;
    }
    ret = aio_handler_add(ctx, &l->handler, l->event_fd, POLLIN,
                          l->ring ? &completions_polled : &completions_by_fd, l, "linux-aio",
                          &l->e.in_flight);
    if (ret < 0) {
        error_set(err, ret, "cannot watch Linux AIO: %s", strerror(-ret));
        goto close_event_fd;
    }
    *out = &l->e;
    return 0;

close_event_fd:
    close(l->event_fd);
destroy_io:
    io_destroy(l->io);
free_engine:
    free(l);
    return ret;
}

/* One buffer needs no vector, which the kernel would have to fetch. */
static void prep_transfer(struct iocb *iocb, int fd, const struct engine_req *req)
{
    bool read = req->op == ENGINE_READ;

    if (req->iovcnt == 1) {
        (read ? io_prep_pread : io_prep_pwrite)(iocb, fd, req->iov->iov_base, req->iov->iov_len,
                                                req->offset);
    } else {
        (read ? io_prep_preadv : io_prep_pwritev)(iocb, fd, req->iov, req->iovcnt, req->offset);
    }
    iocb->aio_rw_flags = !read && req->durable ? RWF_DSYNC : 0;
}

static int linux_aio_submit(struct engine *e, struct engine_req *req)
{
    struct linux_aio *l = container_of(e, struct linux_aio, e);
    struct iocb *iocb = iocb_of(req);

    switch (req->op) {
    case ENGINE_READ:
    case ENGINE_WRITE:
        prep_transfer(iocb, e->image->fd, req);
        break;
    case ENGINE_FLUSH:
        io_prep_fdsync(iocb, e->image->fd);
        break;
    case ENGINE_DISCARD:
    case ENGINE_WRITE_ZEROES:
        return engine_offload(e, req);
    }
    iocb->data = req;
    list_add_tail(&l->queued, &req->node);
    aio_defer(e->ctx, &l->submit);
    return 0;
}

static void linux_aio_close(struct engine *e)
{
    struct linux_aio *l = container_of(e, struct linux_aio, e);

    aio_timer_cancel(&l->retry);
    aio_timer_cancel(&l->look);
    aio_deferred_cancel(&l->submit);
    aio_handler_remove(&l->handler);
    io_destroy(l->io);
    close(l->event_fd);
    free(l);
}

const struct engine_ops engine_linux_aio = {
    .name = "linux-aio",
    .summary = "Linux AIO; wants an image opened with O_DIRECT (cache=none)",
    .needs_file = true,
    .offloads = true,
    .open = linux_aio_open,
    .submit = linux_aio_submit,
    .close = linux_aio_close,
};

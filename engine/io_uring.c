// SPDX-License-Identifier: MIT
/*
 * io_uring: one ring for each engine, with the image as a registered file. Completions are read
 * from the ring in user memory.
 *
 * While the loop polls, a flag in the ring tells the kernel not to write the eventfd, so polling
 * costs no notification. poll_end clears the flag; the loop checks the ring once more after that.
 *
 * The kernel posts a completion in the thread that submitted the request, as task work. It would
 * interrupt the thread for that; with IORING_SETUP_COOP_TASKRUN it waits until the thread enters the
 * kernel, and IORING_SQ_TASKRUN says that a completion waits. So the poll callback checks that flag,
 * too. A thread that sleeps is woken for task work, as for a signal: its system call is interrupted,
 * the completion is posted and the eventfd written, and the call begins anew.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/uring-restrict.h"
#include "engine/in-memory.h"
#include "engine/submit.h"
#include "engine/threads.h"

#define FIXED_IMAGE 0 /* index of the image among the registered files */

struct uring_engine {
    struct engine e;
    struct io_uring ring;
    struct aio_handler handler;
    int event_fd;
    struct list queued; /* requests without a submission entry */
    unsigned in_kernel;
    bool at_once; /* all requests were complete when the last submission returned */
    struct aio_deferred submit;
    struct aio_timer retry;
};

static struct uring_engine *uring_of(struct engine *e)
{
    return container_of(e, struct uring_engine, e);
}

/* One buffer needs no vector, which the kernel would have to fetch. */
static void prepare_transfer(struct io_uring_sqe *sqe, const struct engine_req *req)
{
    bool one = req->iovcnt == 1, read = req->op == ENGINE_READ;
    unsigned op = read ? (one ? IORING_OP_READ : IORING_OP_READV)
                       : (one ? IORING_OP_WRITE : IORING_OP_WRITEV);

    io_uring_prep_rw((int)op, sqe, FIXED_IMAGE, one ? req->iov->iov_base : req->iov,
                     (unsigned)(one ? req->iov->iov_len : (size_t)req->iovcnt), req->offset);
    sqe->rw_flags = !read && req->durable ? RWF_DSYNC : 0;
}

static void prepare(struct io_uring_sqe *sqe, struct engine_req *req)
{
    switch (req->op) {
    case ENGINE_READ:
    case ENGINE_WRITE:
        prepare_transfer(sqe, req);
        break;
    case ENGINE_FLUSH:
        io_uring_prep_fsync(sqe, FIXED_IMAGE, IORING_FSYNC_DATASYNC);
        break;
    case ENGINE_DISCARD:
    case ENGINE_WRITE_ZEROES:
        break; /* engine_offload() */
    }
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, req);
}

/* Is there a completion that the kernel posts when this thread enters it? */
static bool has_task_work(const struct uring_engine *u)
{
    return load_relaxed(u->ring.sq.kflags) & IORING_SQ_TASKRUN;
}

static void reap(struct uring_engine *u)
{
    struct io_uring_cqe *cqe;
    unsigned n;

    if (has_task_work(u)) {
        aio_count_syscall(&u->handler);
        io_uring_get_events(&u->ring);
    }
    n = io_uring_cq_ready(&u->ring);

    while (n-- && io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        struct engine_req *req = io_uring_cqe_get_data(cqe);
        int res = cqe->res;

        io_uring_cqe_seen(&u->ring, cqe);
        u->in_kernel--;
        engine_complete(&u->e, req, res);
    }
    if (!list_empty(&u->queued) || io_uring_sq_ready(&u->ring)) {
        aio_defer(u->e.ctx, &u->submit);
    }
}

/*
 * No more requests in the kernel than the completion ring has entries: a completion that overflows
 * the ring is visible neither in the ring nor by the eventfd, and the loop would wait for ever.
 */
static bool may_take_more(struct uring_engine *u)
{
    unsigned ready = io_uring_sq_ready(&u->ring);

    return ready < engine_batch(&u->e, u->at_once) &&
           u->in_kernel + ready < u->ring.cq.ring_entries;
}

static void fill_sq(struct uring_engine *u)
{
    while (!list_empty(&u->queued) && may_take_more(u)) {
        struct engine_req *req = list_entry(u->queued.next, struct engine_req, node);
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

        if (!sqe) {
            break;
        }
        list_del(&req->node);
        prepare(sqe, req);
    }
}

static void submit_queued(void *opaque)
{
    struct uring_engine *u = opaque;
    int ret = 0;

    do {
        fill_sq(u);
        if (!io_uring_sq_ready(&u->ring)) {
            break; /* the next completion makes room */
        }
        aio_count_syscall(&u->handler);
        trace_submit_begin(aio_trace(u->e.ctx), u->e.ctx, "io_uring", io_uring_sq_ready(&u->ring));
        ret = io_uring_submit(&u->ring);
        trace_submit_end(aio_trace(u->e.ctx), u->e.ctx, "io_uring", ret);
        if (ret > 0) {
            aio_count_batch(&u->handler, ret);
            u->in_kernel += ret;
            u->at_once = io_uring_cq_ready(&u->ring) == u->in_kernel;
        }
    } while (ret > 0 && (!list_empty(&u->queued) || io_uring_sq_ready(&u->ring)));
    /* The kernel lacks a resource: the next completion tries again, or a timer if there is none. */
    if (ret <= 0 && io_uring_sq_ready(&u->ring) && !u->in_kernel) {
        aio_timer_arm(&u->retry, aio_now(u->e.ctx) + ENGINE_RETRY_NS);
    }
    if (io_uring_cq_ready(&u->ring)) {
        reap(u); /* requests that completed inside the submission */
    }
    if (u->in_kernel) {
        aio_handler_in_flight(&u->handler);
    }
}

static void completions_ready(void *opaque, int revents)
{
    struct uring_engine *u = opaque;
    uint64_t n;

    aio_count_syscall(&u->handler);
    while (read(u->event_fd, &n, sizeof(n)) < 0 && errno == EINTR) {
    }
    reap(u);
}

static bool completions_poll(void *opaque)
{
    struct uring_engine *u = opaque;

    return io_uring_cq_ready(&u->ring) || has_task_work(u);
}

static void completions_poll_ready(void *opaque)
{
    reap(opaque);
}

static void completions_poll_begin(void *opaque)
{
    struct uring_engine *u = opaque;

    io_uring_cq_eventfd_toggle(&u->ring, false);
}

static void completions_poll_end(void *opaque)
{
    struct uring_engine *u = opaque;

    io_uring_cq_eventfd_toggle(&u->ring, true);
    full_barrier(); /* pairs with the kernel's, between the completion and its look at the flag */
}

static const struct aio_handler_ops completions = {
    .ready = completions_ready,
    .poll = completions_poll,
    .poll_ready = completions_poll_ready,
    .poll_begin = completions_poll_begin,
    .poll_end = completions_poll_end,
};

static int setup_error(int ret, struct error *err)
{
    if (ret == -EPERM || ret == -ENOSYS) {
        return error_set(err, ret,
                         "io_uring is not available here (see sysctl kernel.io_uring_disabled, or "
                         "a seccomp profile): use engine=linux-aio or engine=threads");
    }
    if (ret == -ENOMEM) {
        return error_set(err, ret,
                         "no memory for io_uring: raise the limit of locked memory "
                         "(ulimit -l), or use engine=linux-aio");
    }
    return error_set(err, ret, "cannot set up io_uring: %s", strerror(-ret));
}

/* Linux 5.19 has both flags; without them the kernel interrupts the thread. */
static int init_ring(struct io_uring *ring, unsigned depth)
{
    const unsigned cooperative = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    const unsigned flags = IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    int ret = io_uring_queue_init(depth, ring, flags | cooperative);

    return ret == -EINVAL ? io_uring_queue_init(depth, ring, flags) : ret;
}

/*
 * From now on the ring does what this engine does, on the registered image only, whatever a thread
 * that was taken over puts into it: a filter for system calls does not see requests in a ring.
 */
static int restrict_ring(struct io_uring *ring)
{
    static const struct io_uring_restriction only[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_FIXED_FILE},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE},
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_RING_FDS},
    };
    return uring_restrict(ring->ring_fd, only, sizeof(only) / sizeof(only[0]));
}

static int uring_open(AioContext *ctx, const struct image *image,
                      const struct engine_config *config, struct engine **out, struct error *err)
{
    struct uring_engine *u;
    int ret;

    if (image->in_memory) {
        return in_memory_open(ctx, image, config, out, err);
    }
    u = calloc(1, sizeof(*u));
    if (!u) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    list_init(&u->queued);
    aio_deferred_init(&u->submit, submit_queued, u);
    aio_timer_init(ctx, &u->retry, submit_queued, u);
    ret = init_ring(&u->ring, config->depth);
    if (ret < 0) {
        setup_error(ret, err);
        goto free_engine;
    }
    ret = io_uring_register_files(&u->ring, &image->fd, 1);
    if (ret < 0) {
        error_set(err, ret, "cannot register a disk image with io_uring: %s", strerror(-ret));
        goto exit_ring;
    }
    io_uring_register_ring_fd(&u->ring); /* saves a look-up in each call; old kernels lack it */
    u->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->event_fd < 0) {
        ret = error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
        goto exit_ring;
    }
    ret = io_uring_register_eventfd(&u->ring, u->event_fd);
    if (ret == 0) {
        ret = restrict_ring(&u->ring);
    }
    if (ret == 0) {
        ret = aio_handler_add(ctx, &u->handler, u->event_fd, POLLIN, &completions, u, "io_uring",
                              &u->e.in_flight);
    }
    if (ret < 0) {
        error_set(err, ret, "cannot watch io_uring: %s", strerror(-ret));
        goto close_event_fd;
    }
    *out = &u->e;
    return 0;

close_event_fd:
    close(u->event_fd);
exit_ring:
    io_uring_queue_exit(&u->ring);
free_engine:
    free(u);
    return ret;
}

static int uring_submit(struct engine *e, struct engine_req *req)
{
    struct uring_engine *u = uring_of(e);

    /*
     * IORING_OP_FALLOCATE gains nothing: the kernel uses a thread for it, too, and it has no
     * fallback for file systems without fallocate().
     */
    if (req->op == ENGINE_DISCARD || req->op == ENGINE_WRITE_ZEROES) {
        return engine_offload(e, req);
    }
    list_add_tail(&u->queued, &req->node);
    aio_defer(e->ctx, &u->submit);
    return 0;
}

static void uring_close(struct engine *e)
{
    struct uring_engine *u = uring_of(e);

    aio_timer_cancel(&u->retry);
    aio_deferred_cancel(&u->submit);
    aio_handler_remove(&u->handler);
    io_uring_queue_exit(&u->ring);
    close(u->event_fd);
    free(u);
}

const struct engine_ops engine_io_uring = {
    .name = "io_uring",
    .summary = "io_uring; buffered images work too",
    .needs_file = true,
    .offloads = true,
    .open = uring_open,
    .submit = uring_submit,
    .close = uring_close,
};

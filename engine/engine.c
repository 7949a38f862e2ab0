// SPDX-License-Identifier: MIT
/* What all engines share: the table of them, the checks of a request, the count of those in flight.
 */
#include <errno.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/worker-pool.h"

static const struct engine_ops *const engines[] = {
    &engine_linux_aio, &engine_io_uring, &engine_threads, &engine_mmap, &engine_sync, &engine_null,
};

const struct engine_ops *engine_at(unsigned i)
{
    return i < sizeof(engines) / sizeof(engines[0]) ? engines[i] : NULL;
}

static void submit_again(void *opaque)
{
    struct engine *e = opaque;
    struct list batch;

    list_take(&batch, &e->again);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);
        int r;

        list_del(&req->node);
        r = e->ops->submit(e, req);
        if (r < 0) {
            engine_complete(e, req, r);
        }
    }
}

__attribute__((cold)) void engine_try_again(struct engine *e, struct engine_req *req)
{
    if (list_empty(&e->again)) {
        aio_timer_arm(&e->try_again, aio_now(e->ctx) + ENGINE_RETRY_NS);
    }
    list_add_tail(&e->again, &req->node);
}

static void init_common(struct engine *e, AioContext *ctx, const struct image *image)
{
    e->ctx = ctx;
    e->trace = aio_trace(ctx);
    e->image = image;
    e->in_flight = 0;
    list_init(&e->again);
    aio_timer_init(ctx, &e->try_again, submit_again, e);
}

static int get_workers(struct engine *e, struct error *err)
{
    int r = worker_pool_get(e->ctx, &e->pool);

    return r == 0 ? 0
                  : error_set(err, r,
                              "cannot start a worker thread for a disk: %s (see ulimit -u, ulimit "
                              "-n, and pids.max of the control group)",
                              strerror(-r));
}

int engine_open(const struct engine_ops *ops, AioContext *ctx, const struct image *image,
                const struct engine_config *config, struct engine **out, struct error *err)
{
    struct engine *e;
    int r;

    aio_assert_owner(ctx);
    if (ops->needs_file && image->fd < 0) {
        return error_set(err, -EINVAL, "engine %s needs a file", ops->name);
    }
    r = ops->open(ctx, image, config, &e, err);
    if (r < 0) {
        return r;
    }
    init_common(e, ctx, image);
    if (!e->ops) { /* else the image wants others than this engine's */
        e->ops = ops;
    }
    if (e->ops->offloads) {
        r = get_workers(e, err);
    }
    *out = e;
    if (r == 0 && config->faults) {
        r = engine_faulty_open(e, config, out, err);
        if (r == 0) {
            init_common(*out, ctx, image);
        }
    }
    if (r < 0) {
        engine_close(e);
    }
    return r;
}

static bool transfer_ok(const struct image *image, const struct engine_req *req)
{
    uintptr_t misaligned = req->offset;
    uint64_t size = image_size(image), room = size - req->offset;

    if (req->iovcnt < 1 || req->iovcnt > ENGINE_IOV_MAX || req->offset > size ||
        (req->op == ENGINE_WRITE && image->readonly)) {
        return false;
    }
    for (int i = 0; i < req->iovcnt; i++) {
        if (req->iov[i].iov_len > room) {
            return false;
        }
        room -= req->iov[i].iov_len;
        misaligned |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
    }
    return !(misaligned & (image->align - 1));
}

static bool range_ok(const struct image *image, const struct engine_req *req)
{
    uint64_t size = image_size(image);

    return req->iovcnt == 0 && !image->readonly && req->offset <= size &&
           req->len <= size - req->offset && !((req->offset | req->len) & (image->align - 1));
}

static bool request_ok(const struct image *image, const struct engine_req *req)
{
    switch (req->op) {
    case ENGINE_READ:
    case ENGINE_WRITE:
        return transfer_ok(image, req);
    case ENGINE_FLUSH:
        return req->iovcnt == 0;
    case ENGINE_DISCARD:
    case ENGINE_WRITE_ZEROES:
        return range_ok(image, req);
    }
    return false;
}

int engine_submit(struct engine *e, struct engine_req *req)
{
    int r;

    aio_assert_owner(e->ctx);
    if (!request_ok(e->image, req)) {
        return -EINVAL;
    }
    r = e->ops->submit(e, req);
    if (r == 0) {
        e->in_flight++;
        trace_request_submitted(e->trace, e, req, req->op, req->offset);
    }
    return r;
}

unsigned engine_batch(const struct engine *e, bool at_once)
{
    unsigned configured = aio_max_batch(e->ctx);

    if (configured) {
        return configured;
    }
    return at_once ? AIO_BATCH_AT_ONCE : AIO_BATCH_DEVICE;
}

void engine_close(struct engine *e)
{
    aio_assert_owner(e->ctx);
    assert(e->in_flight == 0);
    if (e->pool) {
        worker_pool_put(e->pool);
    }
    e->ops->close(e);
}

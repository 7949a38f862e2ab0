// SPDX-License-Identifier: MIT
/* What all engines share: the table of them, the checks of a request, the count of those in flight.
 */
#include <errno.h>
#include <string.h>

#include "aio/internal.h"
#include "aio/engine/worker-pool.h"

static const struct engine_ops *const engines[] = {
    &engine_linux_aio, &engine_io_uring, &engine_threads, &engine_mmap, &engine_sync, &engine_null,
};

const struct engine_ops *engine_at(unsigned i)
{
    return i < sizeof(engines) / sizeof(engines[0]) ? engines[i] : NULL;
}

const struct engine_ops *engine_find(const char *name)
{
    const struct engine_ops *ops;

    for (unsigned i = 0; (ops = engine_at(i)); i++) {
        if (!strcmp(ops->name, name)) {
            return ops;
        }
    }
    return NULL;
}

int engine_open(const struct engine_ops *ops, AioContext *ctx, const struct image *image,
                const struct engine_config *config, struct engine **out, struct error *err)
{
    int r;

    aio_assert_owner(ctx);
    if (ops->needs_file && image->fd < 0) {
        return error_set(err, -EINVAL, "engine %s needs a file", ops->name);
    }
    r = ops->open(ctx, image, config, out, err);
    if (r == 0) {
        if (!(*out)->ops) { /* else the image wants others than this engine's */
            (*out)->ops = ops;
        }
        (*out)->ctx = ctx;
        (*out)->trace = ctx->trace;
        (*out)->image = image;
        (*out)->in_flight = 0;
        if (config->faults) {
            struct engine *inner = *out;

            r = engine_faulty_open(inner, config, out, err);
            if (r < 0) {
                engine_close(inner);
            }
        }
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
    if (e->ctx->max_batch) {
        return e->ctx->max_batch;
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

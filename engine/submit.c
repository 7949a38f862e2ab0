// SPDX-License-Identifier: MIT
/* Submission to an engine: checks, the count of requests in flight, retries. */
#include <errno.h>

#include "engine/submit.h"

/* --- retries --- */

static void submit_again(void *opaque)
{
    struct engine *e = opaque;
    struct list batch;

    list_take(&batch, &e->again);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);
        int ret;

        list_del(&req->node);
        ret = e->ops->submit(e, req);
        if (ret < 0) {
            engine_complete(e, req, ret);
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

void engine_init(struct engine *e, AioContext *ctx, const struct image *image)
{
    e->ctx = ctx;
    e->trace = aio_trace(ctx);
    e->image = image;
    e->in_flight = 0;
    list_init(&e->again);
    aio_timer_init(ctx, &e->try_again, submit_again, e);
}

/* --- submission --- */

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
    int ret;

    aio_assert_owner(e->ctx);
    if (!request_ok(e->image, req)) {
        return -EINVAL;
    }
    ret = e->ops->submit(e, req);
    if (ret == 0) {
        e->in_flight++;
        trace_request_submitted(e->trace, e, req, req->op, req->offset);
    }
    return ret;
}

unsigned engine_batch(const struct engine *e, bool at_once)
{
    unsigned configured = aio_max_batch(e->ctx);

    if (configured) {
        return configured;
    }
    return at_once ? AIO_BATCH_AT_ONCE : AIO_BATCH_DEVICE;
}

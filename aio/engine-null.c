// SPDX-License-Identifier: MIT
/* Completes every request at the end of the turn, moving no data: what the path itself costs. */
#include <errno.h>
#include <stdlib.h>

#include "aio/internal.h"

struct null_engine {
    struct engine e;
    struct list submitted;
    struct aio_deferred complete;
};

static void complete_all(void *opaque)
{
    struct null_engine *n = opaque;
    struct list batch;

    list_take(&batch, &n->submitted);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);
        ssize_t len = 0;

        list_del(&req->node);
        for (int i = 0; i < req->iovcnt; i++) {
            len += req->iov[i].iov_len;
        }
        engine_complete(&n->e, req, len);
    }
}

static int null_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                     struct engine **out, struct error *err)
{
    struct null_engine *n = calloc(1, sizeof(*n));

    if (!n) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    list_init(&n->submitted);
    aio_deferred_init(&n->complete, complete_all, n);
    *out = &n->e;
    return 0;
}

static int null_submit(struct engine *e, struct engine_req *req)
{
    struct null_engine *n = container_of(e, struct null_engine, e);

    list_add_tail(&n->submitted, &req->node);
    aio_defer(e->ctx, &n->complete);
    return 0;
}

static void null_close(struct engine *e)
{
    free(container_of(e, struct null_engine, e));
}

const struct engine_ops engine_null = {
    .name = "null",
    .summary = "no I/O at all; measures the path to it",
    .open = null_open,
    .submit = null_submit,
    .close = null_close,
};

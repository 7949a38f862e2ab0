// SPDX-License-Identifier: MIT
/*
 * Blocking system calls in the loop's own thread, at the end of the turn. The whole loop stands
 * still meanwhile: for comparison, and where nothing else works.
 */
#include <errno.h>
#include <stdlib.h>

#include "aio/engine/blocking-io.h"
#include "aio/internal.h"

struct sync_engine {
    struct engine e;
    struct list submitted;
    struct aio_deferred run;
};

static void run_all(void *opaque)
{
    struct sync_engine *s = opaque;
    struct list batch;

    list_take(&batch, &s->submitted);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);

        list_del(&req->node);
        stat_add(&s->e.ctx->stats.syscalls, 1);
        engine_complete(&s->e, req, blocking_io(s->e.image, req));
    }
}

static int sync_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                     struct engine **out, struct error *err)
{
    struct sync_engine *s = calloc(1, sizeof(*s));

    if (!s) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    list_init(&s->submitted);
    aio_deferred_init(&s->run, run_all, s);
    *out = &s->e;
    return 0;
}

static int sync_submit(struct engine *e, struct engine_req *req)
{
    struct sync_engine *s = container_of(e, struct sync_engine, e);

    list_add_tail(&s->submitted, &req->node);
    aio_defer(e->ctx, &s->run);
    return 0;
}

static void sync_close(struct engine *e)
{
    struct sync_engine *s = container_of(e, struct sync_engine, e);

    aio_deferred_cancel(&s->run);
    free(s);
}

const struct engine_ops engine_sync = {
    .name = "sync",
    .summary = "blocking system calls in the I/O thread itself; for comparison",
    .needs_file = true,
    .open = sync_open,
    .submit = sync_submit,
    .close = sync_close,
};

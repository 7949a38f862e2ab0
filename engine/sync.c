// SPDX-License-Identifier: MIT
/*
 * Blocking system calls in the loop's own thread, at the end of the turn. They block all sources
 * of the loop. For comparison, for images in memory, and for hosts where no other engine works.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/blocking-io.h"
#include "engine/submit.h"
#include "engine/sync.h"
#include "engine/threads.h"

static struct sync_engine *sync_of(struct engine *e)
{
    return container_of(e, struct sync_engine, e);
}

static void run_all(void *opaque)
{
    struct sync_engine *s = opaque;
    struct list batch;

    list_take(&batch, &s->submitted);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);

        list_del(&req->node);
        engine_complete(&s->e, req, s->io(s, req));
    }
}

void sync_init(struct sync_engine *s,
               ssize_t (*io)(struct sync_engine *s, const struct engine_req *req))
{
    s->io = io;
    list_init(&s->submitted);
    aio_deferred_init(&s->run, run_all, s);
}

void sync_destroy(struct sync_engine *s)
{
    aio_deferred_cancel(&s->run);
}

ssize_t sync_system_call(struct sync_engine *s, const struct engine_req *req)
{
    aio_count_loop_syscall(s->e.ctx);
    return blocking_io(s->e.image, req);
}

static int sync_submit(struct engine *e, struct engine_req *req)
{
    struct sync_engine *s = sync_of(e);

    list_add_tail(&s->submitted, &req->node);
    aio_defer(e->ctx, &s->run);
    return 0;
}

int sync_submit_but_ranges(struct engine *e, struct engine_req *req)
{
    bool range = req->op == ENGINE_DISCARD || req->op == ENGINE_WRITE_ZEROES;

    return range ? engine_offload(e, req) : sync_submit(e, req);
}

/* --- engine sync --- */

int sync_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
              struct engine **out, struct error *err)
{
    struct sync_engine *s = calloc(1, sizeof(*s));

    if (!s) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    sync_init(s, sync_system_call);
    *out = &s->e;
    return 0;
}

void sync_close(struct engine *e)
{
    sync_destroy(sync_of(e));
    free(sync_of(e));
}

const struct engine_ops engine_sync = {
    .name = "sync",
    .summary = "blocking system calls in the I/O thread itself; for comparison",
    .needs_file = true,
    .open = sync_open,
    .offloads = true,
    .submit = sync_submit_but_ranges,
    .close = sync_close,
};

// SPDX-License-Identifier: MIT
/*
 * Blocking system calls in worker threads: for buffered images, and for file systems where native
 * asynchronous I/O blocks or is missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aio/blocking-io.h"
#include "aio/internal.h"
#include "aio/worker-pool.h"

struct threads_engine {
    struct engine e;
    struct worker_pool *pool;
};

/* Lives in engine_req.priv. */
struct threads_job {
    struct worker_job job;
    struct threads_engine *engine;
    struct engine_req *req;
    ssize_t res;
};

_Static_assert(sizeof(struct threads_job) <= sizeof(((struct engine_req *)0)->priv),
               "room for a job");

static void job_work(struct worker_job *job)
{
    struct threads_job *t = container_of(job, struct threads_job, job);

    t->res = blocking_io(t->engine->e.image, t->req);
}

static void job_done(struct worker_job *job)
{
    struct threads_job *t = container_of(job, struct threads_job, job);

    engine_complete(&t->engine->e, t->req, t->res);
}

static int threads_open(AioContext *ctx, const struct image *image,
                        const struct engine_config *config, struct engine **out, struct error *err)
{
    struct threads_engine *t = calloc(1, sizeof(*t));
    int r;

    if (!t) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    r = worker_pool_get(ctx, &t->pool);
    if (r < 0) {
        free(t);
        return error_set(err, r, "cannot set up worker threads: %s", strerror(-r));
    }
    *out = &t->e;
    return 0;
}

static int threads_submit(struct engine *e, struct engine_req *req)
{
    struct threads_engine *engine = container_of(e, struct threads_engine, e);
    struct threads_job *t = (struct threads_job *)req->priv;

    *t = (struct threads_job){
        .job = {.work = job_work, .done = job_done},
        .engine = engine,
        .req = req,
    };
    return worker_pool_submit(engine->pool, &t->job);
}

static void threads_close(struct engine *e)
{
    struct threads_engine *t = container_of(e, struct threads_engine, e);

    worker_pool_put(t->pool);
    free(t);
}

const struct engine_ops engine_threads = {
    .name = "threads",
    .summary = "blocking system calls in worker threads; works with every file and cache mode",
    .needs_file = true,
    .open = threads_open,
    .submit = threads_submit,
    .close = threads_close,
};

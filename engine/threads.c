// SPDX-License-Identifier: MIT
/*
 * Blocking system calls in worker threads: for buffered images, and for file systems where native
 * asynchronous I/O blocks or is missing. Other engines use the threads for operations that they
 * have no asynchronous call for.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/blocking-io.h"
#include "engine/submit.h"
#include "engine/threads.h"
#include "engine/worker-pool.h"

/* In engine_req.priv. */
struct job {
    struct worker_job worker;
    struct engine *engine;
    struct engine_req *req;
    ssize_t res;
};

_Static_assert(sizeof(struct job) <= sizeof(((struct engine_req *)0)->priv), "room for a job");

static void job_work(struct worker_job *worker)
{
    struct job *job = container_of(worker, struct job, worker);

    job->res = blocking_io(job->engine->image, job->req);
}

static void job_done(struct worker_job *worker)
{
    struct job *job = container_of(worker, struct job, worker);

    engine_complete(job->engine, job->req, job->res);
}

int engine_offload(struct engine *e, struct engine_req *req)
{
    struct job *job = (struct job *)req->priv;

    *job = (struct job){
        .worker = {.work = job_work, .done = job_done},
        .engine = e,
        .req = req,
    };
    worker_pool_submit(e->pool, &job->worker);
    return 0;
}

static int threads_open(AioContext *ctx, const struct image *image,
                        const struct engine_config *config, struct engine **out, struct error *err)
{
    struct engine *e = calloc(1, sizeof(*e));

    if (!e) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    *out = e;
    return 0;
}

static void threads_close(struct engine *e)
{
    free(e);
}

const struct engine_ops engine_threads = {
    .name = "threads",
    .summary = "blocking system calls in worker threads; works with every file and cache mode",
    .needs_file = true,
    .offloads = true,
    .open = threads_open,
    .submit = engine_offload,
    .close = threads_close,
};

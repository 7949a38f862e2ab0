// SPDX-License-Identifier: MIT
/* The table of engines, and how one is opened and closed. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/faulty.h"
#include "engine/submit.h"
#include "engine/worker-pool.h"

static const struct engine_ops *const engines[] = {
    &engine_linux_aio, &engine_io_uring, &engine_threads, &engine_mmap, &engine_sync, &engine_null,
};

const struct engine_ops *engine_at(unsigned i)
{
    return i < sizeof(engines) / sizeof(engines[0]) ? engines[i] : NULL;
}

static int get_workers(struct engine *e, struct error *err)
{
    int ret = worker_pool_get(e->ctx, &e->pool);

    return ret == 0
               ? 0
               : error_set(err, ret,
                           "cannot start a worker thread for a disk: %s (see ulimit -u, ulimit "
                           "-n, and pids.max of the control group)",
                           strerror(-ret));
}

int engine_open(const struct engine_ops *ops, AioContext *ctx, const struct image *image,
                const struct engine_config *config, struct engine **out, struct error *err)
{
    struct engine *e;
    int ret;

    aio_assert_owner(ctx);
    *out = NULL;
    if (ops->needs_file && image->fd < 0) {
        return error_set(err, -EINVAL, "engine %s needs a file", ops->name);
    }
    ret = ops->open(ctx, image, config, &e, err);
    if (ret < 0) {
        return ret;
    }
    engine_init(e, ctx, image);
    if (!e->ops) { /* not those of in_memory_open() */
        e->ops = ops;
    }
    if (e->ops->offloads) {
        ret = get_workers(e, err);
    }
    if (ret == 0 && config->faults) {
        ret = engine_faulty_open(e, config, out, err);
        if (ret == 0) {
            engine_init(*out, ctx, image);
        }
    } else if (ret == 0) {
        *out = e;
    }
    if (ret < 0) {
        engine_close(e);
    }
    return ret;
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

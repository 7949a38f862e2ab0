// SPDX-License-Identifier: MIT
/* Engines that do requests in the loop's own thread, at the end of the turn. */
#ifndef POLLUX_ENGINE_SYNC_H
#define POLLUX_ENGINE_SYNC_H

#include "engine/engine.h"

/* The first member of the engine's own structure. */
struct sync_engine {
    struct engine e;
    ssize_t (*io)(struct sync_engine *s, const struct engine_req *req); /* as blocking_io() */
    struct list submitted;
    struct aio_deferred run;
};

/**
 * sync_init - set up the zeroed @s
 * sync_destroy - undo sync_init(); no request is in flight
 */
void sync_init(struct sync_engine *s,
               ssize_t (*io)(struct sync_engine *s, const struct engine_req *req));
void sync_destroy(struct sync_engine *s);

/* sync_system_call - io() by blocking system calls */
ssize_t sync_system_call(struct sync_engine *s, const struct engine_req *req);

/**
 * sync_submit_but_ranges - as engine_ops.submit; operations on ranges are done in a worker thread,
 * because freeing many blocks takes long
 */
int sync_submit_but_ranges(struct engine *e, struct engine_req *req);

/* sync_open, sync_close - as in engine_ops: an engine that only makes system calls */
int sync_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
              struct engine **out, struct error *err);
void sync_close(struct engine *e);

#endif

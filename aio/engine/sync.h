// SPDX-License-Identifier: MIT
/* Engines that do a request in the loop's own thread, at the end of the turn. Private to aio/. */
#ifndef POLLUX_AIO_ENGINE_SYNC_H
#define POLLUX_AIO_ENGINE_SYNC_H

#include "aio/engine.h"

/* The caller's, at the beginning of its own structure. */
struct sync_engine {
    struct engine e;
    ssize_t (*io)(struct sync_engine *s, const struct engine_req *req); /* as blocking_io() */
    struct list submitted;
    struct aio_deferred run;
};

/**
 * sync_init - @s is zeroed but for io
 * sync_submit - as engine_ops.submit
 * sync_destroy - nothing is in flight
 */
void sync_init(struct sync_engine *s);
int sync_submit(struct engine *e, struct engine_req *req);
void sync_destroy(struct sync_engine *s);

#endif

// SPDX-License-Identifier: MIT
/* Requests in the worker threads of a loop. */
#ifndef POLLUX_ENGINE_THREADS_H
#define POLLUX_ENGINE_THREADS_H

#include "engine/engine.h"

/**
 * engine_offload - do @req by blocking_io() in a worker thread
 * For requests that the engine has no asynchronous call for. As engine_ops.submit.
 */
int engine_offload(struct engine *e, struct engine_req *req);

#endif

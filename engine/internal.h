// SPDX-License-Identifier: MIT
/* What engines share; nothing outside engine/ includes it. */
#ifndef POLLUX_ENGINE_INTERNAL_H
#define POLLUX_ENGINE_INTERNAL_H

#include <errno.h>

#include "base/barrier.h"
#include "engine/engine.h"

/* faulty.c: takes over @inner if it succeeds */
int engine_faulty_open(struct engine *inner, const struct engine_config *config,
                       struct engine **out, struct error *err);

/* The pause before a request that the host had no means for is submitted again. */
#define ENGINE_RETRY_NS 1000000

/* submit @req again, after a pause in which other sources are served */
void engine_try_again(struct engine *e, struct engine_req *req);

/* The request may be free afterwards. */
static inline void engine_complete(struct engine *e, struct engine_req *req, ssize_t res)
{
    if (__builtin_expect(res == -EAGAIN || res == -EINTR, 0)) {
        engine_try_again(e, req);
        return;
    }
    e->in_flight--;
    trace_request_completed(e->trace, e, req, res);
    req->cb(req, res);
}

/* Most requests for the next system call. @at_once: all were complete when the last one returned */
unsigned engine_batch(const struct engine *e, bool at_once);

/*
 * threads.c: do @req in a worker thread of the loop, by blocking_io(). For what the engine
 * itself has no asynchronous call. As engine_ops.submit.
 */
int engine_offload(struct engine *e, struct engine_req *req);

#endif

// SPDX-License-Identifier: MIT
/* For engines: the parts of submission and completion that all of them need. */
#ifndef POLLUX_ENGINE_SUBMIT_H
#define POLLUX_ENGINE_SUBMIT_H

#include <errno.h>

#include "base/barrier.h"
#include "engine/engine.h"

/* The pause before a retry, if the host was out of a resource. */
#define ENGINE_RETRY_NS 1000000

/* engine_init - set up the common part of an engine; its own part is set up before */
void engine_init(struct engine *e, AioContext *ctx, const struct image *image);

/**
 * engine_try_again - submit @req again after ENGINE_RETRY_NS; other sources are served meanwhile
 * Context: owner of the loop.
 */
void engine_try_again(struct engine *e, struct engine_req *req);

/**
 * engine_complete - run the callback of @req with the host's result, or try again
 * @res: as for engine_req.cb; also -EAGAIN or -EINTR
 * Context: owner of the loop. The request may be free afterwards.
 */
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

/**
 * engine_batch - most requests for the next system call
 * @at_once: all requests were complete when the last such system call returned
 */
unsigned engine_batch(const struct engine *e, bool at_once);

#endif

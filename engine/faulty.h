// SPDX-License-Identifier: MIT
/* Fault injection. */
#ifndef POLLUX_ENGINE_FAULTY_H
#define POLLUX_ENGINE_FAULTY_H

#include "engine/engine.h"

/**
 * engine_faulty_open - an engine that injects the faults of @config into the requests of @inner
 * @inner: closed with the new engine; on an error it stays the caller's
 * Context: owner of the loop.
 * Return: 0 and *@out, or -errno and @err.
 */
int engine_faulty_open(struct engine *inner, const struct engine_config *config,
                       struct engine **out, struct error *err);

#endif

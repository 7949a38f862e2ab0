// SPDX-License-Identifier: MIT
/* Images in memory, for engines whose asynchronous calls gain nothing there. */
#ifndef POLLUX_ENGINE_IN_MEMORY_H
#define POLLUX_ENGINE_IN_MEMORY_H

#include "engine/engine.h"

/* in_memory_open - as engine_ops.open; the operations of the new engine are set */
int in_memory_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                   struct engine **out, struct error *err);

#endif

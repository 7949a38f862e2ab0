// SPDX-License-Identifier: MIT
/* The operations of a request to an engine (engine/engine.h); event traces name them, too. */
#ifndef POLLUX_BASE_ENGINE_OP_H
#define POLLUX_BASE_ENGINE_OP_H

enum engine_op {
    ENGINE_READ,
    ENGINE_WRITE,
    ENGINE_FLUSH,
    ENGINE_DISCARD,      /* the range is not needed: a hint; what it reads as then is open */
    ENGINE_WRITE_ZEROES, /* the range reads as zeroes from then on */
};

#endif

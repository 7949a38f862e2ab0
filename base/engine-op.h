// SPDX-License-Identifier: MIT
/* The operations of a request to an engine (engine/engine.h); event traces name them, too. */
#ifndef POLLUX_BASE_ENGINE_OP_H
#define POLLUX_BASE_ENGINE_OP_H

enum engine_op {
    ENGINE_READ,
    ENGINE_WRITE,
    ENGINE_FLUSH,
    ENGINE_DISCARD,      /* a hint: the contents are not needed, and undefined from then on */
    ENGINE_WRITE_ZEROES, /* the range reads as zeroes from then on */
};

#endif

// SPDX-License-Identifier: MIT
/*
 * The completion ring of Linux AIO.
 *
 * The kernel maps it into the process at the address that io_setup(2) returns. No header declares
 * the layout, but the magic number in fs/aio.c identifies it.
 */
#ifndef POLLUX_ENGINE_AIO_RING_H
#define POLLUX_ENGINE_AIO_RING_H

#include <libaio.h>
#include <stddef.h>

#include "base/barrier.h"

#define AIO_RING_MAGIC 0xa10a10a1

struct aio_ring {
    unsigned id;
    unsigned nr;   /* entries of io_events */
    unsigned head; /* written by the process */
    unsigned tail; /* written by the kernel */
    unsigned magic;
    unsigned compat_features;
    unsigned incompat_features;
    unsigned header_length;
    struct io_event io_events[];
};

/**
 * aio_ring_of - the ring of a context
 * Return: NULL if the layout is another one; io_getevents(2) must be used.
 */
static inline struct aio_ring *aio_ring_of(io_context_t io)
{
    struct aio_ring *ring = (struct aio_ring *)io;

    return ring->magic == AIO_RING_MAGIC && ring->incompat_features == 0 ? ring : NULL;
}

/**
 * aio_ring_events - the number of completions in the ring; without ordering
 */
static inline unsigned aio_ring_events(const struct aio_ring *ring)
{
    unsigned head = ring->head, tail = load_relaxed(&ring->tail);

    return tail - head + (tail < head ? ring->nr : 0);
}

#endif

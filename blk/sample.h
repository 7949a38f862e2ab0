// SPDX-License-Identifier: MIT
/* Requests that are timed. All functions run in the I/O thread. */
#ifndef POLLUX_BLK_SAMPLE_H
#define POLLUX_BLK_SAMPLE_H

#include "blk/device.h"

static inline bool blk_timed(const struct blk_request *r)
{
    return __builtin_expect(r->timed, 0);
}

/**
 * blk_sample_seen - choose the timed requests of a batch of @n that was taken from the ring
 * To be called when until_timed, less @n, is below 0.
 */
void blk_sample_seen(struct blk_queue *q, struct blk_request **batch, unsigned n);

/**
 * blk_sample_submitted - a timed request is submitted to the engine, for the first time or again
 * blk_sample_completed - the engine has completed a timed request, and a copy to the guest follows
 */
void blk_sample_submitted(struct blk_request *r);
void blk_sample_completed(struct blk_request *r);

/* blk_sample_used - the used element of a timed request was pushed; it is not timed any more */
void blk_sample_used(struct blk_request *r);

/* blk_sample_published - all used elements were published, at @now */
void blk_sample_published(struct blk_queue *q, uint64_t now);

#endif

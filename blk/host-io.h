// SPDX-License-Identifier: MIT
/*
 * The way of a parsed request to the engine and back. All functions run in the I/O thread; the
 * request may be free when they return.
 */
#ifndef POLLUX_BLK_HOST_IO_H
#define POLLUX_BLK_HOST_IO_H

#include "blk/device.h"

/* blk_host_submit - submit the remaining data of @r, or its range, to the engine */
void blk_host_submit(struct blk_request *r);

/* blk_host_submit_bounced - likewise through a bounce buffer, as soon as one is free */
void blk_host_submit_bounced(struct blk_request *r);

/* blk_host_next_range - submit the next piece of a request on ranges; without one, it is done */
void blk_host_next_range(struct blk_request *r);

/* blk_host_flush - make @r a flush of the image */
void blk_host_flush(struct blk_request *r);

/* blk_host_ok - the host has done all of @r */
void blk_host_ok(struct blk_request *r);

/* blk_host_done - the callback of the engine's request; @res as in struct engine_req */
void blk_host_done(struct engine_req *io, ssize_t res);

#endif

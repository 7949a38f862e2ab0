// SPDX-License-Identifier: MIT
/* Requests on ranges: discard and write zeroes. All functions run in the I/O thread. */
#ifndef POLLUX_BLK_RANGE_H
#define POLLUX_BLK_RANGE_H

#include "blk/device.h"

/**
 * blk_range_parse - copy and check the ranges of a discard or write zeroes; io.op says which
 * @out: the list of ranges, @len bytes of it
 * Return: S_OK, or the status that the request fails with: then no range was changed.
 */
uint8_t blk_range_parse(struct blk_request *r, const struct iov_rest *out, uint64_t len);

/**
 * blk_range_next - set the engine's request up for the next piece of the ranges of @r
 * A piece consists of whole host blocks, or is a part of one that is to be zeroed. Parts of host
 * blocks are left out of a discard.
 * Return: false if no piece is left, or if @r has no ranges.
 */
bool blk_range_next(struct blk_request *r);

/* blk_range_bytes - the length of all ranges of @r */
uint64_t blk_range_bytes(const struct blk_request *r);

/* blk_range_is_partial - is the piece of @r one for blk_partial_start()? */
bool blk_range_is_partial(const struct blk_request *r);

/**
 * blk_range_detect - turn the write @r into a write zeroes if it consists of zeroes
 * Return: whether it does.
 */
bool blk_range_detect(struct blk_request *r);

#endif

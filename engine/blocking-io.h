// SPDX-License-Identifier: MIT
/* Requests done with ordinary, blocking system calls. Private to aio/. */
#ifndef POLLUX_ENGINE_BLOCKING_IO_H
#define POLLUX_ENGINE_BLOCKING_IO_H

#include "engine/engine.h"

/**
 * blocking_io - do @req now
 * Context: any thread.
 * Return: what engine_req.cb gets: bytes moved, may be short, or -errno.
 */
ssize_t blocking_io(const struct image *image, const struct engine_req *req);

/*
 * blocking-range.c: what fallocate(2) and the ioctls of block devices do, and what does it where
 * they can't. Context: any thread. Return: 0, or -1 and errno.
 */
int blocking_discard(const struct image *image, uint64_t offset, uint64_t len);
int blocking_write_zeroes(const struct image *image, uint64_t offset, uint64_t len, bool may_unmap);

#endif

// SPDX-License-Identifier: MIT
/* Requests by blocking system calls. */
#ifndef POLLUX_ENGINE_BLOCKING_IO_H
#define POLLUX_ENGINE_BLOCKING_IO_H

#include "engine/engine.h"

/**
 * blocking_io - do @req now
 * Context: any thread.
 * Return: as the result of engine_req.cb.
 */
ssize_t blocking_io(const struct image *image, const struct engine_req *req);

/*
 * blocking-range.c: fallocate(2), the ioctls of block devices, and a fallback where the host has
 * neither. Context: any thread. Return: 0, or -1 and errno.
 */
int blocking_discard(const struct image *image, uint64_t offset, uint64_t len);
int blocking_write_zeroes(const struct image *image, uint64_t offset, uint64_t len, bool may_unmap);

#endif

// SPDX-License-Identifier: MIT
/* One request done with ordinary, blocking system calls. Private to aio/. */
#ifndef POLLUX_AIO_BLOCKING_IO_H
#define POLLUX_AIO_BLOCKING_IO_H

#include "aio/engine.h"

/**
 * blocking_io - do @req now
 * Context: any thread.
 * Return: what engine_req.cb gets: bytes moved, may be short, or -errno.
 */
ssize_t blocking_io(const struct image *image, const struct engine_req *req);

#endif

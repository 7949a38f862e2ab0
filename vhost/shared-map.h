// SPDX-License-Identifier: MIT
/*
 * Files of a front end, mapped: its guest's memory, and records of chains in flight. The front end
 * keeps the file and may truncate it; an access behind the new end raises SIGBUS in the thread. The
 * handler replaces such a mapping by zeroes and marks it as lost. The process continues, and the
 * owner of the mapping ends the connection.
 */
#ifndef POLLUX_VHOST_SHARED_MAP_H
#define POLLUX_VHOST_SHARED_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct shared_map {
    uint8_t *base; /* of the mapping; NULL: none */
    uint64_t len;
    uint8_t *data; /* the first byte asked for */
    unsigned slot; /* private */
};

/**
 * shared_map_open - map @size bytes at @offset of the file @fd for reading and writing
 * @wake_fd: an eventfd that is written when the mapping is lost
 * Context: any thread; catches SIGBUS for the process (base/bus-error.h).
 * Return: 0, or -errno and @err: no regular file, too short, not mappable, too many mappings. @fd
 *         can be closed in both cases.
 */
int shared_map_open(struct shared_map *map, int fd, uint64_t offset, uint64_t size, int wake_fd,
                    struct error *err);

/**
 * shared_map_close - unmap; no thread may use the memory any more. Safe on a zeroed struct
 */
void shared_map_close(struct shared_map *map);

/**
 * shared_map_lost - has the file been truncated inside the mapping?
 */
bool shared_map_lost(const struct shared_map *map);

#endif

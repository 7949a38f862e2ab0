// SPDX-License-Identifier: MIT
/* A kernel or initrd to load: a file, or bytes in memory. Reads are checked, so a loader can't run
 * past the end. */
#ifndef POLLUX_KVM_BLOB_H
#define POLLUX_KVM_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "aio/error.h"

struct blob {
    const char *name; /* for messages: the path */
    int fd;           /* -1: @data */
    const uint8_t *data;
    uint64_t size; /* bytes, not 0 */
};

/**
 * blob_open - open a regular file
 * @what: "kernel" or "initrd", for messages
 * Return: 0, or -errno and @err: missing, not readable, a directory, empty. blob_close() releases.
 */
int blob_open(struct blob *b, const char *what, const char *path, struct error *err);

/**
 * blob_init - wrap bytes that stay the caller's
 */
int blob_init(struct blob *b, const char *name, const void *data, size_t size, struct error *err);

/**
 * blob_read - copy @len bytes from @offset
 * Return: 0; -ENODATA if they are not all inside the blob, or another -errno of the host.
 */
int blob_read(const struct blob *b, uint64_t offset, void *buf, uint64_t len);

void blob_close(struct blob *b);

#endif

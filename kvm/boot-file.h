// SPDX-License-Identifier: MIT
/* A kernel or initrd: a file, or bytes in memory. Reads past the end fail. */
#ifndef POLLUX_KVM_BOOT_FILE_H
#define POLLUX_KVM_BOOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct boot_file {
    const char *name; /* for messages: the path */
    int fd;           /* -1: @data */
    const uint8_t *data;
    uint64_t size; /* bytes, not 0 */
};

/**
 * boot_file_open - open a regular file
 * @what: "kernel" or "initrd", for messages
 * Return: 0, or -errno and @err: missing, not readable, a directory, empty.
 *         boot_file_close() releases.
 */
int boot_file_open(struct boot_file *b, const char *what, const char *path, struct error *err);

/**
 * boot_file_init - use bytes in memory, which the caller frees
 * Return: 0, or -EINVAL and @err if @size is 0.
 */
int boot_file_init(struct boot_file *b, const char *name, const void *data, size_t size,
                   struct error *err);

/**
 * boot_file_read - copy @len bytes from @offset
 * Return: 0; -ENODATA if the range exceeds the file, or another -errno of the host.
 */
int boot_file_read(const struct boot_file *b, uint64_t offset, void *buf, uint64_t len);

void boot_file_close(struct boot_file *b);

#endif

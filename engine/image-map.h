// SPDX-License-Identifier: MIT
/*
 * An image in memory, mapped for reads: a read is a copy, without a system call.
 *
 * Only files on a tmpfs can be mapped. There a page is in memory or is a hole, and a read waits
 * only for pages in swap. A read of a hole through a mapping would allocate a page, and a guest
 * that reads all of a sparse disk would use memory for all of it. So holes are not read: a
 * userfaultfd(2) turns each access into SIGBUS, as the kernel does beyond the end of the file.
 */
#ifndef POLLUX_ENGINE_IMAGE_MAP_H
#define POLLUX_ENGINE_IMAGE_MAP_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "engine/image.h"

struct image_map {
    const uint8_t *addr;
    uint64_t size; /* bytes */
    int fault_fd;
};

/**
 * image_map_open - map all of @image
 * @m: filled; image_map_close() releases
 * Installs the handler of SIGBUS for the process: see base/guarded-copy.h.
 * Return: 0, or -errno and @err: not in memory, no userfaultfd here, too large.
 */
int image_map_open(struct image_map *m, const struct image *image, struct error *err);
void image_map_close(struct image_map *m);

/**
 * image_map_read - copy from @offset, which is in the image, to the buffers
 * Context: any thread that does not block SIGBUS. If the file was cut inside a page, the rest of
 * that page reads as zeroes.
 * Return: the bytes of all buffers; or -EFAULT: a part is a hole, was cut, is beyond the mapping,
 *         or cannot be read. Then the contents of the buffers are undefined.
 */
ssize_t image_map_read(const struct image_map *m, const struct iovec *iov, int cnt,
                       uint64_t offset);

#endif

// SPDX-License-Identifier: MIT
/*
 * An image in memory, mapped to be read: by copies, without a system call.
 *
 * Only files whose data is in memory can be mapped (tmpfs), so that a page is there or is a hole,
 * and never has to be waited for, swap aside. To read a hole through a mapping fills it, and a
 * guest that looks at all of a sparse disk would take memory for all of it. So holes are not read:
 * a userfaultfd(2) turns each try into SIGBUS, as the kernel does where the file ends.
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
 * SIGBUS is taken for the process: see base/guarded-copy.h.
 * Return: 0, or -errno and @err: not in memory, no userfaultfd here, too large.
 */
int image_map_open(struct image_map *m, const struct image *image, struct error *err);
void image_map_close(struct image_map *m);

/**
 * image_map_read - copy from @offset, which is in the image, to the buffers
 * Context: any thread that does not block SIGBUS. What the file lost by a cut in the middle of a
 * page reads as zeroes, up to the end of the page.
 * Return: bytes, all that the buffers hold; or -EFAULT: some of it is a hole, was cut, is beyond
 *         the mapping, or can't be read. Then the buffers hold anything.
 */
ssize_t image_map_read(const struct image_map *m, const struct iovec *iov, int cnt,
                       uint64_t offset);

#endif

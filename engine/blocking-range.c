// SPDX-License-Identifier: MIT
/*
 * Discard and write zeroes, on files and on block devices.
 *
 * A discard is a hint: where the host cannot free blocks, it succeeds without effect. A write
 * zeroes must take effect: where the host has no call for it, zeroes are written.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/blocking-io.h"

#define CHUNK (256u << 10)

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO  (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)

/*
 * The host does not support the operation at all, or for the alignment of this range, or while
 * another process has the block device open (EBUSY).
 */
static bool not_supported(int ret)
{
    return ret < 0 && (errno == EOPNOTSUPP || errno == ENOTTY || errno == ENOSYS ||
                       errno == EINVAL || errno == EBUSY);
}

static int range_ioctl(int fd, unsigned long request, uint64_t offset, uint64_t len)
{
    uint64_t range[2] = {offset, len};

    return ioctl(fd, request, range);
}

static int write_buffer_of_zeroes(const struct image *image, uint64_t offset, uint64_t len)
{
    size_t size = len < CHUNK ? (len + IMAGE_ALIGN_MAX - 1) & ~(IMAGE_ALIGN_MAX - 1ull) : CHUNK;
    uint8_t *zeroes = aligned_alloc(IMAGE_ALIGN_MAX, size);
    int num = 0;

    if (!zeroes) {
        errno = EAGAIN; /* the engine tries again */
        return -1;
    }
    memset(zeroes, 0, size);
    while (len && !num) {
        ssize_t n = pwrite(image->fd, zeroes, len < size ? len : size, offset);

        if (n > 0) {
            offset += n;
            len -= n;
        } else if (n == 0 || errno != EINTR) {
            num = n == 0 ? EIO : errno;
        }
    }
    free(zeroes);
    errno = num;
    return num ? -1 : 0;
}

int blocking_discard(const struct image *image, uint64_t offset, uint64_t len)
{
    int ret = 0;

    if (len) {
        ret = image->block_device ? range_ioctl(image->fd, BLKDISCARD, offset, len)
                                  : fallocate(image->fd, PUNCH, offset, len);
    }
    return not_supported(ret) ? 0 : ret;
}

int blocking_write_zeroes(const struct image *image, uint64_t offset, uint64_t len, bool may_unmap)
{
    int ret = -1;

    if (!len) {
        return 0;
    }
    errno = EOPNOTSUPP;
    if (may_unmap) {
        ret = fallocate(image->fd, PUNCH, offset, len); /* zeroes on block devices, too */
    }
    if (not_supported(ret)) {
        ret = image->block_device ? range_ioctl(image->fd, BLKZEROOUT, offset, len)
                                  : fallocate(image->fd, ZERO, offset, len);
    }
    if (not_supported(ret)) {
        ret = write_buffer_of_zeroes(image, offset, len);
    }
    return ret;
}

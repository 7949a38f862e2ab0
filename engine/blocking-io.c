// SPDX-License-Identifier: MIT
/* One request by blocking system calls. */
#include <errno.h>
#include <unistd.h>

#include "engine/blocking-io.h"

/* One buffer needs no vector, which the kernel would have to fetch. */
static ssize_t do_read(int fd, const struct engine_req *req)
{
    if (req->iovcnt == 1) {
        return pread(fd, req->iov->iov_base, req->iov->iov_len, req->offset);
    }
    return preadv(fd, req->iov, req->iovcnt, req->offset);
}

static ssize_t do_op(const struct image *image, const struct engine_req *req)
{
    switch (req->op) {
    case ENGINE_READ:
        return do_read(image->fd, req);
    case ENGINE_WRITE:
        return pwritev2(image->fd, req->iov, req->iovcnt, req->offset,
                        req->durable ? RWF_DSYNC : 0);
    case ENGINE_FLUSH:
        return fdatasync(image->fd);
    case ENGINE_DISCARD:
        return blocking_discard(image, req->offset, req->len);
    case ENGINE_WRITE_ZEROES:
        if (blocking_write_zeroes(image, req->offset, req->len, req->may_unmap) < 0) {
            return -1;
        }
        return req->durable ? fdatasync(image->fd) : 0;
    }
    errno = ENOTSUP;
    return -1;
}

ssize_t blocking_io(const struct image *image, const struct engine_req *req)
{
    ssize_t ret;

    do {
        ret = do_op(image, req);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : ret;
}

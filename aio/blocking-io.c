// SPDX-License-Identifier: MIT
#include <errno.h>
#include <unistd.h>

#include "aio/blocking-io.h"

ssize_t blocking_io(const struct image *image, const struct engine_req *req)
{
    ssize_t r;

    do {
        switch (req->op) {
        case ENGINE_READ:
            r = preadv(image->fd, req->iov, req->iovcnt, req->offset);
            break;
        case ENGINE_WRITE:
            r = pwritev(image->fd, req->iov, req->iovcnt, req->offset);
            break;
        case ENGINE_FLUSH:
            r = fdatasync(image->fd);
            break;
        default:
            return -ENOTSUP;
        }
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

// SPDX-License-Identifier: MIT
/* Copies from and to the front of an array of iovecs. */
#include "virtq/guest-memory.h"
#include "virtq/iov.h"

void iov_consume(struct iov_rest *rest, size_t len)
{
    while (rest->cnt && len >= rest->iov->iov_len) {
        len -= rest->iov->iov_len;
        rest->iov++;
        rest->cnt--;
    }
    if (len) {
        rest->iov->iov_base = (char *)rest->iov->iov_base + len;
        rest->iov->iov_len -= len;
    }
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t iov_gather(const struct iov_rest *rest, void *buf, size_t len)
{
    size_t done = 0;

    for (unsigned i = 0; i < rest->cnt && done < len; i++) {
        size_t n = min_size(rest->iov[i].iov_len, len - done);

        guest_memory_copy((char *)buf + done, rest->iov[i].iov_base, n);
        done += n;
    }
    return done;
}

size_t iov_scatter(const struct iov_rest *rest, const void *buf, size_t len)
{
    size_t done = 0;

    for (unsigned i = 0; i < rest->cnt && done < len; i++) {
        size_t n = min_size(rest->iov[i].iov_len, len - done);

        memcpy(rest->iov[i].iov_base, (const char *)buf + done, n);
        done += n;
    }
    return done;
}

bool iov_is_zero(const struct iov_rest *rest)
{
    for (unsigned i = 0; i < rest->cnt; i++) {
        const char *p = rest->iov[i].iov_base;
        size_t len = rest->iov[i].iov_len;

        /* If the first byte is 0 and each byte equals the next one, all bytes are 0. */
        if (len && (p[0] || memcmp(p, p + 1, len - 1) != 0)) {
            return false;
        }
    }
    return true;
}

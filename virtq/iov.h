// SPDX-License-Identifier: MIT
/*
 * Arrays of iovecs, as the buffers of a chain come.
 */
#ifndef POLLUX_VIRTQ_IOV_H
#define POLLUX_VIRTQ_IOV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* The part of an array that is not used up yet; the first element may be shortened in place. */
struct iov_rest {
    struct iovec *iov;
    unsigned cnt;
};

/**
 * iov_consume - use up @len bytes at the front
 * @len: at most what is left
 */
void iov_consume(struct iov_rest *rest, size_t len);

/**
 * iov_gather - copy @len bytes at the front into @buf; @rest stays as it is
 * Return: bytes copied, less than @len if there are no more.
 */
size_t iov_gather(const struct iov_rest *rest, void *buf, size_t len);

/**
 * iov_scatter - copy @len bytes of @buf over the front; @rest stays as it is
 * Return: bytes copied, less than @len if there is no more room.
 */
size_t iov_scatter(const struct iov_rest *rest, const void *buf, size_t len);

/**
 * iov_is_zero - is all of it zeroes? True if there is nothing
 */
bool iov_is_zero(const struct iov_rest *rest);

#endif

// SPDX-License-Identifier: MIT
/* Arrays of iovecs: the buffers of a chain. */
#ifndef POLLUX_VIRTQ_IOV_H
#define POLLUX_VIRTQ_IOV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* The rest of an array of buffers. iov_consume() shortens the first element in place. */
struct iov_rest {
    struct iovec *iov;
    unsigned cnt;
};

/**
 * iov_consume - remove @len bytes at the front
 * @len: at most the bytes of @rest
 */
void iov_consume(struct iov_rest *rest, size_t len);

/**
 * iov_gather - copy @len bytes at the front of @rest into @buf
 * Return: bytes copied; less than @len if @rest has fewer.
 */
size_t iov_gather(const struct iov_rest *rest, void *buf, size_t len);

/**
 * iov_scatter - copy @len bytes of @buf to the front of @rest
 * Return: bytes copied; less than @len if @rest has fewer.
 */
size_t iov_scatter(const struct iov_rest *rest, const void *buf, size_t len);

/**
 * iov_is_zero - are all bytes of @rest zeroes?
 * Return: true also if @rest has no bytes.
 */
bool iov_is_zero(const struct iov_rest *rest);

#endif

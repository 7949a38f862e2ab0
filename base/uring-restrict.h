// SPDX-License-Identifier: MIT
/*
 * What a ring of io_uring may do, whatever a thread that was taken over puts into it: a filter for
 * system calls does not see the requests in a ring. The library of Debian 12 lacks these two calls.
 */
#ifndef POLLUX_BASE_URING_RESTRICT_H
#define POLLUX_BASE_URING_RESTRICT_H

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

/**
 * uring_restrict - restrict a ring that was made with IORING_SETUP_R_DISABLED, and enable it
 * @only: what it may do from now on
 * Return: 0 or -errno.
 */
static inline int uring_restrict(int ring_fd, const struct io_uring_restriction *only, unsigned nr)
{
    if (syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_RESTRICTIONS, only, nr) < 0 ||
        syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0) {
        return -errno;
    }
    return 0;
}

#endif

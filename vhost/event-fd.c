// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost/event-fd.h"

int event_fd_check(int fd, struct error *err)
{
    char link[64], target[64];
    ssize_t n;
    int flags;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    if (strcmp(target, "anon_inode:[eventfd]") != 0) {
        return error_set(err, -EINVAL, "a descriptor of a ring is no eventfd");
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return error_set(err, -EINVAL, "a descriptor of a ring cannot be made non-blocking");
    }
    return 0;
}

int event_fd_always_ready(void)
{
    /* As a semaphore, a read takes 1. */
    int fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd >= 0 && eventfd_write(fd, UINT64_MAX / 2) < 0) {
        int ret = -errno;

        close(fd);
        return ret;
    }
    return fd >= 0 ? fd : -errno;
}

void event_fd_signal(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

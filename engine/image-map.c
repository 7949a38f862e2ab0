// SPDX-License-Identifier: MIT
/* The mapping of an image, with a userfaultfd(2) for its holes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guarded-copy.h"
#include "engine/image-map.h"

/* Only faults in user mode: this needs no privilege (Linux 5.11). */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int open_fault_fd(struct error *err)
{
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0) {
        int num = errno;

        if (fd >= 0) {
            close(fd);
        }
        return error_set(err, -num,
                         "to map a disk image takes userfaultfd(2), which is not available here "
                         "(%s; a seccomp profile?)",
                         strerror(num));
    }
    return fd;
}

/*
 * UFFDIO_REGISTER needs a file that is open for writing if the mapping is shared. An image that is
 * open read-only is mapped privately; no thread writes to either mapping.
 */
static int map(struct image_map *m, const struct image *image)
{
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    int flags = image->readonly ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
    void *addr = mmap(NULL, m->size, PROT_READ, flags, image->fd, 0);

    if (addr == MAP_FAILED) {
        return -errno;
    }
    range.range.start = (uintptr_t)addr;
    range.range.len = (m->size + 4095) & ~4095ull;
    if (ioctl(m->fault_fd, UFFDIO_REGISTER, &range) < 0) {
        int num = errno;

        munmap(addr, m->size);
        return -num;
    }
    m->addr = addr;
    return 0;
}

int image_map_open(struct image_map *m, const struct image *image, struct error *err)
{
    int r;

    if (!image->in_memory) {
        return error_set(err, -EINVAL,
                         "only disk images in memory, on a tmpfs, can be mapped: use engine "
                         "linux-aio or io_uring for others");
    }
    r = guarded_copy_install();
    if (r < 0) {
        return error_set(err, r, "cannot take SIGBUS: %s", strerror(-r));
    }
    r = open_fault_fd(err);
    if (r < 0) {
        return r;
    }
    *m = (struct image_map){.size = image_size(image), .fault_fd = r};
    r = map(m, image);
    if (r < 0) {
        close(m->fault_fd);
        return error_set(err, r, "cannot map a disk image of %llu MiB: %s",
                         (unsigned long long)m->size >> 20, strerror(-r));
    }
    return 0;
}

void image_map_close(struct image_map *m)
{
    munmap((void *)m->addr, m->size);
    close(m->fault_fd);
}

ssize_t image_map_read(const struct image_map *m, const struct iovec *iov, int cnt, uint64_t offset)
{
    uint64_t at = offset;

    for (int i = 0; i < cnt; i++) {
        if (at > m->size || iov[i].iov_len > m->size - at ||
            guarded_copy(iov[i].iov_base, m->addr + at, iov[i].iov_len)) {
            return -EFAULT;
        }
        at += iov[i].iov_len;
    }
    return (ssize_t)(at - offset);
}

// SPDX-License-Identifier: MIT
/* Files are read with pread(), so that a loader can read parts in any order. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm/boot-file.h"

int boot_file_open(struct boot_file *b, const char *what, const char *path, struct error *err)
{
    struct stat st;
    int num = 0;

    memset(b, 0, sizeof(*b));
    b->name = path;
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    b->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (b->fd < 0) {
        return error_set(err, -errno, "%s %s: %s", what, path, strerror(errno));
    }
    if (fstat(b->fd, &st) < 0) {
        num = error_set(err, -errno, "%s %s: %s", what, path, strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        num = error_set(err, -EISDIR, "%s %s: is a directory, not a file", what, path);
    } else if (!S_ISREG(st.st_mode)) {
        num = error_set(err, -EINVAL, "%s %s: not a regular file", what, path);
    } else if (st.st_size == 0) {
        num = error_set(err, -EINVAL, "%s %s: the file is empty", what, path);
    }
    if (num < 0) {
        boot_file_close(b);
        return num;
    }
    b->size = (uint64_t)st.st_size;
    return 0;
}

int boot_file_init(struct boot_file *b, const char *name, const void *data, size_t size,
                   struct error *err)
{
    *b = (struct boot_file){.name = name, .fd = -1, .data = data, .size = size};
    return size ? 0 : error_set(err, -EINVAL, "%s: is empty", name);
}

int boot_file_read(const struct boot_file *b, uint64_t offset, void *buf, uint64_t len)
{
    if (offset > b->size || len > b->size - offset) {
        return -ENODATA;
    }
    if (b->fd < 0) {
        memcpy(buf, b->data + offset, len);
        return 0;
    }
    for (uint64_t done = 0; done < len;) {
        ssize_t n = pread(b->fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));

        if (n == 0) {
            return -ENODATA;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        done += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

void boot_file_close(struct boot_file *b)
{
    if (b->fd >= 0) {
        close(b->fd);
    }
    b->fd = -1;
}

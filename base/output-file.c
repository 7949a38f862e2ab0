// SPDX-License-Identifier: MIT
/* Opens a file for output without damage to a disk image. */
#include "base/output-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/image-lock.h"

/* A shared lock takes a descriptor that can be read (fcntl(2)). */
static int make_readable(int fd)
{
    char self[32];
    int rw, ret;

    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    rw = open(self, O_RDWR | O_CLOEXEC);
    if (rw < 0) {
        return -errno;
    }
    ret = dup3(rw, fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(rw);
    return ret;
}

static int prepare(int fd, const char *what, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return error_set(err, -errno, "%s: cannot use '%s': %s", what, path, strerror(errno));
    }
    if (S_ISBLK(st.st_mode)) {
        return error_set(err, -EINVAL, "%s: '%s' is a block device; name a file", what, path);
    }
    if (S_ISREG(st.st_mode)) {
        int ret = make_readable(fd);

        if (ret < 0) {
            return error_set(err, ret, "%s: cannot use '%s': %s", what, path, strerror(-ret));
        }
        ret = image_lock(fd, path, true, IMAGE_OTHERS_NOTHING, err);
        if (ret < 0) {
            return error_prefix(err, ret, "%s: '%s' is not overwritten: ", what, path);
        }
        if (ftruncate(fd, 0) < 0) {
            return error_set(err, -errno, "%s: cannot truncate '%s': %s", what, path,
                             strerror(errno));
        }
    }
    /* O_NONBLOCK was for open(2) only. */
    if (fcntl(fd, F_SETFL, 0) < 0) {
        return error_set(err, -errno, "%s: cannot use '%s': %s", what, path, strerror(errno));
    }
    return 0;
}

int output_file_open(const char *what, const char *path, FILE **out, struct error *err)
{
    /* Without O_NONBLOCK, opening a FIFO waits for a reader. */
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    int ret;

    if (fd < 0 && errno == ENXIO) {
        return error_set(err, -ENXIO,
                         "%s: '%s' is a FIFO that no process reads: start the reader first", what,
                         path);
    }
    if (fd < 0) {
        return error_set(err, -errno, "%s: cannot create '%s': %s", what, path, strerror(errno));
    }
    ret = prepare(fd, what, path, err);
    if (ret == 0) {
        *out = fdopen(fd, "w");
        if (*out) {
            return 0;
        }
        ret = error_set(err, -ENOMEM, "%s: out of memory", what);
    }
    close(fd);
    return ret;
}

bool output_file_same(const char *a, const char *b)
{
    struct stat sa, sb;

    return a && b && stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

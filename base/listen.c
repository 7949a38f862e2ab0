// SPDX-License-Identifier: MIT
/* Listening Unix sockets: made, replaced when stale, or inherited. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/listen.h"

#define BACKLOG 8

/* Return: 0: nothing is there any more; -errno and @err. */
static int remove_stale(const struct sockaddr_un *addr, struct error *err)
{
    struct stat st;
    int fd, ret;

    if (lstat(addr->sun_path, &st) < 0) {
        ret = -errno;
        return ret == -ENOENT ? 0 : error_set(err, ret, "%s: %s", addr->sun_path, strerror(-ret));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return error_set(err, -EEXIST, "%s exists and is no socket", addr->sun_path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        ret = -errno;
        return error_set(err, ret, "cannot make a socket: %s", strerror(-ret));
    }
    ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
    close(fd);
    if (ret != -ECONNREFUSED) {
        return error_set(err, -EADDRINUSE, "%s is in use: a process listens there", addr->sun_path);
    }
    if (unlink(addr->sun_path) < 0 && errno != ENOENT) {
        ret = -errno;
        return error_set(err, ret, "cannot remove the old %s: %s", addr->sun_path, strerror(-ret));
    }
    return 0;
}

int listen_at_path(const char *path, unsigned mode, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd, ret;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        return error_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu characters", path,
                         sizeof(addr.sun_path) - 1);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    ret = remove_stale(&addr, err);
    if (ret < 0) {
        return ret;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        ret = -errno;
        return error_set(err, ret, "cannot make a socket: %s", strerror(-ret));
    }
    /* bind() takes the permissions from here, less the umask; nobody can connect before listen(). */
    if (fchmod(fd, mode) < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        ret = -errno;
        close(fd);
        return error_set(err, ret, "cannot listen at %s: %s", path, strerror(-ret));
    }
    if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
        ret = -errno;
        close(fd);
        unlink(path);
        return error_set(err, ret, "cannot listen at %s: %s", path, strerror(-ret));
    }
    return fd;
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

int listen_inherited(int fd, struct error *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return error_set(err, -EBADF, "descriptor %d is not open", fd);
    }
    if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM ||
        option(fd, SO_ACCEPTCONN) != 1) {
        return error_set(err, -EINVAL, "descriptor %d is not a listening Unix stream socket", fd);
    }
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return error_set(err, -errno, "descriptor %d cannot be used: %s", fd, strerror(errno));
    }
    return fd;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/listen.h"
#include "cli/qmp-socket.h"
#include "cli/version.h"

#define SOCKET_MODE 0600

static int listen_at(struct qmp_socket *q, const char *address, struct error *err)
{
    static const char unix_prefix[] = "unix:", fd_prefix[] = "fd:";
    char *end;
    long fd;

    if (!strncmp(address, unix_prefix, strlen(unix_prefix)) && address[strlen(unix_prefix)]) {
        const char *path = address + strlen(unix_prefix);

        q->fd = listen_at_path(path, SOCKET_MODE, err);
        q->path = q->fd >= 0 ? path : NULL;
        return q->fd;
    }
    if (!strncmp(address, fd_prefix, strlen(fd_prefix))) {
        errno = 0;
        fd = strtol(address + strlen(fd_prefix), &end, 10);
        if (end > address + strlen(fd_prefix) && !*end && !errno && fd >= 0 && fd < 1 << 20) {
            q->fd = listen_inherited((int)fd, err);
            return q->fd;
        }
    }
    return error_set(err, -EINVAL, "'%s' is neither unix:PATH nor fd:N", address);
}

int qmp_socket_open(struct qmp_socket *q, const char *address, AioContext *loop,
                    struct qmp_target *target, struct error *err)
{
    int ret;

    *q = (struct qmp_socket){.fd = -1};
    if (!address) {
        return 0;
    }
    sscanf(POLLUX_VERSION, "%u.%u.%u", &target->version[0], &target->version[1],
           &target->version[2]);
    ret = listen_at(q, address, err);
    if (ret >= 0) {
        ret = qmp_server_new(loop, q->fd, target, &q->server, err);
    }
    return ret < 0 ? error_prefix(err, ret, "--qmp: ") : 0;
}

static void stop_listening(struct qmp_socket *q)
{
    if (q->path) {
        unlink(q->path);
        q->path = NULL;
    }
    if (q->fd >= 0) {
        close(q->fd);
        q->fd = -1;
    }
}

void qmp_socket_stop(struct qmp_socket *q, const struct qmp_shutdown *why)
{
    qmp_server_stop(q->server, why);
    stop_listening(q);
}

void qmp_socket_close(struct qmp_socket *q)
{
    qmp_server_free(q->server);
    q->server = NULL;
    stop_listening(q);
}

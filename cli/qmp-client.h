// SPDX-License-Identifier: MIT
/*
 * A client of a control socket (docs/control.md). The server is not trusted: each answer has a time
 * limit and a size limit, and text of the server is printable ASCII before anybody prints it.
 */
#ifndef POLLUX_CLI_QMP_CLIENT_H
#define POLLUX_CLI_QMP_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define QMP_ANSWER_NS  5000000000
#define QMP_ANSWER_MAX (16u << 20) /* bytes of a line */

struct qmp_connection {
    const char *path;
    int fd;        /* -1: closed */
    int cancel_fd; /* ends a wait when readable; -1: none */
    uint64_t limit_ns;
    /* Bytes that were received: @used of @size, of which @seen have no end of a line. */
    char *buf;
    size_t used, size, seen;
    size_t line;     /* length of the line at the start of @buf that was handed out */
    char reason[32]; /* of the event SHUTDOWN; empty before it */
};

/**
 * qmp_connection_open - connect, read the greeting, and negotiate
 * @path:      of a Unix socket, perhaps after "unix:"; stays valid
 * @cancel_fd: see the struct
 * @limit_ns:  for each answer; 0: QMP_ANSWER_NS
 * Return: 0; -EINTR if @cancel_fd became readable; or -errno and @err. qmp_connection_close() frees
 *         in all cases.
 */
int qmp_connection_open(struct qmp_connection *c, const char *path, int cancel_fd,
                        uint64_t limit_ns, struct error *err);

/**
 * qmp_connection_ask - run a command without arguments; events that come meanwhile are dropped
 * @result: set to a new reference
 * Return: as above; -ENOSYS: the server has no such command. The connection is of use only after
 *         0 and -ENOSYS.
 */
int qmp_connection_ask(struct qmp_connection *c, const char *command, json_t **result,
                       struct error *err);

void qmp_connection_close(struct qmp_connection *c);

#endif

// SPDX-License-Identifier: MIT
/* --qmp, of every command that has a control socket. */
#ifndef POLLUX_CLI_QMP_SOCKET_H
#define POLLUX_CLI_QMP_SOCKET_H

#include "cli/options.h"
#include "control/qmp.h"

struct qmp_socket {
    int fd;           /* -1: none */
    const char *path; /* of a socket that was made; NULL: none */
    struct qmp_server *server;
};

/* Of one key, whose place is a const char *: NULL without --qmp. */
#define QMP_OPTION_HELP "control socket: unix:PATH, or fd:N for a listening one that was inherited"
#define QMP_OPTION_MORE                                                                            \
    "Speaks QMP: commands and events in JSON, see docs/control.md. PATH gets the mode 0600; a "    \
    "socket that is left from a process that has ended is replaced. At most 16 clients."

/**
 * qmp_socket_open - listen at @address and serve clients
 * @q:       filled; qmp_socket_close() releases in both cases
 * @address: NULL: nothing is opened
 * @target:  without the version, which is put in
 * Context: owner of @loop.
 * Return: 0, or -errno and @err.
 */
int qmp_socket_open(struct qmp_socket *q, const char *address, AioContext *loop,
                    struct qmp_target *target, struct error *err);

/**
 * qmp_socket_stop - say why the process ends, disconnect all clients, and remove the socket
 * qmp_socket_close - free the server, when no other thread reports events any more
 */
void qmp_socket_stop(struct qmp_socket *q, const struct qmp_shutdown *why);
void qmp_socket_close(struct qmp_socket *q);

#endif

// SPDX-License-Identifier: MIT
/* The inside of a QMP server, for the commands. */
#ifndef POLLUX_CONTROL_SERVER_STATE_H
#define POLLUX_CONTROL_SERVER_STATE_H

#include "control/client.h"
#include "control/events.h"
#include "control/target.h"

/* An I/O thread as commands see it. */
struct qmp_iothread {
    struct iothread *io;
    struct poll_params poll; /* last set; in force with the next turn of the loop */
    bool silent;             /* it did not answer the last question */
    int schedstat_fd; /* of it in /proc, open as the sandbox lets no file be opened; -1: none */
};

struct qmp_server {
    AioContext *loop;
    int listen_fd;
    struct qmp_target target;
    struct qmp_iothread *iothreads; /* target.nr_iothreads */
    struct aio_handler listener;
    bool listening;
    struct aio_timer listen_again; /* after accept() has failed */
    struct qmp_client *clients[QMP_CLIENTS_MAX];
    unsigned nr_clients;
    struct qmp_events events;
};

#endif

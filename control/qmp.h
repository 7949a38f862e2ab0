// SPDX-License-Identifier: MIT
/*
 * A QMP server: the control socket of a process that serves disks, and perhaps runs a guest.
 *
 * The server runs in a loop of its caller, never in an I/O thread, and waits for no I/O thread
 * longer than 100 ms. docs/control.md describes protocol, commands and limits.
 */
#ifndef POLLUX_CONTROL_QMP_H
#define POLLUX_CONTROL_QMP_H

#include "control/target.h"

struct qmp_server;

/**
 * qmp_server_new - serve QMP clients that connect to a listening socket
 * @listen_fd: non-blocking, see base/listen.h; the caller closes it after qmp_server_stop()
 * @target: copied
 * Context: owner of @loop, whose monitor is ppoll.
 * Return: 0 and *@out, or -errno and @err.
 */
int qmp_server_new(AioContext *loop, int listen_fd, const struct qmp_target *target,
                   struct qmp_server **out, struct error *err);

/**
 * qmp_server_stop - send SHUTDOWN, and disconnect all clients
 * Output that a client's socket does not take now is lost. NULL is allowed.
 * Context: owner of the loop; once.
 */
void qmp_server_stop(struct qmp_server *s, const struct qmp_shutdown *why);

/**
 * qmp_server_free - free a server that is stopped or not
 * Context: owner of the loop; no other thread calls qmp_guest_changed() or qmp_io_error() any more.
 * NULL is allowed.
 */
void qmp_server_free(struct qmp_server *s);

/**
 * qmp_guest_changed - send STOP or RESUME soon, if the guest was paused or resumed
 * Context: any thread. NULL is allowed.
 */
void qmp_guest_changed(struct qmp_server *s);

/**
 * qmp_powerdown - press the power button, and send POWERDOWN
 * Context: owner of the loop; the target has a guest. NULL is not allowed.
 */
void qmp_powerdown(struct qmp_server *s);

/**
 * qmp_io_error - send BLOCK_IO_ERROR soon: at most one a second for each disk
 * Context: any thread. NULL is allowed.
 */
void qmp_io_error(struct qmp_server *s, const struct blk_io_error *e);

#endif

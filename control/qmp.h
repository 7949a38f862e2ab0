// SPDX-License-Identifier: MIT
/*
 * A QMP server: the control socket of a process that serves disks, and perhaps runs a guest.
 *
 * The server runs in a loop of its caller, never in an I/O thread, and waits for no I/O thread
 * longer than 100 ms. docs/control.md describes protocol, commands and limits.
 */
#ifndef POLLUX_CONTROL_QMP_H
#define POLLUX_CONTROL_QMP_H

#include "aio/aio.h"
#include "blk/disk.h"
#include "iothread/iothread.h"

#define QMP_CLIENTS_MAX 16
#define QMP_DISKS_MAX   256

struct qmp_server;

/* A guest that this process runs. Context of all functions: the server's loop; none may wait. */
struct qmp_guest_ops {
    void (*pause)(void *opaque);
    void (*resume)(void *opaque); /* requests that disks hold are tried again */
    bool (*paused)(void *opaque);
    void (*powerdown)(void *opaque); /* press the ACPI power button */
    void (*reset)(void *opaque);
    int (*cpu_tid)(void *opaque, unsigned cpu); /* thread id */
};

/* What the server shows and changes. Pointers stay valid until qmp_server_stop(). */
struct qmp_target {
    unsigned version[3]; /* major, minor, micro */
    struct iothread **iothreads;
    const struct iothread_config *iothread_configs; /* they were made from; same order */
    unsigned nr_iothreads;
    struct disk **disks; /* virtio-blk each */
    unsigned nr_disks;
    const struct qmp_guest_ops *guest; /* NULL: this process runs no guest */
    unsigned nr_cpus;

    /* End the process soon. Context: as above. */
    void (*quit)(void *opaque);
    /* Look at the size of the image of disk @i and tell the guest. Context: as above.
     * Return: 0 or more, or -errno and @err. */
    int (*resized)(void *opaque, unsigned i, struct error *err);
    void *opaque; /* first argument of all functions */
};

/**
 * qmp_server_new - serve QMP clients that connect to a listening socket
 * @listen_fd: non-blocking, see base/listen.h; the caller closes it after qmp_server_stop()
 * @target: copied
 * Context: owner of @loop, whose monitor is ppoll.
 * Return: 0 and *@out, or -errno and @err.
 */
int qmp_server_new(AioContext *loop, int listen_fd, const struct qmp_target *target,
                   struct qmp_server **out, struct error *err);

/* Why the process ends: the members of SHUTDOWN. */
struct qmp_shutdown {
    bool by_guest;
    bool reset;         /* RESET precedes SHUTDOWN */
    const char *reason; /* of QEMU's ShutdownCause, as "guest-shutdown" */
};

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

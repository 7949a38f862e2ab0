// SPDX-License-Identifier: MIT
/* What a QMP server shows and changes: I/O threads, disks, perhaps a guest, and the process. */
#ifndef POLLUX_CONTROL_TARGET_H
#define POLLUX_CONTROL_TARGET_H

#include "aio/aio.h"
#include "blk/disk.h"
#include "iothread/iothread.h"

#define QMP_CLIENTS_MAX 16
#define QMP_DISKS_MAX   256

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

/* Why the process ends: the members of SHUTDOWN. */
struct qmp_shutdown {
    bool by_guest;
    bool reset;         /* RESET precedes SHUTDOWN */
    const char *reason; /* of QEMU's ShutdownCause, as "guest-shutdown" */
};

#endif

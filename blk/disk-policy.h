// SPDX-License-Identifier: MIT
/* Policies of the block device that the user sets. */
#ifndef POLLUX_BLK_DISK_POLICY_H
#define POLLUX_BLK_DISK_POLICY_H

#include <stdbool.h>

#define VIRTIO_BLK_SERIAL_MAX 20 /* 5.2.6.1; not terminated if it is that long */

/* The policy for a write that consists of zeroes. */
enum virtio_blk_detect {
    VIRTIO_BLK_DETECT_OFF,
    VIRTIO_BLK_DETECT_ON,    /* make it a write zeroes: faster, and holes stay holes */
    VIRTIO_BLK_DETECT_UNMAP, /* likewise; the host may free the blocks if @discard is set */
};

/* The policy for a request that the host failed. */
enum virtio_blk_on_error {
    VIRTIO_BLK_REPORT, /* complete the request with S_IOERR */
    VIRTIO_BLK_IGNORE, /* complete the request with S_OK */
    VIRTIO_BLK_STOP,   /* hold the request and stop the guest, until virtio_blk_retry() */
    VIRTIO_BLK_ENOSPC, /* STOP when the host's disk is full, else REPORT */
};

/* The host failed a request. Strings are valid only during the call that reports it. */
struct blk_io_error {
    const char *disk;
    bool read;                       /* else any other operation */
    bool no_space;                   /* the host's disk is full */
    enum virtio_blk_on_error action; /* REPORT, IGNORE or STOP */
    const char *reason;              /* one line */
};

#endif

// SPDX-License-Identifier: MIT
/*
 * Events that wait to be sent. Any thread notes one; the server's loop sends it in a bottom half, so
 * never inside the callback of a client, which the event may disconnect.
 */
#ifndef POLLUX_CONTROL_EVENTS_H
#define POLLUX_CONTROL_EVENTS_H

#include <jansson.h>
#include <pthread.h>

#include "aio/aio.h"
#include "control/target.h"

#define QMP_IO_ERROR_NS 1000000000 /* between two BLOCK_IO_ERROR of a disk */

struct qmp_pending_error {
    bool pending, read, no_space;
    enum virtio_blk_on_error action;
    uint64_t not_before_ns; /* of the loop's clock */
    char reason[200];
};

struct qmp_events {
    const struct qmp_target *target;
    AioContext *loop;
    /* Send an event to all clients. */
    void (*send)(void *opaque, const json_t *event);
    void *opaque;
    struct aio_bh bh;
    struct aio_timer later; /* armed while a BLOCK_IO_ERROR waits for its time */
    bool paused;            /* as the last event said */
    bool powerdown;         /* POWERDOWN is to be sent */
    pthread_mutex_t lock;   /* protects the following */
    struct qmp_pending_error errors[QMP_DISKS_MAX];
};

void qmp_events_init(struct qmp_events *e, AioContext *loop, const struct qmp_target *target,
                     void (*send)(void *opaque, const json_t *event), void *opaque);
void qmp_events_destroy(struct qmp_events *e);

/**
 * qmp_events_note_error - note a failed request, for one BLOCK_IO_ERROR
 * Context: any thread.
 */
void qmp_events_note_error(struct qmp_events *e, const struct blk_io_error *error);

/**
 * qmp_events_shutdown - send what waits, then RESET and SHUTDOWN
 * Context: owner of the loop, not in the callback of a client.
 */
void qmp_events_shutdown(struct qmp_events *e, const struct qmp_shutdown *why);

#endif

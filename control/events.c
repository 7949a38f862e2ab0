// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/events.h"

static void send(struct qmp_events *e, const char *name, json_t *data)
{
    struct timespec ts;
    json_t *event;

    clock_gettime(CLOCK_REALTIME, &ts);
    event = json_pack("{s:{s:I,s:I},s:s,s:o*}", "timestamp", "seconds", (json_int_t)ts.tv_sec,
                      "microseconds", (json_int_t)(ts.tv_nsec / 1000), "event", name, "data", data);
    if (event) {
        e->send(e->opaque, event);
        json_decref(event);
    }
}

static void send_io_error(struct qmp_events *e, const char *disk, const struct qmp_pending_error *p)
{
    static const char *const actions[] = {
        [VIRTIO_BLK_REPORT] = "report",
        [VIRTIO_BLK_IGNORE] = "ignore",
        [VIRTIO_BLK_STOP] = "stop",
    };

    send(e, "BLOCK_IO_ERROR",
         json_pack("{s:s,s:s,s:s,s:s,s:b,s:s}", "device", disk, "node-name", disk, "operation",
                   p->read ? "read" : "write", "action", actions[p->action], "nospace", p->no_space,
                   "reason", p->reason));
}

/* Return: when the error of disk @i can be sent; 0: it is in @out now; UINT64_MAX: there is none. */
static uint64_t take_error(struct qmp_events *e, unsigned i, uint64_t now,
                           struct qmp_pending_error *out)
{
    struct qmp_pending_error *p = &e->errors[i];
    uint64_t when = UINT64_MAX;

    pthread_mutex_lock(&e->lock);
    if (p->pending) {
        when = now >= p->not_before_ns ? 0 : p->not_before_ns;
    }
    if (when == 0) {
        *out = *p;
        p->pending = false;
        p->not_before_ns = now + QMP_IO_ERROR_NS;
    }
    pthread_mutex_unlock(&e->lock);
    return when;
}

static void send_io_errors(struct qmp_events *e)
{
    uint64_t now = aio_now(e->loop), next = UINT64_MAX;

    for (unsigned i = 0; i < e->target->nr_disks; i++) {
        struct qmp_pending_error error;
        uint64_t when = take_error(e, i, now, &error);

        if (when == 0) {
            send_io_error(e, e->target->disks[i]->config->name, &error);
        } else {
            next = when < next ? when : next;
        }
    }
    if (next != UINT64_MAX) {
        aio_timer_arm(&e->later, next);
    }
}

static void send_noted(void *opaque)
{
    struct qmp_events *e = opaque;
    const struct qmp_target *t = e->target;
    bool paused = t->guest && t->guest->paused(t->opaque);

    send_io_errors(e);
    if (e->powerdown) {
        e->powerdown = false;
        send(e, "POWERDOWN", NULL);
    }
    if (paused != e->paused) {
        e->paused = paused;
        send(e, paused ? "STOP" : "RESUME", NULL);
    }
}

void qmp_events_init(struct qmp_events *e, AioContext *loop, const struct qmp_target *target,
                     void (*send_event)(void *opaque, const json_t *event), void *opaque)
{
    *e = (struct qmp_events){.target = target, .loop = loop, .send = send_event, .opaque = opaque};
    pthread_mutex_init(&e->lock, NULL);
    aio_bh_init(loop, &e->bh, send_noted, e);
    aio_timer_init(loop, &e->later, send_noted, e);
}

void qmp_events_destroy(struct qmp_events *e)
{
    aio_bh_cancel(&e->bh);
    aio_timer_cancel(&e->later);
    pthread_mutex_destroy(&e->lock);
}

static unsigned find_disk(const struct qmp_target *t, const char *name)
{
    unsigned i = 0;

    while (i < t->nr_disks && strcmp(t->disks[i]->config->name, name)) {
        i++;
    }
    return i;
}

/* The first error of a second is kept, unless a later one stops the guest. */
void qmp_events_note_error(struct qmp_events *e, const struct blk_io_error *error)
{
    unsigned i = find_disk(e->target, error->disk);
    struct qmp_pending_error *p = &e->errors[i];

    if (i == e->target->nr_disks) {
        return;
    }
    pthread_mutex_lock(&e->lock);
    if (!p->pending || (error->action == VIRTIO_BLK_STOP && p->action != VIRTIO_BLK_STOP)) {
        p->pending = true;
        p->read = error->read;
        p->no_space = error->no_space;
        p->action = error->action;
        snprintf(p->reason, sizeof(p->reason), "%s", error->reason);
    }
    pthread_mutex_unlock(&e->lock);
    aio_bh_schedule(&e->bh);
}

void qmp_events_shutdown(struct qmp_events *e, const struct qmp_shutdown *why)
{
    send_noted(e);
    if (why->reset) {
        send(e, "RESET", json_pack("{s:b,s:s}", "guest", why->by_guest, "reason", why->reason));
    }
    send(e, "SHUTDOWN", json_pack("{s:b,s:s}", "guest", why->by_guest, "reason", why->reason));
}

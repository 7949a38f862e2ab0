// SPDX-License-Identifier: MIT
/* A front end from its connection to its end. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/barrier.h"
#include "vhost/event-fd.h"
#include "vhost/messages.h"
#include "vhost/rings.h"
#include "vhost/session.h"

#define MESSAGES_AT_ONCE 64 /* then the server looks whether it is to stop */

int vhost_session_receive(struct vhost_session *s, struct error *err)
{
    int ret = 1;

    for (unsigned i = 0; i < MESSAGES_AT_ONCE && ret > 0; i++) {
        ret = vhost_channel_receive(&s->channel, err);
        if (ret > 0) {
            ret = vhost_message_handle(s, err) < 0 ? -EPROTO : 1;
        }
    }
    return ret < 0 ? ret : 0;
}

/* --- events from other threads --- */

static void config_changed(void *opaque)
{
    struct vhost_session *s = opaque;

    store_release(&s->config_changed, true);
    event_fd_signal(s->wake_fd);
}

static const struct virtio_transport_ops transport_ops = {.config_changed = config_changed};

static int send_config_change(struct vhost_session *s, struct error *err)
{
    const struct vhost_header header = {.request = VHOST_BACKEND_CONFIG_CHANGE,
                                        .flags = VHOST_VERSION};

    if (s->backend_fd < 0 || send(s->backend_fd, &header, sizeof(header),
                                  MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(header)) {
        return 0;
    }
    return error_set(err, -EAGAIN, "the front end does not read our requests");
}

int vhost_session_check(struct vhost_session *s, struct error *err)
{
    if (vhost_memory_lost(s->memory) || shared_map_lost(&s->inflight)) {
        return error_set(err, -EFAULT, "the front end has cut the file of its memory");
    }
    if (!exchange_acq_rel(&s->config_changed, false)) {
        return 0;
    }
    if (s->live && vhost_needs_reset(s)) {
        for (unsigned i = 0; i < s->nr_rings && !s->needs_reset_told; i++) {
            if (s->rings[i].err_fd >= 0) {
                event_fd_signal(s->rings[i].err_fd);
            }
        }
        s->needs_reset_told = true;
    }
    return send_config_change(s, err);
}

/* --- new and free --- */

int vhost_session_new(int fd, struct virtio_device *dev, struct vhost_memory *memory, int wake_fd,
                      struct vhost_session **out)
{
    struct vhost_session *s = calloc(1, sizeof(*s) + dev->nr_queues * sizeof(s->rings[0]));
    int ret = 0;

    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    vhost_channel_init(&s->channel, fd);
    s->dev = dev;
    s->memory = memory;
    s->wake_fd = wake_fd;
    s->backend_fd = -1;
    for (; s->nr_rings < dev->nr_queues && ret == 0; s->nr_rings++) {
        struct vhost_ring *r = &s->rings[s->nr_rings];

        r->kick_fd = r->err_fd = -1;
        r->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        ret = r->call_fd < 0 ? -errno : 0;
    }
    dev->transport = &transport_ops;
    dev->transport_opaque = s;
    vhost_driver_forget(s);
    if (ret < 0) {
        vhost_session_free(s);
        return ret;
    }
    *out = s;
    return 0;
}

void vhost_session_free(struct vhost_session *s)
{
    vhost_device_reset(s);
    s->dev->transport = NULL;
    for (unsigned i = 0; i < s->nr_rings; i++) {
        struct vhost_ring *r = &s->rings[i];

        if (r->call_fd >= 0) {
            close(r->call_fd);
        }
        if (r->err_fd >= 0) {
            close(r->err_fd);
        }
        s->dev->queues[i].kick_fd = s->dev->queues[i].call_fd = -1;
        s->dev->queues[i].vq.inflight = NULL;
    }
    if (s->backend_fd >= 0) {
        close(s->backend_fd);
    }
    shared_map_close(&s->inflight);
    vhost_memory_clear(s->memory);
    vhost_channel_close(&s->channel);
    free(s);
}

int vhost_session_fd(const struct vhost_session *s)
{
    return s->channel.fd;
}

unsigned vhost_session_taken_again(struct vhost_session *s)
{
    unsigned n = s->taken_again;

    s->taken_again = 0;
    return n;
}

bool vhost_session_serves(const struct vhost_session *s)
{
    return vhost_rings_served(s);
}

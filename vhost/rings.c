// SPDX-License-Identifier: MIT
/* Which rings are served, and the messages that set them up. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost/event-fd.h"
#include "vhost/record.h"
#include "vhost/rings.h"

#define PACKED_WRAPS 0x80008000u /* vhost-user has wrap counters where struct virtqueue has laps */

bool vhost_rings_served(const struct vhost_session *s)
{
    for (unsigned i = 0; i < s->nr_rings; i++) {
        if (s->rings[i].served) {
            return true;
        }
    }
    return false;
}

static void stop_ring(struct vhost_session *s, unsigned i)
{
    struct vhost_ring *r = &s->rings[i];

    if (r->served) {
        virtio_queue_set_ready(s->dev, i, false);
        r->base = s->dev->queues[i].vq.base;
        virtq_inflight_stop(&r->inflight);
        r->served = false;
    }
}

void vhost_rings_stop(struct vhost_session *s)
{
    for (unsigned i = 0; i < s->nr_rings; i++) {
        stop_ring(s, i);
    }
}

/* Sets the device up as a driver would; a queue is started with its ring. */
static void start_device(struct vhost_session *s)
{
    const uint8_t negotiated =
        VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;

    virtio_set_status(s->dev, 0);
    virtio_set_features(s->dev, 0, (uint32_t)s->features & ~BIT(VHOST_F_PROTOCOL_FEATURES));
    virtio_set_features(s->dev, 1, (uint32_t)(s->features >> 32));
    virtio_set_status(s->dev, negotiated);
    virtio_set_status(s->dev, negotiated | VIRTIO_CONFIG_S_DRIVER_OK);
    s->needs_reset_told = false;
    s->live = true;
}

static int start_ring(struct vhost_session *s, unsigned i, struct error *err)
{
    struct vhost_ring *r = &s->rings[i];
    struct virtio_queue *q = &s->dev->queues[i];
    int ret;

    if (!s->live || (vhost_needs_reset(s) && !vhost_rings_served(s))) {
        start_device(s);
    }
    if (!vhost_memory_to_gpa(s->memory, r->addr.desc, &q->vq.desc_gpa) ||
        !vhost_memory_to_gpa(s->memory, r->addr.avail, &q->vq.avail_gpa) ||
        !vhost_memory_to_gpa(s->memory, r->addr.used, &q->vq.used_gpa)) {
        return error_set(err, -EINVAL, "ring %u is not in the memory of the guest", i);
    }
    q->vq.size = (uint16_t)r->size;
    q->kick_fd = r->kick_fd;
    q->call_fd = r->call_fd;
    ret = vhost_record_attach(s, i, err);
    if (ret < 0) {
        return ret;
    }
    virtio_queue_resume(s->dev, i, r->base);
    s->taken_again += r->inflight.nr_again;
    r->served = q->vq.ready; /* not if another ring has broken the device */
    /* The process before this one may have ended between a used element and its interrupt. */
    event_fd_signal(r->call_fd);
    return 0;
}

int vhost_rings_update(struct vhost_session *s, struct error *err)
{
    int ret = 0;

    for (unsigned i = 0; i < s->nr_rings && ret == 0; i++) {
        struct vhost_ring *r = &s->rings[i];
        bool wanted =
            s->features && r->started && r->enabled && r->has_addr && r->size && s->memory->nr;

        if (!wanted) {
            stop_ring(s, i);
        } else if (!r->served) {
            ret = start_ring(s, i, err);
        }
    }
    return ret;
}

static void close_kick(struct vhost_ring *r)
{
    if (r->kick_fd >= 0) {
        close(r->kick_fd);
        r->kick_fd = -1;
    }
    r->started = false;
}

void vhost_driver_forget(struct vhost_session *s)
{
    virtio_set_status(s->dev, 0);
    s->dev->driver_features = vhost_offered(s);
    s->live = false;
}

void vhost_device_reset(struct vhost_session *s)
{
    vhost_rings_stop(s);
    for (unsigned i = 0; i < s->nr_rings; i++) {
        close_kick(&s->rings[i]);
        s->rings[i].enabled = false;
        s->rings[i].base = 0;
    }
    vhost_driver_forget(s);
    s->status = 0;
}

void vhost_device_reset_by_driver(struct vhost_session *s)
{
    vhost_device_reset(s);
    vhost_record_forget(s);
}

/* --- messages --- */

/* Return: the ring of @index, or NULL and @err. */
static struct vhost_ring *ring_at(struct vhost_session *s, uint32_t index, struct error *err)
{
    if (index >= s->nr_rings) {
        error_set(err, -EINVAL, "ring %u; there are %u (queues=)", index, s->nr_rings);
        return NULL;
    }
    return &s->rings[index];
}

int vhost_set_vring_num(struct vhost_session *s, struct error *err)
{
    const struct vhost_vring_state *state = &s->channel.msg.payload.state;
    struct vhost_ring *r = ring_at(s, state->index, err);
    unsigned max;

    if (!r) {
        return -EINVAL;
    }
    max = s->dev->queues[state->index].size_max;
    if (state->num == 0 || state->num > max) {
        return error_set(err, -EINVAL,
                         "ring %u of %u entries; at most %u are possible (queue-size=)",
                         state->index, state->num, max);
    }
    stop_ring(s, state->index);
    r->size = state->num;
    return vhost_rings_update(s, err);
}

int vhost_set_vring_addr(struct vhost_session *s, struct error *err)
{
    const struct vhost_vring_addr *addr = &s->channel.msg.payload.addr;
    struct vhost_ring *r = ring_at(s, addr->index, err);

    if (!r) {
        return -EINVAL;
    }
    stop_ring(s, addr->index);
    r->addr = *addr;
    r->has_addr = true;
    return vhost_rings_update(s, err);
}

int vhost_set_vring_base(struct vhost_session *s, struct error *err)
{
    const struct vhost_vring_state *state = &s->channel.msg.payload.state;
    struct vhost_ring *r = ring_at(s, state->index, err);

    if (!r) {
        return -EINVAL;
    }
    stop_ring(s, state->index);
    r->base = vhost_session_has(s, VIRTIO_F_RING_PACKED) ? state->num ^ PACKED_WRAPS
                                                         : (uint16_t)state->num;
    return vhost_rings_update(s, err);
}

int vhost_get_vring_base(struct vhost_session *s, struct error *err)
{
    struct vhost_vring_state state = s->channel.msg.payload.state;
    struct vhost_ring *r = ring_at(s, state.index, err);

    if (!r) {
        return -EINVAL;
    }
    stop_ring(s, state.index);
    close_kick(r);
    state.num = vhost_session_has(s, VIRTIO_F_RING_PACKED) ? r->base ^ PACKED_WRAPS : r->base;
    return vhost_channel_reply(&s->channel, &state, sizeof(state), -1, err);
}

int vhost_set_vring_enable(struct vhost_session *s, struct error *err)
{
    const struct vhost_vring_state *state = &s->channel.msg.payload.state;
    struct vhost_ring *r = ring_at(s, state->index, err);

    if (!r) {
        return -EINVAL;
    }
    if (state->num > 1) {
        return error_set(err, -EINVAL, "ring %u: enable is %u, neither 0 nor 1", state->index,
                         state->num);
    }
    r->enabled = state->num;
    return vhost_rings_update(s, err);
}

/* Of KICK, CALL and ERR. Return: 0 and the ring, *@fd is -1 if none comes with it; or -errno. */
static int ring_and_fd(struct vhost_session *s, struct vhost_ring **r, int *fd, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;
    uint64_t value = msg->payload.u64;

    *fd = -1;
    if (value & ~(uint64_t)(VHOST_RING_INDEX | VHOST_RING_NO_FD)) {
        return error_set(err, -EINVAL, "0x%" PRIx64 " names no ring", value);
    }
    *r = ring_at(s, value & VHOST_RING_INDEX, err);
    if (!*r) {
        return -EINVAL;
    }
    if (msg->nr_fds != !(value & VHOST_RING_NO_FD)) {
        return error_set(err, -EINVAL, "request %u of ring %u with %u descriptors",
                         msg->header.request, (unsigned)(value & VHOST_RING_INDEX), msg->nr_fds);
    }
    if (msg->nr_fds) {
        int ret = event_fd_check(msg->fds[0], err);

        if (ret < 0) {
            return ret;
        }
        *fd = vhost_message_take_fd(msg, 0);
    }
    return 0;
}

int vhost_set_vring_kick(struct vhost_session *s, struct error *err)
{
    struct vhost_ring *r;
    int fd, ret = ring_and_fd(s, &r, &fd, err);

    if (ret < 0) {
        return ret;
    }
    stop_ring(s, (unsigned)(r - s->rings));
    close_kick(r);
    if (fd < 0) {
        fd = event_fd_always_ready();
        if (fd < 0) {
            return error_set(err, fd, "cannot make an eventfd: %s", strerror(-fd));
        }
    }
    r->kick_fd = fd;
    r->started = true;
    return vhost_rings_update(s, err);
}

/* The I/O thread may be about to write the old one: the number now refers to the new file. */
int vhost_set_vring_call(struct vhost_session *s, struct error *err)
{
    struct vhost_ring *r;
    int fd, ret = ring_and_fd(s, &r, &fd, err);

    if (ret < 0) {
        return ret;
    }
    if (fd < 0) {
        fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    ret = fd < 0 || dup3(fd, r->call_fd, O_CLOEXEC) < 0 ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return ret < 0 ? error_set(err, ret, "cannot take a descriptor: %s", strerror(-ret)) : 0;
}

int vhost_set_vring_err(struct vhost_session *s, struct error *err)
{
    struct vhost_ring *r;
    int fd, ret = ring_and_fd(s, &r, &fd, err);

    if (ret < 0) {
        return ret;
    }
    if (r->err_fd >= 0) {
        close(r->err_fd);
    }
    r->err_fd = fd;
    return 0;
}

// SPDX-License-Identifier: MIT
/* The state that the messages of one front end change, and which rings are served. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/barrier.h"
#include "vhost/event-fd.h"
#include "vhost/session.h"
#include "virtq/inflight-packed.h"

#define BIT(n) (UINT64_C(1) << (n))

#define PROTOCOL_FEATURES                                                                          \
    (BIT(VHOST_PROTOCOL_MQ) | BIT(VHOST_PROTOCOL_REPLY_ACK) | BIT(VHOST_PROTOCOL_BACKEND_REQ) |    \
     BIT(VHOST_PROTOCOL_CONFIG) | BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD) |                             \
     BIT(VHOST_PROTOCOL_RESET_DEVICE) | BIT(VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS) |                  \
     BIT(VHOST_PROTOCOL_STATUS))

#define PACKED_WRAPS 0x80008000u /* vhost-user has wrap counters where struct virtqueue has laps */

struct ring {
    uint32_t size;
    uint32_t base; /* as in struct virtqueue */
    struct vhost_vring_addr addr;
    bool has_addr;
    bool started; /* there is a kick descriptor, or the front end wants it to be polled */
    bool enabled;
    bool served;
    int kick_fd;
    int call_fd; /* always open: VHOST_SET_VRING_CALL puts another file behind the number */
    int err_fd;  /* -1: none */
    struct virtq_inflight inflight;
};

struct vhost_session {
    struct vhost_channel channel;
    struct virtio_device *dev;
    struct vhost_memory *memory;
    int wake_fd;
    int backend_fd; /* for requests to the front end; -1: none */

    uint64_t features, protocol;
    uint8_t status;        /* of VHOST_SET_STATUS */
    bool live;             /* the device was started with @features */
    bool needs_reset_told; /* to the rings' error descriptors */
    bool config_changed;   /* set by any thread */
    unsigned taken_again;

    struct shared_map inflight;
    uint16_t inflight_queues, inflight_entries;

    unsigned nr_rings;
    struct ring rings[];
};

/* --- rings --- */

static bool is_packed(const struct vhost_session *s)
{
    return s->features & BIT(VIRTIO_F_RING_PACKED);
}

static void stop_ring(struct vhost_session *s, unsigned i)
{
    struct ring *r = &s->rings[i];

    if (r->served) {
        virtio_queue_set_ready(s->dev, i, false);
        r->base = s->dev->queues[i].vq.base;
        virtq_inflight_stop(&r->inflight);
        r->served = false;
    }
}

static void stop_rings(struct vhost_session *s)
{
    for (unsigned i = 0; i < s->nr_rings; i++) {
        stop_ring(s, i);
    }
}

static bool needs_reset(const struct vhost_session *s)
{
    return virtio_status(s->dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* The device as a driver would set it up; a queue is started when its ring is. */
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

/* Of ring @i, in the layout of the rings that were agreed on. */
static void *record_of(const struct vhost_session *s, unsigned i)
{
    size_t size = is_packed(s) ? virtq_inflight_packed_size(s->inflight_entries)
                               : virtq_inflight_size(s->inflight_entries);

    return s->inflight.data + i * size;
}

static int start_ring(struct vhost_session *s, unsigned i, struct error *err)
{
    struct ring *r = &s->rings[i];
    struct virtio_queue *q = &s->dev->queues[i];

    if (!s->live || (needs_reset(s) && !vhost_session_serves(s))) {
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
    q->vq.inflight = NULL;
    if (s->inflight.data && i < s->inflight_queues) {
        r->inflight.region = record_of(s, i);
        r->inflight.entries = s->inflight_entries;
        q->vq.inflight = &r->inflight;
        if (r->size > s->inflight_entries) {
            return error_set(err, -EINVAL, "ring %u has %u entries, its record of requests %u", i,
                             r->size, s->inflight_entries);
        }
    }
    virtio_queue_resume(s->dev, i, r->base);
    s->taken_again += r->inflight.nr_again;
    r->served = q->vq.ready; /* not if another ring has broken the device */
    /* The process before this one may have ended between a used element and its interrupt. */
    event_fd_signal(r->call_fd);
    return 0;
}

/* Serve what can be served, and nothing else. */
static int update_rings(struct vhost_session *s, struct error *err)
{
    int ret = 0;

    for (unsigned i = 0; i < s->nr_rings && ret == 0; i++) {
        struct ring *r = &s->rings[i];
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

static void close_kick(struct ring *r)
{
    if (r->kick_fd >= 0) {
        close(r->kick_fd);
        r->kick_fd = -1;
    }
    r->started = false;
}

/* A front end may read the configuration before it says what the driver accepts; it then sees the
 * device as it is for one that accepts all. */
static void forget_driver(struct vhost_session *s)
{
    virtio_set_status(s->dev, 0);
    s->dev->driver_features = s->dev->device_features;
    s->live = false;
}

static void reset_device(struct vhost_session *s)
{
    stop_rings(s);
    for (unsigned i = 0; i < s->nr_rings; i++) {
        close_kick(&s->rings[i]);
        s->rings[i].enabled = false;
        s->rings[i].base = 0;
    }
    forget_driver(s);
    s->status = 0;
}

/* The driver has reset the device, and with that any chain that broke a ring. */
static void reset_by_driver(struct vhost_session *s)
{
    reset_device(s);
    for (unsigned i = 0; s->inflight.data && i < s->inflight_queues; i++) {
        virtq_inflight_forget(record_of(s, i));
    }
}

/* --- messages that set rings up --- */

/* Return: the ring of @index, or NULL and @err. */
static struct ring *ring_at(struct vhost_session *s, uint32_t index, struct error *err)
{
    if (index >= s->nr_rings) {
        error_set(err, -EINVAL, "ring %u; there are %u (queues=)", index, s->nr_rings);
        return NULL;
    }
    return &s->rings[index];
}

static int set_vring_num(struct vhost_session *s, const struct vhost_vring_state *state,
                         struct error *err)
{
    struct ring *r = ring_at(s, state->index, err);
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
    return update_rings(s, err);
}

static int set_vring_addr(struct vhost_session *s, const struct vhost_vring_addr *addr,
                          struct error *err)
{
    struct ring *r = ring_at(s, addr->index, err);

    if (!r) {
        return -EINVAL;
    }
    stop_ring(s, addr->index);
    r->addr = *addr;
    r->has_addr = true;
    return update_rings(s, err);
}

static int set_vring_base(struct vhost_session *s, const struct vhost_vring_state *state,
                          struct error *err)
{
    struct ring *r = ring_at(s, state->index, err);

    if (!r) {
        return -EINVAL;
    }
    stop_ring(s, state->index);
    r->base = is_packed(s) ? state->num ^ PACKED_WRAPS : (uint16_t)state->num;
    return update_rings(s, err);
}

static int get_vring_base(struct vhost_session *s, struct error *err)
{
    struct vhost_vring_state state = s->channel.msg.payload.state;
    struct ring *r = ring_at(s, state.index, err);

    if (!r) {
        return -EINVAL;
    }
    stop_ring(s, state.index);
    close_kick(r);
    state.num = is_packed(s) ? r->base ^ PACKED_WRAPS : r->base;
    return vhost_channel_reply(&s->channel, &state, sizeof(state), -1, err);
}

static int set_vring_enable(struct vhost_session *s, const struct vhost_vring_state *state,
                            struct error *err)
{
    struct ring *r = ring_at(s, state->index, err);

    if (!r) {
        return -EINVAL;
    }
    if (state->num > 1) {
        return error_set(err, -EINVAL, "ring %u: enable is %u, neither 0 nor 1", state->index,
                         state->num);
    }
    r->enabled = state->num;
    return update_rings(s, err);
}

/* Of KICK, CALL and ERR. Return: 0 and the ring, *@fd is -1 if none comes with it; or -errno. */
static int ring_and_fd(struct vhost_session *s, struct ring **r, int *fd, struct error *err)
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

static int set_vring_kick(struct vhost_session *s, struct error *err)
{
    struct ring *r;
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
    return update_rings(s, err);
}

/* The I/O thread may be about to write the old one: its number stays, with another file behind. */
static int set_vring_call(struct vhost_session *s, struct error *err)
{
    struct ring *r;
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

static int set_vring_err(struct vhost_session *s, struct error *err)
{
    struct ring *r;
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

/* --- memory --- */

/* With all rings stopped, nothing of the device knows the memory. */
static int set_mem_table(struct vhost_session *s, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;
    const struct vhost_mem_table *t = &msg->payload.table;
    int ret = 0;

    if (t->nr == 0 || t->nr > VHOST_TABLE_REGIONS || msg->nr_fds != t->nr ||
        msg->header.size <
            offsetof(struct vhost_mem_table, regions) + t->nr * sizeof(t->regions[0])) {
        return error_set(err, -EINVAL, "a memory table of %u regions, %u bytes and %u descriptors",
                         t->nr, msg->header.size, msg->nr_fds);
    }
    stop_rings(s);
    vhost_memory_clear(s->memory);
    for (unsigned i = 0; i < t->nr && ret == 0; i++) {
        ret = vhost_memory_add(s->memory, &t->regions[i], msg->fds[i], s->wake_fd, err);
    }
    return ret < 0 ? ret : update_rings(s, err);
}

static int add_mem_reg(struct vhost_session *s, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;
    int ret;

    if (msg->nr_fds != 1) {
        return error_set(err, -EINVAL, "a memory region with %u descriptors", msg->nr_fds);
    }
    stop_rings(s);
    ret = vhost_memory_add(s->memory, &msg->payload.region.region, msg->fds[0], s->wake_fd, err);
    return ret < 0 ? ret : update_rings(s, err);
}

static int rem_mem_reg(struct vhost_session *s, struct error *err)
{
    int ret;

    stop_rings(s);
    ret = vhost_memory_remove(s->memory, &s->channel.msg.payload.region.region, err);
    return ret < 0 ? ret : update_rings(s, err);
}

/* --- features and configuration --- */

static int set_features(struct vhost_session *s, uint64_t features, struct error *err)
{
    uint64_t unknown = features & ~(s->dev->device_features | BIT(VHOST_F_PROTOCOL_FEATURES));

    if (unknown) {
        return error_set(err, -EINVAL, "features 0x%" PRIx64 " were not offered", unknown);
    }
    if (!(features & BIT(VIRTIO_F_VERSION_1))) {
        return error_set(
            err, -EINVAL,
            "the driver is a legacy one: VIRTIO_F_VERSION_1 is not among its features");
    }
    if (features != s->features) {
        stop_rings(s);
        s->live = false;
        s->features = features;
    }
    if (!(features & BIT(VHOST_F_PROTOCOL_FEATURES))) {
        for (unsigned i = 0; i < s->nr_rings; i++) {
            s->rings[i].enabled = true;
        }
    }
    return update_rings(s, err);
}

static int set_protocol_features(struct vhost_session *s, uint64_t features, struct error *err)
{
    if (features & ~PROTOCOL_FEATURES) {
        return error_set(err, -EINVAL, "protocol features 0x%" PRIx64 " were not offered",
                         features & ~PROTOCOL_FEATURES);
    }
    s->protocol = features;
    return 0;
}

static int check_config(const struct vhost_message *msg, struct error *err)
{
    const struct vhost_config *c = &msg->payload.config;

    if (c->size == 0 || c->size > VHOST_CONFIG_MAX || c->offset > VHOST_CONFIG_MAX - c->size ||
        msg->header.size != VHOST_CONFIG_HEADER + c->size) {
        return error_set(err, -EINVAL, "configuration of %u bytes at %u in a message of %u bytes",
                         c->size, c->offset, msg->header.size);
    }
    return 0;
}

/* Fields that a later virtio has and this device has not are zeroes, as without their features. */
static int get_config(struct vhost_session *s, struct error *err)
{
    struct vhost_config *c = &s->channel.msg.payload.config;
    int ret = check_config(&s->channel.msg, err);

    if (ret < 0) {
        return ret;
    }
    memset(c->data, 0, c->size);
    if (c->offset < s->dev->config_size) {
        unsigned inside = s->dev->config_size - c->offset;

        virtio_config_read(s->dev, c->offset, c->data, c->size < inside ? c->size : inside);
    }
    return vhost_channel_reply(&s->channel, c, VHOST_CONFIG_HEADER + c->size, -1, err);
}

static int set_config(struct vhost_session *s, struct error *err)
{
    struct vhost_config *c = &s->channel.msg.payload.config;
    int ret = check_config(&s->channel.msg, err);

    if (ret == 0) {
        virtio_config_write(s->dev, c->offset, c->data, c->size);
    }
    return ret;
}

static int set_status(struct vhost_session *s, uint64_t status, struct error *err)
{
    if (status > UINT8_MAX) {
        return error_set(err, -EINVAL, "status 0x%" PRIx64, status);
    }
    if (status == 0) {
        reset_by_driver(s);
    }
    s->status = (uint8_t)status;
    return 0;
}

static uint64_t get_status(const struct vhost_session *s)
{
    return s->status | (s->live ? virtio_status(s->dev) & VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

static int set_backend_fd(struct vhost_session *s, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;

    if (msg->nr_fds != 1) {
        return error_set(err, -EINVAL, "a socket for our requests with %u descriptors",
                         msg->nr_fds);
    }
    if (s->backend_fd >= 0) {
        close(s->backend_fd);
    }
    s->backend_fd = vhost_message_take_fd(msg, 0);
    return 0;
}

/* --- the record of requests in flight --- */

static int check_inflight(struct vhost_session *s, const struct vhost_inflight *f,
                          struct error *err)
{
    unsigned size = s->channel.msg.header.size;

    if (size < VHOST_INFLIGHT_SIZE || size > sizeof(*f)) {
        return error_set(err, -EPROTO, "a record of requests is described in %u bytes", size);
    }
    if (f->num_queues == 0 || f->num_queues > s->nr_rings || f->queue_size == 0) {
        return error_set(err, -EINVAL, "a record for %u rings of %u entries; there are %u rings",
                         f->num_queues, f->queue_size, s->nr_rings);
    }
    return 0;
}

static void take_inflight(struct vhost_session *s, const struct vhost_inflight *f)
{
    s->inflight_queues = f->num_queues;
    s->inflight_entries = f->queue_size;
}

static int get_inflight_fd(struct vhost_session *s, struct error *err)
{
    struct vhost_inflight f = s->channel.msg.payload.inflight;
    int fd, ret = check_inflight(s, &f, err);

    if (ret < 0) {
        return ret;
    }
    f.mmap_offset = 0;
    f.mmap_size = f.num_queues * virtq_inflight_packed_size(f.queue_size); /* the larger one */
    fd = memfd_create("vhost-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)f.mmap_size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        ret = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return error_set(err, ret, "no memory for a record of requests: %s", strerror(-ret));
    }
    ret = vhost_channel_reply(&s->channel, &f, s->channel.msg.header.size, fd, err);
    close(fd);
    return ret;
}

static int set_inflight_fd(struct vhost_session *s, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;
    const struct vhost_inflight *f = &msg->payload.inflight;
    int ret = check_inflight(s, f, err);

    if (ret < 0) {
        return ret;
    }
    if (msg->nr_fds != 1 ||
        f->mmap_size < f->num_queues * virtq_inflight_packed_size(f->queue_size)) {
        return error_set(err, -EINVAL,
                         "a record of %" PRIu64 " bytes for %u rings of %u entries, %u descriptors",
                         f->mmap_size, f->num_queues, f->queue_size, msg->nr_fds);
    }
    if (f->mmap_offset % VIRTQ_INFLIGHT_ALIGN) {
        return error_set(err, -EINVAL,
                         "a record of requests at %" PRIu64 " of its file is not "
                         "aligned to %d bytes",
                         f->mmap_offset, VIRTQ_INFLIGHT_ALIGN);
    }
    stop_rings(s);
    shared_map_close(&s->inflight);
    ret = shared_map_open(&s->inflight, msg->fds[0], f->mmap_offset, f->mmap_size, s->wake_fd, err);
    if (ret < 0) {
        return ret;
    }
    take_inflight(s, f);
    return update_rings(s, err);
}

/* --- messages --- */

static int reply_u64(struct vhost_session *s, uint64_t value, struct error *err)
{
    return vhost_channel_reply(&s->channel, &value, sizeof(value), -1, err);
}

#define ANY_SIZE         UINT32_MAX
#define MESSAGES_AT_ONCE 64 /* then the server looks whether it is to stop */

/* What a request must look like. */
struct request_form {
    uint32_t size;
    bool fds;     /* descriptors may come with it; each function says how many */
    bool replies; /* by itself, so that NEED_ACK asks for nothing more */
};

static const struct request_form forms[] = {
    [VHOST_GET_FEATURES] = {.replies = true},
    [VHOST_SET_FEATURES] = {.size = sizeof(uint64_t)},
    [VHOST_SET_OWNER] = {0},
    [VHOST_RESET_OWNER] = {0},
    [VHOST_SET_MEM_TABLE] = {.size = ANY_SIZE, .fds = true},
    [VHOST_SET_VRING_NUM] = {.size = sizeof(struct vhost_vring_state)},
    [VHOST_SET_VRING_ADDR] = {.size = sizeof(struct vhost_vring_addr)},
    [VHOST_SET_VRING_BASE] = {.size = sizeof(struct vhost_vring_state)},
    [VHOST_GET_VRING_BASE] = {.size = sizeof(struct vhost_vring_state), .replies = true},
    [VHOST_SET_VRING_KICK] = {.size = sizeof(uint64_t), .fds = true},
    [VHOST_SET_VRING_CALL] = {.size = sizeof(uint64_t), .fds = true},
    [VHOST_SET_VRING_ERR] = {.size = sizeof(uint64_t), .fds = true},
    [VHOST_GET_PROTOCOL_FEATURES] = {.replies = true},
    [VHOST_SET_PROTOCOL_FEATURES] = {.size = sizeof(uint64_t)},
    [VHOST_GET_QUEUE_NUM] = {.replies = true},
    [VHOST_SET_VRING_ENABLE] = {.size = sizeof(struct vhost_vring_state)},
    [VHOST_SET_BACKEND_REQ_FD] = {.fds = true},
    [VHOST_GET_CONFIG] = {.size = ANY_SIZE, .replies = true},
    [VHOST_SET_CONFIG] = {.size = ANY_SIZE},
    [VHOST_GET_INFLIGHT_FD] = {.size = ANY_SIZE, .replies = true},
    [VHOST_SET_INFLIGHT_FD] = {.size = ANY_SIZE, .fds = true},
    [VHOST_RESET_DEVICE] = {0},
    [VHOST_GET_MAX_MEM_SLOTS] = {.replies = true},
    [VHOST_ADD_MEM_REG] = {.size = sizeof(struct vhost_mem_reg), .fds = true},
    /* Some front ends send the descriptor of the region with it. */
    [VHOST_REM_MEM_REG] = {.size = sizeof(struct vhost_mem_reg), .fds = true},
    [VHOST_SET_STATUS] = {.size = sizeof(uint64_t)},
    [VHOST_GET_STATUS] = {.replies = true},
};

static int handle(struct vhost_session *s, struct error *err)
{
    const union vhost_payload *p = &s->channel.msg.payload;

    switch (s->channel.msg.header.request) {
    case VHOST_GET_FEATURES:
        return reply_u64(s, s->dev->device_features | BIT(VHOST_F_PROTOCOL_FEATURES), err);
    case VHOST_SET_FEATURES:
        return set_features(s, p->u64, err);
    case VHOST_SET_OWNER:
    case VHOST_RESET_OWNER:
        return 0;
    case VHOST_SET_MEM_TABLE:
        return set_mem_table(s, err);
    case VHOST_SET_VRING_NUM:
        return set_vring_num(s, &p->state, err);
    case VHOST_SET_VRING_ADDR:
        return set_vring_addr(s, &p->addr, err);
    case VHOST_SET_VRING_BASE:
        return set_vring_base(s, &p->state, err);
    case VHOST_GET_VRING_BASE:
        return get_vring_base(s, err);
    case VHOST_SET_VRING_KICK:
        return set_vring_kick(s, err);
    case VHOST_SET_VRING_CALL:
        return set_vring_call(s, err);
    case VHOST_SET_VRING_ERR:
        return set_vring_err(s, err);
    case VHOST_GET_PROTOCOL_FEATURES:
        return reply_u64(s, PROTOCOL_FEATURES, err);
    case VHOST_SET_PROTOCOL_FEATURES:
        return set_protocol_features(s, p->u64, err);
    case VHOST_GET_QUEUE_NUM:
        return reply_u64(s, s->nr_rings, err);
    case VHOST_SET_VRING_ENABLE:
        return set_vring_enable(s, &p->state, err);
    case VHOST_SET_BACKEND_REQ_FD:
        return set_backend_fd(s, err);
    case VHOST_GET_CONFIG:
        return get_config(s, err);
    case VHOST_SET_CONFIG:
        return set_config(s, err);
    case VHOST_GET_INFLIGHT_FD:
        return get_inflight_fd(s, err);
    case VHOST_SET_INFLIGHT_FD:
        return set_inflight_fd(s, err);
    case VHOST_RESET_DEVICE:
        reset_by_driver(s);
        return 0;
    case VHOST_GET_MAX_MEM_SLOTS:
        return reply_u64(s, GUEST_MEMORY_REGIONS, err);
    case VHOST_ADD_MEM_REG:
        return add_mem_reg(s, err);
    case VHOST_REM_MEM_REG:
        return rem_mem_reg(s, err);
    case VHOST_SET_STATUS:
        return set_status(s, p->u64, err);
    default:
        return reply_u64(s, get_status(s), err); /* VHOST_GET_STATUS */
    }
}

/* Return: how the request has to look; NULL and @err: it does not, or is none that we know. */
static const struct request_form *check_form(const struct vhost_message *msg, struct error *err)
{
    const struct vhost_header *h = &msg->header;
    const struct request_form *form;
    bool known = h->request < sizeof(forms) / sizeof(forms[0]) &&
                 (h->request == VHOST_SET_OWNER || h->request == VHOST_RESET_OWNER ||
                  h->request == VHOST_RESET_DEVICE || forms[h->request].size ||
                  forms[h->request].fds || forms[h->request].replies);

    if (!known) {
        error_set(err, -EPROTO, "request %u is not known", h->request);
        return NULL;
    }
    form = &forms[h->request];
    if (form->size != ANY_SIZE && h->size != form->size) {
        error_set(err, -EPROTO, "request %u with %u bytes in place of %u", h->request, h->size,
                  form->size);
        return NULL;
    }
    if (msg->nr_fds && !form->fds) {
        error_set(err, -EPROTO, "request %u with %u descriptors; it takes none", h->request,
                  msg->nr_fds);
        return NULL;
    }
    return form;
}

static int handle_message(struct vhost_session *s, struct error *err)
{
    const struct request_form *form = check_form(&s->channel.msg, err);
    bool acks = (s->channel.msg.header.flags & VHOST_FLAG_NEED_ACK) &&
                (s->protocol & BIT(VHOST_PROTOCOL_REPLY_ACK)) && !(form && form->replies);
    int ret = form ? handle(s, err) : -EPROTO;

    vhost_message_close_fds(&s->channel.msg);
    if (acks) {
        struct error ignored = {.msg = ""};
        int sent = reply_u64(s, ret < 0, ret < 0 ? &ignored : err);

        ret = ret < 0 ? ret : sent;
    }
    return ret;
}

int vhost_session_receive(struct vhost_session *s, struct error *err)
{
    int ret = 1;

    for (unsigned i = 0; i < MESSAGES_AT_ONCE && ret > 0; i++) {
        ret = vhost_channel_receive(&s->channel, err);
        if (ret > 0) {
            ret = handle_message(s, err) < 0 ? -EPROTO : 1;
        }
    }
    return ret < 0 ? ret : 0;
}

/* --- what other threads have noticed --- */

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
    if (s->live && needs_reset(s)) {
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
        struct ring *r = &s->rings[s->nr_rings];

        r->kick_fd = r->err_fd = -1;
        r->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        ret = r->call_fd < 0 ? -errno : 0;
    }
    dev->transport = &transport_ops;
    dev->transport_opaque = s;
    forget_driver(s);
    if (ret < 0) {
        vhost_session_free(s);
        return ret;
    }
    *out = s;
    return 0;
}

void vhost_session_free(struct vhost_session *s)
{
    reset_device(s);
    s->dev->transport = NULL;
    for (unsigned i = 0; i < s->nr_rings; i++) {
        struct ring *r = &s->rings[i];

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
    for (unsigned i = 0; i < s->nr_rings; i++) {
        if (s->rings[i].served) {
            return true;
        }
    }
    return false;
}

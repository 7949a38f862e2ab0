// SPDX-License-Identifier: MIT
/* The format of each message, and its function. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "vhost/messages.h"
#include "vhost/record.h"
#include "vhost/rings.h"

#define PROTOCOL_FEATURES                                                                          \
    (BIT(VHOST_PROTOCOL_MQ) | BIT(VHOST_PROTOCOL_REPLY_ACK) | BIT(VHOST_PROTOCOL_BACKEND_REQ) |    \
     BIT(VHOST_PROTOCOL_CONFIG) | BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD) |                             \
     BIT(VHOST_PROTOCOL_RESET_DEVICE) | BIT(VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS) |                  \
     BIT(VHOST_PROTOCOL_STATUS))

static int reply_u64(struct vhost_session *s, uint64_t value, struct error *err)
{
    return vhost_channel_reply(&s->channel, &value, sizeof(value), -1, err);
}

/* --- memory --- */

/* With all rings stopped, the device has no pointer into the memory. */
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
    vhost_rings_stop(s);
    vhost_memory_clear(s->memory);
    for (unsigned i = 0; i < t->nr && ret == 0; i++) {
        ret = vhost_memory_add(s->memory, &t->regions[i], msg->fds[i], s->wake_fd, err);
    }
    return ret < 0 ? ret : vhost_rings_update(s, err);
}

static int add_mem_reg(struct vhost_session *s, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;
    int ret;

    if (msg->nr_fds != 1) {
        return error_set(err, -EINVAL, "a memory region with %u descriptors", msg->nr_fds);
    }
    vhost_rings_stop(s);
    ret = vhost_memory_add(s->memory, &msg->payload.region.region, msg->fds[0], s->wake_fd, err);
    return ret < 0 ? ret : vhost_rings_update(s, err);
}

static int rem_mem_reg(struct vhost_session *s, struct error *err)
{
    int ret;

    vhost_rings_stop(s);
    ret = vhost_memory_remove(s->memory, &s->channel.msg.payload.region.region, err);
    return ret < 0 ? ret : vhost_rings_update(s, err);
}

static int get_max_mem_slots(struct vhost_session *s, struct error *err)
{
    return reply_u64(s, GUEST_MEMORY_REGIONS, err);
}

/* --- features and configuration --- */

static int get_features(struct vhost_session *s, struct error *err)
{
    return reply_u64(s, vhost_offered(s) | BIT(VHOST_F_PROTOCOL_FEATURES), err);
}

static int set_features(struct vhost_session *s, struct error *err)
{
    uint64_t features = s->channel.msg.payload.u64;
    uint64_t unknown = features & ~(vhost_offered(s) | BIT(VHOST_F_PROTOCOL_FEATURES));

    if (unknown) {
        return error_set(err, -EINVAL, "features 0x%" PRIx64 " were not offered", unknown);
    }
    if (!(features & BIT(VIRTIO_F_VERSION_1))) {
        return error_set(
            err, -EINVAL,
            "the driver is a legacy one: VIRTIO_F_VERSION_1 is not among its features");
    }
    if (features != s->features) {
        vhost_rings_stop(s);
        s->live = false;
        s->features = features;
    }
    if (!(features & BIT(VHOST_F_PROTOCOL_FEATURES))) {
        for (unsigned i = 0; i < s->nr_rings; i++) {
            s->rings[i].enabled = true;
        }
    }
    return vhost_rings_update(s, err);
}

static int get_protocol_features(struct vhost_session *s, struct error *err)
{
    return reply_u64(s, PROTOCOL_FEATURES, err);
}

static int set_protocol_features(struct vhost_session *s, struct error *err)
{
    uint64_t features = s->channel.msg.payload.u64;

    if (features & ~PROTOCOL_FEATURES) {
        return error_set(err, -EINVAL, "protocol features 0x%" PRIx64 " were not offered",
                         features & ~PROTOCOL_FEATURES);
    }
    s->protocol = features;
    return 0;
}

static int get_queue_num(struct vhost_session *s, struct error *err)
{
    return reply_u64(s, s->nr_rings, err);
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

/* Fields of later versions of virtio are zeroes, as without their features. */
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

static int set_status(struct vhost_session *s, struct error *err)
{
    uint64_t status = s->channel.msg.payload.u64;

    if (status > UINT8_MAX) {
        return error_set(err, -EINVAL, "status 0x%" PRIx64, status);
    }
    if (status == 0) {
        vhost_device_reset_by_driver(s);
    }
    s->status = (uint8_t)status;
    return 0;
}

static int get_status(struct vhost_session *s, struct error *err)
{
    bool failed = s->live && vhost_needs_reset(s);

    return reply_u64(s, s->status | (failed ? VIRTIO_CONFIG_S_NEEDS_RESET : 0), err);
}

static int reset_device(struct vhost_session *s, struct error *err)
{
    vhost_device_reset_by_driver(s);
    return 0;
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

static int set_inflight_fd(struct vhost_session *s, struct error *err)
{
    int ret;

    vhost_rings_stop(s);
    ret = vhost_record_set(s, err);
    return ret < 0 ? ret : vhost_rings_update(s, err);
}

/* --- all of them --- */

/* The session has one owner; no message changes that. */
static int ignore(struct vhost_session *s, struct error *err)
{
    return 0;
}

#define ANY_SIZE UINT32_MAX

/* The format of a request, and its function. */
struct request {
    int (*handle)(struct vhost_session *s, struct error *err);
    uint32_t size; /* of the payload */
    bool fds;      /* descriptors may come with it; its function says how many */
    bool replies;  /* the request has a reply of its own, so NEED_ACK has no effect */
};

static const struct request requests[] = {
    [VHOST_GET_FEATURES] = {.handle = get_features, .replies = true},
    [VHOST_SET_FEATURES] = {.handle = set_features, .size = sizeof(uint64_t)},
    [VHOST_SET_OWNER] = {.handle = ignore},
    [VHOST_RESET_OWNER] = {.handle = ignore},
    [VHOST_SET_MEM_TABLE] = {.handle = set_mem_table, .size = ANY_SIZE, .fds = true},
    [VHOST_SET_VRING_NUM] = {.handle = vhost_set_vring_num,
                             .size = sizeof(struct vhost_vring_state)},
    [VHOST_SET_VRING_ADDR] = {.handle = vhost_set_vring_addr,
                              .size = sizeof(struct vhost_vring_addr)},
    [VHOST_SET_VRING_BASE] = {.handle = vhost_set_vring_base,
                              .size = sizeof(struct vhost_vring_state)},
    [VHOST_GET_VRING_BASE] = {.handle = vhost_get_vring_base,
                              .size = sizeof(struct vhost_vring_state),
                              .replies = true},
    [VHOST_SET_VRING_KICK] = {.handle = vhost_set_vring_kick,
                              .size = sizeof(uint64_t),
                              .fds = true},
    [VHOST_SET_VRING_CALL] = {.handle = vhost_set_vring_call,
                              .size = sizeof(uint64_t),
                              .fds = true},
    [VHOST_SET_VRING_ERR] = {.handle = vhost_set_vring_err, .size = sizeof(uint64_t), .fds = true},
    [VHOST_GET_PROTOCOL_FEATURES] = {.handle = get_protocol_features, .replies = true},
    [VHOST_SET_PROTOCOL_FEATURES] = {.handle = set_protocol_features, .size = sizeof(uint64_t)},
    [VHOST_GET_QUEUE_NUM] = {.handle = get_queue_num, .replies = true},
    [VHOST_SET_VRING_ENABLE] = {.handle = vhost_set_vring_enable,
                                .size = sizeof(struct vhost_vring_state)},
    [VHOST_SET_BACKEND_REQ_FD] = {.handle = set_backend_fd, .fds = true},
    [VHOST_GET_CONFIG] = {.handle = get_config, .size = ANY_SIZE, .replies = true},
    [VHOST_SET_CONFIG] = {.handle = set_config, .size = ANY_SIZE},
    [VHOST_GET_INFLIGHT_FD] = {.handle = vhost_get_inflight_fd, .size = ANY_SIZE, .replies = true},
    [VHOST_SET_INFLIGHT_FD] = {.handle = set_inflight_fd, .size = ANY_SIZE, .fds = true},
    [VHOST_RESET_DEVICE] = {.handle = reset_device},
    [VHOST_GET_MAX_MEM_SLOTS] = {.handle = get_max_mem_slots, .replies = true},
    [VHOST_ADD_MEM_REG] = {.handle = add_mem_reg,
                           .size = sizeof(struct vhost_mem_reg),
                           .fds = true},
    /* Some front ends send the descriptor of the region with it. */
    [VHOST_REM_MEM_REG] = {.handle = rem_mem_reg,
                           .size = sizeof(struct vhost_mem_reg),
                           .fds = true},
    [VHOST_SET_STATUS] = {.handle = set_status, .size = sizeof(uint64_t)},
    [VHOST_GET_STATUS] = {.handle = get_status, .replies = true},
};

/* Return: the request of the message; NULL and @err: an unknown or malformed request. */
static const struct request *request_of(const struct vhost_message *msg, struct error *err)
{
    const struct vhost_header *h = &msg->header;
    const struct request *request;

    if (h->request >= sizeof(requests) / sizeof(requests[0]) || !requests[h->request].handle) {
        error_set(err, -EPROTO, "request %u is not known", h->request);
        return NULL;
    }
    request = &requests[h->request];
    if (request->size != ANY_SIZE && h->size != request->size) {
        error_set(err, -EPROTO, "request %u with %u bytes in place of %u", h->request, h->size,
                  request->size);
        return NULL;
    }
    if (msg->nr_fds && !request->fds) {
        error_set(err, -EPROTO, "request %u with %u descriptors; it takes none", h->request,
                  msg->nr_fds);
        return NULL;
    }
    return request;
}

int vhost_message_handle(struct vhost_session *s, struct error *err)
{
    const struct request *request = request_of(&s->channel.msg, err);
    bool acks = (s->channel.msg.header.flags & VHOST_FLAG_NEED_ACK) &&
                (s->protocol & BIT(VHOST_PROTOCOL_REPLY_ACK)) && !(request && request->replies);
    int ret = request ? request->handle(s, err) : -EPROTO;

    vhost_message_close_fds(&s->channel.msg);
    if (acks) {
        struct error ignored = {.msg = ""};
        int sent = reply_u64(s, ret < 0, ret < 0 ? &ignored : err);

        ret = ret < 0 ? ret : sent;
    }
    return ret;
}

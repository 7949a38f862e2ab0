// SPDX-License-Identifier: MIT
/*
 * The messages of vhost-user (https://qemu-project.gitlab.io/qemu/interop/vhost-user.html) that a
 * block back end gets, as they are on the socket. All numbers are in the order of the machine.
 */
#ifndef POLLUX_VHOST_PROTOCOL_H
#define POLLUX_VHOST_PROTOCOL_H

#include <stdint.h>

enum vhost_request {
    VHOST_GET_FEATURES = 1,
    VHOST_SET_FEATURES = 2,
    VHOST_SET_OWNER = 3,
    VHOST_RESET_OWNER = 4, /* deprecated; ignored, as the specification recommends */
    VHOST_SET_MEM_TABLE = 5,
    VHOST_SET_VRING_NUM = 8,
    VHOST_SET_VRING_ADDR = 9,
    VHOST_SET_VRING_BASE = 10,
    VHOST_GET_VRING_BASE = 11,
    VHOST_SET_VRING_KICK = 12,
    VHOST_SET_VRING_CALL = 13,
    VHOST_SET_VRING_ERR = 14,
    VHOST_GET_PROTOCOL_FEATURES = 15,
    VHOST_SET_PROTOCOL_FEATURES = 16,
    VHOST_GET_QUEUE_NUM = 17,
    VHOST_SET_VRING_ENABLE = 18,
    VHOST_SET_BACKEND_REQ_FD = 21,
    VHOST_GET_CONFIG = 24,
    VHOST_SET_CONFIG = 25,
    VHOST_GET_INFLIGHT_FD = 31,
    VHOST_SET_INFLIGHT_FD = 32,
    VHOST_RESET_DEVICE = 34,
    VHOST_GET_MAX_MEM_SLOTS = 36,
    VHOST_ADD_MEM_REG = 37,
    VHOST_REM_MEM_REG = 38,
    VHOST_SET_STATUS = 39,
    VHOST_GET_STATUS = 40,
};

/* Requests of the back end, on the socket of VHOST_SET_BACKEND_REQ_FD. */
#define VHOST_BACKEND_CONFIG_CHANGE 2

#define VHOST_F_PROTOCOL_FEATURES 30 /* a bit of the virtio features that no driver knows */

enum vhost_protocol_feature {
    VHOST_PROTOCOL_MQ = 0,
    VHOST_PROTOCOL_REPLY_ACK = 3,
    VHOST_PROTOCOL_BACKEND_REQ = 5,
    VHOST_PROTOCOL_CONFIG = 9,
    VHOST_PROTOCOL_INFLIGHT_SHMFD = 12,
    VHOST_PROTOCOL_RESET_DEVICE = 13,
    VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
    VHOST_PROTOCOL_STATUS = 16,
};

#define VHOST_VERSION       1u
#define VHOST_VERSION_MASK  3u
#define VHOST_FLAG_REPLY    (1u << 2)
#define VHOST_FLAG_NEED_ACK (1u << 3)

#define VHOST_TABLE_REGIONS 8 /* of VHOST_SET_MEM_TABLE, by the layout of the message */
#define VHOST_CONFIG_MAX    256
#define VHOST_RING_INDEX    0xffu     /* of the u64 of KICK, CALL and ERR */
#define VHOST_RING_NO_FD    (1u << 8) /* there: no descriptor comes with it */

struct vhost_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of the payload */
};

struct vhost_vring_state {
    uint32_t index;
    uint32_t num;
};

struct vhost_vring_addr {
    uint32_t index;
    uint32_t flags;
    uint64_t desc, used, avail; /* addresses of the front end's process */
    uint64_t log;
};

struct vhost_region {
    uint64_t gpa;
    uint64_t size;
    uint64_t user_addr;
    uint64_t mmap_offset;
};

struct vhost_mem_table {
    uint32_t nr;
    uint32_t padding;
    struct vhost_region regions[VHOST_TABLE_REGIONS];
};

struct vhost_mem_reg {
    uint64_t padding;
    struct vhost_region region;
};

struct vhost_config {
    uint32_t offset;
    uint32_t size;
    uint32_t flags;
    uint8_t data[VHOST_CONFIG_MAX];
};

struct vhost_inflight {
    uint64_t mmap_size;
    uint64_t mmap_offset;
    uint16_t num_queues;
    uint16_t queue_size;
    uint32_t padding; /* QEMU sends it, others need not */
};

#define VHOST_INFLIGHT_SIZE 20 /* of struct vhost_inflight without its padding */
#define VHOST_CONFIG_HEADER 12 /* of struct vhost_config before its data */

union vhost_payload {
    uint64_t u64;
    struct vhost_vring_state state;
    struct vhost_vring_addr addr;
    struct vhost_mem_table table;
    struct vhost_mem_reg region;
    struct vhost_config config;
    struct vhost_inflight inflight;
};

#endif

// SPDX-License-Identifier: MIT
/*
 * The state of one front end, which the functions that answer its messages share.
 *
 * Context: the thread of the disk's server; config_changed is set by any thread.
 */
#ifndef POLLUX_VHOST_SESSION_STATE_H
#define POLLUX_VHOST_SESSION_STATE_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "vhost/channel.h"
#include "vhost/memory.h"
#include "vhost/shared-map.h"
#include "virtq/inflight.h"
#include "virtq/virtio.h"

#define BIT(n) (UINT64_C(1) << (n))

struct vhost_ring {
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
    struct vhost_ring rings[];
};

static inline bool vhost_session_has(const struct vhost_session *s, unsigned feature)
{
    return s->features & BIT(feature);
}

/* A driver that switches the write cache off relies on it, and a back end that is started again does
 * not know: so it cannot. The option cache= does. */
static inline uint64_t vhost_offered(const struct vhost_session *s)
{
    return s->dev->device_features & ~BIT(VIRTIO_BLK_F_CONFIG_WCE);
}

static inline bool vhost_needs_reset(const struct vhost_session *s)
{
    return virtio_status(s->dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

#endif

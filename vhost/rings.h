// SPDX-License-Identifier: MIT
/*
 * The rings of a session. A ring is served while it has memory, addresses and a size, and the front
 * end has started and enabled it.
 *
 * Context: the thread of the disk's server. Stopping a ring waits for its requests.
 */
#ifndef POLLUX_VHOST_RINGS_H
#define POLLUX_VHOST_RINGS_H

#include "vhost/session-state.h"

/**
 * vhost_rings_served - is any ring served?
 */
bool vhost_rings_served(const struct vhost_session *s);

/**
 * vhost_rings_stop - stop all rings; the device then has no pointer into the memory or the record
 */
void vhost_rings_stop(struct vhost_session *s);

/**
 * vhost_rings_update - serve the rings that can be served, and no others
 * Return: 0, or -errno and @err: a complete ring cannot be started.
 */
int vhost_rings_update(struct vhost_session *s, struct error *err);

/**
 * vhost_driver_forget - the device has no driver. A front end may read the configuration before
 * the driver accepts features; it sees the configuration for a driver that accepts all.
 */
void vhost_driver_forget(struct vhost_session *s);

/**
 * vhost_device_reset - as vhost_driver_forget(), and no ring is started or enabled
 * vhost_device_reset_by_driver - the same for a driver that has reset the device: its chains
 * in flight, for example one that broke a ring, are not taken again
 */
void vhost_device_reset(struct vhost_session *s);
void vhost_device_reset_by_driver(struct vhost_session *s);

/**
 * vhost_set_vring_num, ... - execute the session's message
 * Return: 0, or -errno and @err.
 */
int vhost_set_vring_num(struct vhost_session *s, struct error *err);
int vhost_set_vring_addr(struct vhost_session *s, struct error *err);
int vhost_set_vring_base(struct vhost_session *s, struct error *err);
int vhost_get_vring_base(struct vhost_session *s, struct error *err);
int vhost_set_vring_enable(struct vhost_session *s, struct error *err);
int vhost_set_vring_kick(struct vhost_session *s, struct error *err);
int vhost_set_vring_call(struct vhost_session *s, struct error *err);
int vhost_set_vring_err(struct vhost_session *s, struct error *err);

#endif

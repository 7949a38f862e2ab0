// SPDX-License-Identifier: MIT
/*
 * The state that one front end and a device have agreed on: features, memory, rings. Messages
 * change it. A ring is served while it is complete (vhost/rings.h).
 *
 * Context: everything here runs in the thread of the disk's server (vhost/server.h). Stopping a ring
 * waits for its requests, so a message may take as long as a request of the disk.
 */
#ifndef POLLUX_VHOST_SESSION_H
#define POLLUX_VHOST_SESSION_H

#include "vhost/channel.h"
#include "vhost/memory.h"
#include "virtq/virtio.h"

struct vhost_session;

/**
 * vhost_session_new - a front end has connected
 * @fd:      its socket, closed with the session
 * @dev:     the device, which no other session uses; its memory is @memory->guest
 * @memory:  empty
 * @wake_fd: an eventfd that is written from other threads when vhost_session_check() has something
 *           to do; the transport of @dev is the session's until it is freed
 * Return: 0 and *@out, or -ENOMEM or another errno; then @fd is closed.
 */
int vhost_session_new(int fd, struct virtio_device *dev, struct vhost_memory *memory, int wake_fd,
                      struct vhost_session **out);

/**
 * vhost_session_free - stop all rings, unmap the memory and disconnect
 */
void vhost_session_free(struct vhost_session *s);

int vhost_session_fd(const struct vhost_session *s);

/**
 * vhost_session_receive - execute the messages that have arrived
 * Return: 0; -ECONNRESET: the front end has disconnected; another -errno and @err: it must be
 *         disconnected.
 */
int vhost_session_receive(struct vhost_session *s, struct error *err);

/**
 * vhost_session_check - handle events from other threads: report to the front end that the
 * configuration has changed or that the device needs a reset
 * Return: 0, or -errno and @err: the memory was truncated, or the front end does not read.
 */
int vhost_session_check(struct vhost_session *s, struct error *err);

/**
 * vhost_session_taken_again - requests that the process before this one had in flight and that
 * were begun again since the last call
 */
unsigned vhost_session_taken_again(struct vhost_session *s);

/**
 * vhost_session_serves - is any ring served?
 */
bool vhost_session_serves(const struct vhost_session *s);

#endif

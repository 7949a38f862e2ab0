// SPDX-License-Identifier: MIT
/*
 * One vhost-user connection as a stream of messages with descriptors. The peer is not trusted: it
 * may send half a message, too many descriptors or sizes that no message has, or not read replies.
 */
#ifndef POLLUX_VHOST_CHANNEL_H
#define POLLUX_VHOST_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "vhost/protocol.h"

#define VHOST_FDS_MAX VHOST_TABLE_REGIONS

struct vhost_message {
    struct vhost_header header;
    union vhost_payload payload;
    int fds[VHOST_FDS_MAX]; /* the receiver closes those that it does not take (sets to -1) */
    unsigned nr_fds;
};

struct vhost_channel {
    int fd;     /* a connected stream socket, non-blocking */
    size_t got; /* bytes of @msg so far */
    struct vhost_message msg;
};

void vhost_channel_init(struct vhost_channel *c, int fd);

/**
 * vhost_channel_close - close the socket and the descriptors of a message that is not complete
 */
void vhost_channel_close(struct vhost_channel *c);

/**
 * vhost_channel_receive - read the available bytes of the next message; never waits
 * Return: 1: c->msg is complete, and the next call begins a new one; 0: not yet; -ECONNRESET: the
 *         peer has closed; -EPROTO or another errno and @err: the stream cannot be used any more.
 */
int vhost_channel_receive(struct vhost_channel *c, struct error *err);

/**
 * vhost_channel_reply - answer c->msg with @size bytes of @payload
 * @fd: a descriptor to go with it, -1: none; not closed
 * Never waits: a peer that does not read its replies loses the connection.
 * Return: 0, or -errno and @err.
 */
int vhost_channel_reply(struct vhost_channel *c, const void *payload, size_t size, int fd,
                        struct error *err);

/**
 * vhost_message_close_fds - close the descriptors that were not taken
 */
void vhost_message_close_fds(struct vhost_message *msg);

/**
 * vhost_message_take_fd - descriptor @i of the message, which the caller closes from now on
 */
int vhost_message_take_fd(struct vhost_message *msg, unsigned i);

#endif

// SPDX-License-Identifier: MIT
/*
 * One disk behind one listening socket, for one front end at a time. A thread of its own answers
 * the front end, so that a disk that hangs, or a busy front end, does not delay another disk.
 */
#ifndef POLLUX_VHOST_SERVER_H
#define POLLUX_VHOST_SERVER_H

#include "blk/disk.h"

struct vhost_server;

/**
 * vhost_server_new - a server without a disk
 * @name:      for messages; outlives the server
 * @listen_fd: a listening socket (base/listen.h); the caller closes it after the server is freed
 * Return: 0 and *@out, or -errno and @err.
 */
int vhost_server_new(const char *name, int listen_fd, const struct disk_log *log,
                     struct vhost_server **out, struct error *err);

/**
 * vhost_server_memory - the memory of the guest, for disk_make(); empty between front ends
 */
const struct guest_memory *vhost_server_memory(struct vhost_server *s);

/**
 * vhost_server_start - begin to accept front ends
 * @disk: made with vhost_server_memory(); no other transport has its device
 * Return: 0, or -errno and @err.
 */
int vhost_server_start(struct vhost_server *s, struct disk *disk, struct error *err);

/**
 * vhost_server_resize - check the size of the image soon, and report a change to the front end
 * Context: any thread. The result is logged.
 */
void vhost_server_resize(struct vhost_server *s);

/**
 * vhost_server_ask_stop - disconnect soon, when the requests in flight have completed
 * vhost_server_free - the same, and wait for it; the disk is free for another transport then
 * Context: not the server's thread. NULL is allowed.
 */
void vhost_server_ask_stop(struct vhost_server *s);
void vhost_server_free(struct vhost_server *s);

#endif

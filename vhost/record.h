// SPDX-License-Identifier: MIT
/*
 * The record of requests in flight (virtq/inflight.h): memory that the front end keeps and passes
 * to the next process.
 *
 * Context: the thread of the disk's server.
 */
#ifndef POLLUX_VHOST_RECORD_H
#define POLLUX_VHOST_RECORD_H

#include "vhost/session-state.h"

/**
 * vhost_record_attach - ring @i, which is about to be started, uses its part of the record, if any
 * Return: 0, or -EINVAL and @err: its part is too small.
 */
int vhost_record_attach(struct vhost_session *s, unsigned i, struct error *err);

/**
 * vhost_record_forget - no recorded chain is taken again; the rings are stopped
 */
void vhost_record_forget(struct vhost_session *s);

/**
 * vhost_record_set - use the record that the session's message, VHOST_SET_INFLIGHT_FD, brings; the
 * rings are stopped
 * Return: 0, or -errno and @err.
 */
int vhost_record_set(struct vhost_session *s, struct error *err);

/**
 * vhost_get_inflight_fd - answer the session's message with a new record
 * Return: 0, or -errno and @err.
 */
int vhost_get_inflight_fd(struct vhost_session *s, struct error *err);

#endif

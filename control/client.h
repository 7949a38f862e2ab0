// SPDX-License-Identifier: MIT
/*
 * One connection to the control socket: input in pieces, output that the client may not read.
 *
 * The next message is looked at when the output of the last one is sent, so a client that does not
 * read gets no second answer. It is disconnected when output has waited for 10 s, or when 256 KiB of
 * events wait.
 */
#ifndef POLLUX_CONTROL_CLIENT_H
#define POLLUX_CONTROL_CLIENT_H

#include <jansson.h>

#include "aio/aio.h"

struct qmp_client;

#define QMP_STALL_NS   10000000000
#define QMP_EVENTS_MAX (256u << 10) /* bytes of output that wait when an event comes */

struct qmp_client_ops {
    /* A message: the answer to it, or NULL if memory ran out. @message is NULL if @error says why
     * there is none. */
    json_t *(*answer)(void *opaque, struct qmp_client *c, const char *message, size_t len,
                      const char *error);
    /* The connection is closed, and @c about to be freed. */
    void (*gone)(void *opaque, struct qmp_client *c);
};

/**
 * qmp_client_new - serve the connection @fd, and send @greeting
 * @fd: non-blocking; closed with the client, also after an error
 * Context: of all functions here: owner of @loop.
 * Return: 0 or -errno.
 */
int qmp_client_new(AioContext *loop, int fd, const json_t *greeting,
                   const struct qmp_client_ops *ops, void *opaque, struct qmp_client **out);

/**
 * qmp_client_free - disconnect; ops->gone() is not called
 */
void qmp_client_free(struct qmp_client *c);

/**
 * qmp_client_event - send @text, a line, to a client that has negotiated
 * May disconnect and free @c.
 */
void qmp_client_event(struct qmp_client *c, const char *text);

/* qmp_client_negotiated - has the client sent qmp_capabilities? */
bool qmp_client_negotiated(const struct qmp_client *c);
void qmp_client_negotiate(struct qmp_client *c);

#endif

// SPDX-License-Identifier: MIT
/*
 * A thread that connects to an NBD server, for a loop that must not wait: the resolution of the host
 * name, the handshake and TLS take as long as they take.
 */
#ifndef POLLUX_ENGINE_NBD_CONNECTOR_H
#define POLLUX_ENGINE_NBD_CONNECTOR_H

#include <pthread.h>

#include "aio/aio.h"
#include "engine/nbd-export.h"

struct nbd_connector {
    const struct nbd_export *export;
    pthread_t thread;
    bool running; /* the thread was made and not joined; of the owner */
    int cancel_fd;
    struct aio_bh end;
    struct nbd_connection connection;
    int ret;
    struct error err;
    void (*done)(void *opaque);
    void *opaque;
};

/**
 * connector_init - prepare
 * @done: called when an attempt has ended: @ret is 0 and @connection is the callee's, or @ret is
 *        -errno and @err says why. Context: owner of the loop.
 * Return: 0 or -errno. connector_destroy() releases.
 */
int connector_init(struct nbd_connector *c, AioContext *ctx, const struct nbd_export *export,
                   void (*done)(void *opaque), void *opaque);

/**
 * connector_start - begin an attempt; none is running
 * Context: owner of the loop. Return: 0; or -errno, then done() will not be called.
 */
int connector_start(struct nbd_connector *c);

/**
 * connector_destroy - end an attempt that is running, and wait for its thread
 * A resolution of a host name cannot be ended and is waited for. Context: owner of the loop.
 */
void connector_destroy(struct nbd_connector *c);

#endif

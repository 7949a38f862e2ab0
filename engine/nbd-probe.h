// SPDX-License-Identifier: MIT
/*
 * A look at the size of an NBD export. A server states it once for each connection, so the look is a
 * connection of its own, in a thread: nobody waits for the server.
 */
#ifndef POLLUX_ENGINE_NBD_PROBE_H
#define POLLUX_ENGINE_NBD_PROBE_H

#include <pthread.h>

#include "engine/nbd-export.h"

enum probe_state {
    PROBE_IDLE,
    PROBE_LOOKING,
    PROBE_AGAIN, /* looking, and once more after it */
};

struct nbd_probe {
    struct nbd_export *export;
    void (*changed)(void *opaque); /* the size differs; in the thread of the probe. NULL: no call */
    void *opaque;
    pthread_t thread;
    bool started;   /* @thread is to be joined */
    unsigned state; /* enum probe_state, atomic */
    int cancel_fd;  /* -1: none */
};

/* probe_init - Return: 0 or -errno. probe_destroy() releases in both cases. */
int probe_init(struct nbd_probe *p, struct nbd_export *export, void (*changed)(void *opaque),
               void *opaque);

/**
 * probe_start - look at the size, which export_size() then has
 * While an earlier look has not ended, another one follows it. No effect if there is no thread for it.
 * Context: one thread at a time.
 */
void probe_start(struct nbd_probe *p);

/* probe_destroy - end a look, and wait for its thread; a resolution of a host name cannot be ended */
void probe_destroy(struct nbd_probe *p);

#endif

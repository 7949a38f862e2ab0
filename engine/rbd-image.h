// SPDX-License-Identifier: MIT
/* An image of a Ceph cluster, opened once and used by the engines of all threads. */
#ifndef POLLUX_ENGINE_RBD_IMAGE_H
#define POLLUX_ENGINE_RBD_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/rbd-api.h"

struct rbd_image_config {
    const char *place;     /* POOL/[NAMESPACE/]IMAGE[@SNAP] */
    const char *conf, *id; /* NULL: the defaults of librados */
    bool readonly;
    bool uncached;                 /* without the cache of librbd */
    bool share_rw;                 /* other clients may write the image */
    const struct rbd_api *api;     /* NULL: that of librbd */
    void (*changed)(void *opaque); /* as image_config.changed */
    void *opaque;
};

struct rbd_image {
    struct rbd_api api;
    void *cluster, *io, *image; /* NULL: not open */
    uint64_t watch;
    bool watched;
    void (*changed)(void *opaque);
    void *opaque;
    uint64_t size;             /* atomic: the newest that the server has stated, bytes */
    pthread_mutex_t size_lock; /* of a question for the size and the store of the answer */
};

/**
 * rbd_image_open - connect to the cluster, open the image, lock it and watch its size
 * Context: any thread. Blocks until the cluster answers: the monitors at most for the
 *          client_mount_timeout of its configuration, the OSDs without a limit.
 * Return: 0, or -errno and @err. rbd_image_close() releases in both cases.
 */
int rbd_image_open(struct rbd_image *rbd, const struct rbd_image_config *config, struct error *err);

/* rbd_image_close - Context: any thread; blocks while the cluster does not answer. */
void rbd_image_close(struct rbd_image *rbd);

#endif

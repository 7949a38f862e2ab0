// SPDX-License-Identifier: MIT
/*
 * The functions of librbd and librados that the engine rbd calls. The libraries are loaded when an RBD
 * image is opened: they are large, and Pollux builds and runs without them. The types are those of
 * <rbd/librbd.h>; tests/rbd/abi.c compares them.
 */
#ifndef POLLUX_ENGINE_RBD_API_H
#define POLLUX_ENGINE_RBD_API_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/error.h"

#define RBD_API_EXCLUSIVE_LOCK  (1u << 2) /* RBD_FEATURE_EXCLUSIVE_LOCK */
#define RBD_API_LOCK_EXCLUSIVE  0         /* RBD_LOCK_MODE_EXCLUSIVE */
#define RBD_API_THICK_PROVISION 1         /* RBD_WRITE_ZEROES_FLAG_THICK_PROVISION */

/* X(result, name, (parameters)). Handles are void *, as in the libraries' headers. */
#define RBD_API(X)                                                                                 \
    X(int, rados_create, (void **cluster, const char *id))                                         \
    X(int, rados_conf_read_file, (void *cluster, const char *path))                                \
    X(int, rados_conf_set, (void *cluster, const char *option, const char *value))                 \
    X(int, rados_connect, (void *cluster))                                                         \
    X(void, rados_shutdown, (void *cluster))                                                       \
    X(int, rados_ioctx_create, (void *cluster, const char *pool, void **io))                       \
    X(void, rados_ioctx_set_namespace, (void *io, const char *name))                               \
    X(void, rados_ioctx_destroy, (void *io))                                                       \
    X(int, rbd_open, (void *io, const char *name, void **image, const char *snap))                 \
    X(int, rbd_open_read_only, (void *io, const char *name, void **image, const char *snap))       \
    X(int, rbd_close, (void *image))                                                               \
    X(int, rbd_get_size, (void *image, uint64_t *size))                                            \
    X(int, rbd_get_features, (void *image, uint64_t *features))                                    \
    X(int, rbd_lock_acquire, (void *image, unsigned mode))                                         \
    X(int, rbd_update_watch, (void *image, uint64_t *id, void (*cb)(void *arg), void *arg))        \
    X(int, rbd_update_unwatch, (void *image, uint64_t id))                                         \
    X(int, rbd_aio_create_completion, (void *arg, void (*cb)(void *c, void *arg), void **c))       \
    X(ssize_t, rbd_aio_get_return_value, (void *c))                                                \
    X(void, rbd_aio_release, (void *c))                                                            \
    X(int, rbd_aio_readv,                                                                          \
      (void *image, const struct iovec *iov, int iovcnt, uint64_t offset, void *c))                \
    X(int, rbd_aio_writev,                                                                         \
      (void *image, const struct iovec *iov, int iovcnt, uint64_t offset, void *c))                \
    X(int, rbd_aio_discard, (void *image, uint64_t offset, uint64_t len, void *c))                 \
    X(int, rbd_aio_write_zeroes,                                                                   \
      (void *image, uint64_t offset, size_t len, void *c, int zero_flags, int op_flags))           \
    X(int, rbd_aio_flush, (void *image, void *c))

#define RBD_API_MEMBER(result, name, parameters) result(*name) parameters;

struct rbd_api {
    RBD_API(RBD_API_MEMBER)
};

/**
 * rbd_api_load - find the functions in librbd
 * Context: any thread. Return: 0, or -ENOPKG and @err, which says what to install.
 */
int rbd_api_load(struct rbd_api *api, struct error *err);

#endif

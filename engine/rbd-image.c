// SPDX-License-Identifier: MIT
/*
 * Two writers: with the feature exclusive-lock, librbd by default hands the lock from one client to
 * the other, and both write. So the lock is taken here and kept: another client that takes it in the
 * same way, or writes, gets an error. The lock of a process that was killed is broken by librbd as
 * soon as the cluster has noticed that its client is gone. With share_rw the lock is handed over.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "base/thread-mask.h"
#include "engine/rbd-image.h"

/* The parts of "POOL/[NAMESPACE/]IMAGE[@SNAP]", in one allocation. */
struct place {
    char *pool, *name_space, *image, *snap; /* the second and the last may be NULL */
};

static int parse_place(const char *text, struct place *p, struct error *err)
{
    char *copy = strdup(text), *slash;

    *p = (struct place){.pool = copy};
    if (!copy) {
        return error_set(err, -ENOMEM, "out of memory for opening RBD image %s", text);
    }
    slash = strchr(copy, '/');
    if (slash) {
        *slash = '\0';
        p->image = slash + 1;
        slash = strchr(p->image, '/');
    }
    if (slash) {
        *slash = '\0';
        p->name_space = p->image;
        p->image = slash + 1;
    }
    p->snap = p->image ? strchr(p->image, '@') : NULL;
    if (p->snap) {
        *p->snap++ = '\0';
    }
    if (!p->image || !p->pool[0] || !p->image[0] || (p->snap && !p->snap[0]) ||
        (p->name_space && !p->name_space[0])) {
        free(copy);
        return error_set(err, -EINVAL,
                         "RBD image '%s' is not of the form POOL/IMAGE, POOL/NAMESPACE/IMAGE or "
                         "either with @SNAP",
                         text);
    }
    return 0;
}

static int connect_cluster(struct rbd_image *rbd, const struct rbd_image_config *config,
                           struct error *err)
{
    const struct rbd_api *api = &rbd->api;
    int ret = api->rados_create(&rbd->cluster, config->id);

    if (ret < 0) {
        rbd->cluster = NULL;
        return error_set(err, ret, "librados: %s", strerror(-ret));
    }
    ret = api->rados_conf_read_file(rbd->cluster, config->conf);
    if (ret < 0) {
        return error_set(err, ret, "cannot read the Ceph configuration%s%s: %s",
                         config->conf ? " " : "; give one with conf=FILE",
                         config->conf ? config->conf : "", strerror(-ret));
    }
    if (config->uncached) {
        ret = api->rados_conf_set(rbd->cluster, "rbd_cache", "false");
        if (ret < 0) {
            return error_set(err, ret, "cannot switch off the cache of librbd: %s", strerror(-ret));
        }
    }
    ret = api->rados_connect(rbd->cluster);
    if (ret < 0) {
        return error_set(err, ret,
                         "cannot connect to the Ceph cluster of RBD image %s: %s: check conf=FILE, "
                         "id=USER and the user's keyring",
                         config->place, strerror(-ret));
    }
    return 0;
}

static int open_in_pool(struct rbd_image *rbd, const struct rbd_image_config *config,
                        const struct place *p, struct error *err)
{
    const struct rbd_api *api = &rbd->api;
    int ret = api->rados_ioctx_create(rbd->cluster, p->pool, &rbd->io);

    if (ret < 0) {
        rbd->io = NULL;
        return error_set(err, ret, "cannot open the Ceph pool %s of RBD image %s: %s", p->pool,
                         config->place, strerror(-ret));
    }
    if (p->name_space) {
        api->rados_ioctx_set_namespace(rbd->io, p->name_space);
    }
    ret = config->readonly ? api->rbd_open_read_only(rbd->io, p->image, &rbd->image, p->snap)
                           : api->rbd_open(rbd->io, p->image, &rbd->image, NULL);
    if (ret < 0) {
        rbd->image = NULL;
        return error_set(err, ret, "cannot open RBD image %s: %s", config->place, strerror(-ret));
    }
    return 0;
}

static int take_lock(struct rbd_image *rbd, const struct rbd_image_config *config,
                     struct error *err)
{
    uint64_t features = 0;
    int ret = rbd->api.rbd_get_features(rbd->image, &features);

    if (ret == 0 && (features & RBD_API_EXCLUSIVE_LOCK)) {
        ret = rbd->api.rbd_lock_acquire(rbd->image, RBD_API_LOCK_EXCLUSIVE);
    }
    if (ret == -EROFS || ret == -EBUSY) {
        return error_set(
            err, -EBUSY,
            "RBD image %s is in use by another client (rbd status and rbd lock ls name "
            "it): one can write it, or all with share-rw=on",
            config->place);
    }
    return ret < 0
               ? error_set(err, ret, "cannot lock RBD image %s: %s", config->place, strerror(-ret))
               : 0;
}

/* In a thread of librbd, and once in the one that opens the image. */
static void image_updated(void *opaque)
{
    struct rbd_image *rbd = opaque;
    uint64_t size;
    bool changed;

    pthread_mutex_lock(&rbd->size_lock); /* else an older answer could replace a newer one */
    changed = rbd->api.rbd_get_size(rbd->image, &size) == 0 && size != load_relaxed(&rbd->size);
    if (changed) {
        store_relaxed(&rbd->size, size);
    }
    pthread_mutex_unlock(&rbd->size_lock);
    if (changed && rbd->changed) {
        rbd->changed(rbd->opaque);
    }
}

/* The size is read after the watch begins, so that no change is missed. */
static int watch_size(struct rbd_image *rbd, const struct rbd_image_config *config,
                      struct error *err)
{
    uint64_t size;
    int ret = rbd->api.rbd_get_size(rbd->image, &size);

    if (ret == 0) {
        store_relaxed(&rbd->size, size);
        ret = rbd->api.rbd_update_watch(rbd->image, &rbd->watch, image_updated, rbd);
        rbd->watched = ret == 0;
    }
    if (ret < 0) {
        return error_set(err, ret, "cannot get the size of RBD image %s: %s", config->place,
                         strerror(-ret));
    }
    image_updated(rbd);
    return 0;
}

static int open_image(struct rbd_image *rbd, const struct rbd_image_config *config,
                      struct error *err)
{
    struct place p;
    int ret = parse_place(config->place, &p, err);

    *rbd = (struct rbd_image){.changed = config->changed,
                              .opaque = config->opaque,
                              .size_lock = PTHREAD_MUTEX_INITIALIZER};
    if (ret < 0) {
        return ret;
    }
    if (p.snap && !config->readonly) {
        ret = error_set(err, -EROFS,
                        "RBD image %s is a snapshot, which is read-only: add "
                        "readonly=on",
                        config->place);
    }
    if (ret == 0 && config->api) {
        rbd->api = *config->api;
    } else if (ret == 0) {
        ret = rbd_api_load(&rbd->api, err);
    }
    if (ret == 0) {
        ret = connect_cluster(rbd, config, err);
    }
    if (ret == 0) {
        ret = open_in_pool(rbd, config, &p, err);
    }
    if (ret == 0 && !config->readonly && !config->share_rw) {
        ret = take_lock(rbd, config, err);
    }
    if (ret == 0) {
        ret = watch_size(rbd, config, err);
    }
    free(p.pool);
    return ret;
}

struct open_call {
    struct rbd_image *rbd;
    const struct rbd_image_config *config;
    struct error *err;
    int ret;
};

static void *open_in_thread(void *opaque)
{
    struct open_call *call = opaque;

    call->ret = open_image(call->rbd, call->config, call->err);
    return NULL;
}

/* The threads of librbd inherit the signal mask of the one that connects, and must take no signal. */
int rbd_image_open(struct rbd_image *rbd, const struct rbd_image_config *config, struct error *err)
{
    struct open_call call = {.rbd = rbd, .config = config, .err = err};
    pthread_t thread;
    sigset_t old;
    int num;

    *rbd = (struct rbd_image){.size = 0};
    thread_mask_enter(&old);
    num = pthread_create(&thread, NULL, open_in_thread, &call);
    thread_mask_leave(&old);
    if (num) {
        return error_set(err, -num, "cannot start a thread for librbd: %s", strerror(num));
    }
    pthread_join(thread, NULL);
    return call.ret;
}

void rbd_image_close(struct rbd_image *rbd)
{
    if (rbd->watched) {
        rbd->api.rbd_update_unwatch(rbd->image, rbd->watch);
    }
    if (rbd->image) {
        rbd->api.rbd_close(rbd->image);
    }
    if (rbd->io) {
        rbd->api.rados_ioctx_destroy(rbd->io);
    }
    if (rbd->cluster) {
        rbd->api.rados_shutdown(rbd->cluster);
    }
    *rbd = (struct rbd_image){.size = 0};
}

// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "tests/unit/fake-rbd.h"

struct completion {
    struct list node;
    void (*cb)(void *c, void *arg);
    void *arg;
    int kind; /* of the request, as in fake_rbd.calls */
    const struct iovec *iov;
    int iovcnt;
    uint64_t offset, len;
    ssize_t res;
};

static struct fake_rbd fake;
static uint64_t image_size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct list waiting;
static pthread_t threads[FAKE_RBD_THREADS];
static bool running, ending;
static unsigned busy; /* threads that call back */
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static void (*update_cb)(void *arg);
static void *update_arg;

struct fake_rbd *fake_rbd_init(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.features = RBD_API_EXCLUSIVE_LOCK;
    image_size = FAKE_RBD_SIZE;
    list_init(&waiting);
    return &fake;
}

void fake_rbd_release(void)
{
    pthread_mutex_lock(&lock);
    fake.hold = false;
    pthread_cond_broadcast(&work);
    pthread_mutex_unlock(&lock);
}

void fake_rbd_await_idle(void)
{
    pthread_mutex_lock(&lock);
    while (busy) {
        pthread_cond_wait(&idle, &lock);
    }
    pthread_mutex_unlock(&lock);
}

void fake_rbd_resize(uint64_t size)
{
    __atomic_store_n(&image_size, size, __ATOMIC_RELAXED);
    if (update_cb) {
        update_cb(update_arg);
    }
}

/* --- requests --- */

static void move(const struct completion *c)
{
    uint8_t *at = fake.data + c->offset;

    for (int i = 0; i < c->iovcnt; i++) {
        if (c->iov[i].iov_len == 0) {
            continue;
        }
        if (c->kind == 'r') {
            memcpy(c->iov[i].iov_base, at, c->iov[i].iov_len);
        } else {
            memcpy(at, c->iov[i].iov_base, c->iov[i].iov_len);
        }
        at += c->iov[i].iov_len;
    }
}

static void carry_out(struct completion *c)
{
    if (c->kind == 'r' || c->kind == 'w') {
        move(c);
    } else if (c->kind != 'f') {
        memset(fake.data + c->offset, 0, c->len);
    }
    c->res = c->kind == 'r' ? (ssize_t)c->len : 0;
    if (fake.results && (!fake.kind || fake.kind == c->kind)) {
        fake.results--;
        c->res = fake.result;
    }
}

static void *serve(void *opaque)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        struct completion *c, copy;
        bool twice = fake.twice;

        while (!ending && (fake.hold || list_empty(&waiting))) {
            pthread_cond_wait(&work, &lock);
        }
        if (list_empty(&waiting)) {
            break;
        }
        c = list_entry(fake.reverse ? waiting.prev : waiting.next, struct completion, node);
        list_del(&c->node);
        carry_out(c);
        copy = *c;
        busy++;
        pthread_mutex_unlock(&lock);
        c->cb(c, c->arg);
        if (twice) {
            copy.cb(&copy, copy.arg);
        }
        pthread_mutex_lock(&lock);
        if (--busy == 0) {
            pthread_cond_broadcast(&idle);
        }
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static int queue(struct completion *c, int kind, const struct iovec *iov, int iovcnt,
                 uint64_t offset, uint64_t len)
{
    size_t used = strlen(fake.calls);

    c->kind = kind;
    c->iov = iov;
    c->iovcnt = iovcnt;
    c->offset = offset;
    c->len = len;
    for (int i = 0; i < iovcnt; i++) {
        c->len += iov[i].iov_len;
    }
    if (fake.issue_error) {
        return fake.issue_error;
    }
    if (!running) {
        running = true;
        for (unsigned i = 0; i < FAKE_RBD_THREADS; i++) {
            pthread_create(&threads[i], NULL, serve, NULL);
        }
    }
    pthread_mutex_lock(&lock);
    if (kind == 'f') {
        snprintf(fake.calls + used, sizeof(fake.calls) - used, "%sf", used ? " " : "");
    } else {
        snprintf(fake.calls + used, sizeof(fake.calls) - used, "%s%c%llu+%llu", used ? " " : "",
                 kind, (unsigned long long)offset, (unsigned long long)c->len);
    }
    list_add_tail(&waiting, &c->node);
    pthread_cond_signal(&work);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int aio_create_completion(void *arg, void (*cb)(void *c, void *arg), void **c)
{
    struct completion *new = calloc(1, sizeof(*new));

    new->cb = cb;
    new->arg = arg;
    *c = new;
    __atomic_fetch_add(&fake.completions, 1, __ATOMIC_RELAXED);
    return 0;
}

static ssize_t aio_get_return_value(void *c)
{
    return ((struct completion *)c)->res;
}

static void aio_release(void *c)
{
    __atomic_fetch_sub(&fake.completions, 1, __ATOMIC_RELAXED);
    free(c);
}

static int aio_readv(void *image, const struct iovec *iov, int iovcnt, uint64_t offset, void *c)
{
    return queue(c, 'r', iov, iovcnt, offset, 0);
}

static int aio_writev(void *image, const struct iovec *iov, int iovcnt, uint64_t offset, void *c)
{
    return queue(c, 'w', iov, iovcnt, offset, 0);
}

static int aio_discard(void *image, uint64_t offset, uint64_t len, void *c)
{
    return queue(c, 't', NULL, 0, offset, len);
}

static int aio_write_zeroes(void *image, uint64_t offset, size_t len, void *c, int zero_flags,
                            int op_flags)
{
    return queue(c, zero_flags ? 'Z' : 'z', NULL, 0, offset, len);
}

static int aio_flush(void *image, void *c)
{
    return queue(c, 'f', NULL, 0, 0, 0);
}

/* --- opening --- */

static void note(const char *what, const char *name)
{
    size_t used = strlen(fake.opened);

    snprintf(fake.opened + used, sizeof(fake.opened) - used, "%s%s=%s", used ? " " : "", what,
             name ? name : "");
}

static int create(void **cluster, const char *id)
{
    note("id", id);
    fake.handles++;
    *cluster = &fake;
    return 0;
}

static int conf_read_file(void *cluster, const char *path)
{
    note("conf", path);
    return 0;
}

static int conf_set(void *cluster, const char *option, const char *value)
{
    note(option, value);
    return 0;
}

static int connect_cluster(void *cluster)
{
    return fake.connect_error;
}

static void close_handle(void *handle)
{
    fake.handles--;
}

static int ioctx_create(void *cluster, const char *pool, void **io)
{
    note("pool", pool);
    fake.handles += !fake.pool_error;
    *io = &fake;
    return fake.pool_error;
}

static void ioctx_set_namespace(void *io, const char *name)
{
    note("namespace", name);
}

static int open_any(const char *how, const char *name, void **image, const char *snap)
{
    note(how, name);
    note("snap", snap);
    fake.handles += !fake.open_error;
    *image = &fake;
    return fake.open_error;
}

static int open_image(void *io, const char *name, void **image, const char *snap)
{
    return open_any("image", name, image, snap);
}

static int open_read_only(void *io, const char *name, void **image, const char *snap)
{
    return open_any("read-only", name, image, snap);
}

static int close_image(void *image)
{
    pthread_mutex_lock(&lock);
    ending = true;
    pthread_cond_broadcast(&work);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; running && i < FAKE_RBD_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    running = ending = false;
    fake.handles--;
    return 0;
}

static int get_size(void *image, uint64_t *size)
{
    *size = __atomic_load_n(&image_size, __ATOMIC_RELAXED);
    return 0;
}

static int get_features(void *image, uint64_t *features)
{
    *features = fake.features;
    return 0;
}

static int lock_acquire(void *image, unsigned mode)
{
    note("lock", "");
    return fake.lock_error;
}

static int update_watch(void *image, uint64_t *id, void (*cb)(void *arg), void *arg)
{
    update_cb = cb;
    update_arg = arg;
    *id = 1;
    return 0;
}

static int update_unwatch(void *image, uint64_t id)
{
    update_cb = NULL;
    return 0;
}

const struct rbd_api fake_rbd_api = {
    .rados_create = create,
    .rados_conf_read_file = conf_read_file,
    .rados_conf_set = conf_set,
    .rados_connect = connect_cluster,
    .rados_shutdown = close_handle,
    .rados_ioctx_create = ioctx_create,
    .rados_ioctx_set_namespace = ioctx_set_namespace,
    .rados_ioctx_destroy = close_handle,
    .rbd_open = open_image,
    .rbd_open_read_only = open_read_only,
    .rbd_close = close_image,
    .rbd_get_size = get_size,
    .rbd_get_features = get_features,
    .rbd_lock_acquire = lock_acquire,
    .rbd_update_watch = update_watch,
    .rbd_update_unwatch = update_unwatch,
    .rbd_aio_create_completion = aio_create_completion,
    .rbd_aio_get_return_value = aio_get_return_value,
    .rbd_aio_release = aio_release,
    .rbd_aio_readv = aio_readv,
    .rbd_aio_writev = aio_writev,
    .rbd_aio_discard = aio_discard,
    .rbd_aio_write_zeroes = aio_write_zeroes,
    .rbd_aio_flush = aio_flush,
};

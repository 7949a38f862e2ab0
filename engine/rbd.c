// SPDX-License-Identifier: MIT
/*
 * An engine on librbd: the image is in a Ceph cluster.
 *
 * librbd calls back in a thread of its own, which returns the slot of the request through
 * engine/finished-list.h. A slot is the engine's, not the caller's: a completion that librbd reports
 * twice is not the one that the slot waits for, and nothing happens. librbd reads and writes the buffers
 * of the guest. It waits for a cluster that does not answer, and sends requests again by itself.
 *
 * A durable write is a write, then a flush: librbd may have a cache, whatever its configuration says,
 * since an image has settings of its own. Without a cache the flush sends nothing.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/finished-list.h"
#include "engine/rbd-image.h"
#include "engine/submit.h"

#define ERRNO_MAX 4095

struct slot {
    struct finished finished;
    struct rbd_engine *engine;
    struct engine_req *req;
    struct slot *next_free;
    void *completion; /* atomic: of the call in flight; librbd's threads set NULL */
    ssize_t res;      /* of librbd */
    ssize_t moved;    /* of a durable write whose flush is in flight */
    bool flushing;
};

struct rbd_engine {
    struct engine e;
    const struct rbd_image *rbd;
    struct slot *slots, *free;
    uint64_t issued; /* calls of librbd that end in a callback */
    struct finished_list list;
    _Alignas(
        CACHE_LINE) uint64_t returned; /* atomic: callbacks that do not use the engine any more */
};

static struct rbd_engine *rbd_of(struct engine *e)
{
    return container_of(e, struct rbd_engine, e);
}

/* In a thread of librbd, or within the call that issues the request. */
static void called_back(void *completion, void *opaque)
{
    struct slot *slot = opaque;
    struct rbd_engine *r = slot->engine;
    void *expected = completion;

    if (!__atomic_compare_exchange_n(&slot->completion, &expected, NULL, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
        return;
    }
    slot->res = r->rbd->api.rbd_aio_get_return_value(completion);
    r->rbd->api.rbd_aio_release(completion);
    finished_list_push(&r->list, &slot->finished);
    __atomic_fetch_add(&r->returned, 1, __ATOMIC_RELEASE); /* pairs with await_callbacks() */
}

static int call_librbd(const struct rbd_image *rbd, const struct slot *slot, void *completion)
{
    const struct engine_req *req = slot->req;

    if (slot->flushing) {
        return rbd->api.rbd_aio_flush(rbd->image, completion);
    }
    switch (req->op) {
    case ENGINE_READ:
        return rbd->api.rbd_aio_readv(rbd->image, req->iov, req->iovcnt, req->offset, completion);
    case ENGINE_WRITE:
        return rbd->api.rbd_aio_writev(rbd->image, req->iov, req->iovcnt, req->offset, completion);
    case ENGINE_DISCARD:
        return rbd->api.rbd_aio_discard(rbd->image, req->offset, req->len, completion);
    case ENGINE_WRITE_ZEROES:
        return rbd->api.rbd_aio_write_zeroes(rbd->image, req->offset, req->len, completion,
                                             req->may_unmap ? 0 : RBD_API_THICK_PROVISION, 0);
    case ENGINE_FLUSH:
        return rbd->api.rbd_aio_flush(rbd->image, completion);
    }
    return -EINVAL;
}

/* Return: 0: the slot will be returned; or -errno, it will not. */
static int issue(struct rbd_engine *r, struct slot *slot)
{
    const struct rbd_image *rbd = r->rbd;
    void *completion;
    int ret = rbd->api.rbd_aio_create_completion(slot, called_back, &completion);

    if (ret < 0) {
        return ret;
    }
    store_release(&slot->completion, completion);
    ret = call_librbd(rbd, slot, completion);
    if (ret < 0) {
        store_relaxed(&slot->completion, NULL);
        rbd->api.rbd_aio_release(completion);
        return ret;
    }
    r->issued++;
    finished_list_expect(&r->list);
    return 0;
}

static void put_slot(struct rbd_engine *r, struct slot *slot)
{
    slot->next_free = r->free;
    r->free = slot;
}

static uint64_t length_of(const struct engine_req *req)
{
    uint64_t len = 0;

    for (int i = 0; i < req->iovcnt; i++) {
        len += req->iov[i].iov_len;
    }
    return len;
}

/* librbd returns the bytes that it has read, and 0 for a write. */
static ssize_t result_of(const struct slot *slot)
{
    ssize_t res = slot->flushing && slot->res >= 0 ? slot->moved : slot->res;
    const struct engine_req *req = slot->req;

    if (res < 0) {
        return res < -ERRNO_MAX ? -EIO : res;
    }
    if (req->op == ENGINE_WRITE) {
        return (ssize_t)length_of(req);
    }
    if (req->op == ENGINE_READ) {
        return (uint64_t)res <= length_of(req) ? res : -EIO;
    }
    return 0;
}

static bool needs_flush(const struct slot *slot)
{
    const struct engine_req *req = slot->req;

    return req->durable && !slot->flushing && slot->res >= 0 &&
           (req->op == ENGINE_WRITE || req->op == ENGINE_WRITE_ZEROES);
}

static void slot_finished(struct finished *f)
{
    struct slot *slot = container_of(f, struct slot, finished);
    struct rbd_engine *r = slot->engine;
    struct engine_req *req = slot->req;
    ssize_t res;

    if (needs_flush(slot)) {
        slot->flushing = true;
        slot->moved = slot->res;
        res = issue(r, slot);
        if (res == 0) {
            return;
        }
        slot->res = res;
    }
    res = result_of(slot);
    put_slot(r, slot);
    engine_complete(&r->e, req, res);
}

static int rbd_submit(struct engine *e, struct engine_req *req)
{
    struct rbd_engine *r = rbd_of(e);
    struct slot *slot = r->free;
    int ret;

    if (!slot) {
        return -EAGAIN;
    }
    slot->req = req;
    slot->flushing = false;
    ret = issue(r, slot);
    if (ret == 0) {
        r->free = slot->next_free;
    }
    return ret;
}

static int rbd_engine_open(AioContext *ctx, const struct image *image,
                           const struct engine_config *config, struct engine **out,
                           struct error *err)
{
    struct rbd_engine *r = aligned_alloc(CACHE_LINE, sizeof(*r));
    struct slot *slots = calloc(config->depth, sizeof(*slots));
    int ret;

    if (!r || !slots) {
        free(slots);
        free(r);
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    *r = (struct rbd_engine){.rbd = image->rbd, .slots = slots};
    for (unsigned i = config->depth; i--;) {
        slots[i].engine = r;
        put_slot(r, &slots[i]);
    }
    ret = finished_list_init(&r->list, ctx, "rbd", slot_finished);
    if (ret < 0) {
        free(slots);
        free(r);
        return error_set(err, ret, "cannot watch completions of librbd: %s", strerror(-ret));
    }
    *out = &r->e;
    return 0;
}

/* The threads of librbd have returned every slot; the last ones may be inside called_back(). */
static void await_callbacks(const struct rbd_engine *r)
{
    while (load_acquire(&r->returned) != r->issued) {
        sched_yield();
    }
}

static void rbd_engine_close(struct engine *e)
{
    struct rbd_engine *r = rbd_of(e);

    await_callbacks(r);
    finished_list_destroy(&r->list);
    free(r->slots);
    free(r);
}

const struct engine_ops engine_rbd = {
    .name = "rbd",
    .summary = "an image of a Ceph cluster, through librbd",
    .open = rbd_engine_open,
    .submit = rbd_submit,
    .close = rbd_engine_close,
};

// SPDX-License-Identifier: MIT
/*
 * Fault injection. This engine wraps another one and makes some of its requests fail, move less
 * than asked for, or take longer, as a failing disk does. With a trigger file it injects faults
 * only while the file exists, so that a test can begin and end a failure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/faulty.h"
#include "engine/submit.h"

#define PPM 1000000

struct faulty_engine;

/* One request in flight in the inner engine, or delayed after its completion there. */
struct faulty_slot {
    struct engine_req inner;
    struct faulty_engine *engine;
    struct engine_req *outer;
    ssize_t res;
    struct iovec cut; /* the buffer of a shortened request */
    struct aio_timer delay;
};

struct faulty_engine {
    struct engine e;
    struct engine *inner;
    struct engine_faults faults;
    char *trigger;
    uint64_t random;
    struct list failed; /* requests that fail without reaching the inner engine */
    struct aio_deferred fail;
    struct list free; /* of inner.node */
    struct faulty_slot slots[];
};

static struct faulty_engine *faulty_of(struct engine *e)
{
    return container_of(e, struct faulty_engine, e);
}

static bool active(const struct faulty_engine *f)
{
    return !f->trigger || access(f->trigger, F_OK) == 0;
}

/* xorshift64*: the same seed gives the same faults. */
static bool hit(struct faulty_engine *f, uint32_t ppm)
{
    f->random ^= f->random >> 12;
    f->random ^= f->random << 25;
    f->random ^= f->random >> 27;
    return (f->random * 0x2545f4914f6cdd1d >> 32) * PPM >> 32 < ppm;
}

static void finish(void *opaque)
{
    struct faulty_slot *slot = opaque;
    struct faulty_engine *f = slot->engine;

    list_add_tail(f->free.next, &slot->inner.node);
    engine_complete(&f->e, slot->outer, slot->res);
}

static void inner_done(struct engine_req *inner, ssize_t res)
{
    struct faulty_slot *slot = container_of(inner, struct faulty_slot, inner);
    struct faulty_engine *f = slot->engine;

    slot->res = res;
    if (f->faults.delay_ns && active(f)) {
        aio_timer_arm(&slot->delay, aio_now(f->e.ctx) + f->faults.delay_ns);
    } else {
        finish(slot);
    }
}

static void fail_all(void *opaque)
{
    struct faulty_engine *f = opaque;
    struct list batch;

    list_take(&batch, &f->failed);
    while (!list_empty(&batch)) {
        struct faulty_slot *slot = list_entry(batch.next, struct faulty_slot, inner.node);

        list_del(&slot->inner.node);
        inner_done(&slot->inner, -f->faults.error);
    }
}

/* Shortens a request to about half of its length: at least one block, a multiple of @align. */
static void cut_short(struct faulty_slot *slot, unsigned align)
{
    struct engine_req *req = &slot->inner;

    if (req->iovcnt > 1) {
        req->iovcnt /= 2;
    } else if (req->iovcnt == 1 && req->iov[0].iov_len >= 2 * align) {
        slot->cut.iov_base = req->iov[0].iov_base;
        slot->cut.iov_len = req->iov[0].iov_len / 2 & ~(size_t)(align - 1);
        req->iov = &slot->cut;
    }
}

static int faulty_submit(struct engine *e, struct engine_req *req)
{
    struct faulty_engine *f = faulty_of(e);
    struct faulty_slot *slot;
    bool on = active(f);
    int ret = 0;

    if (list_empty(&f->free)) {
        return -EAGAIN;
    }
    slot = list_entry(f->free.next, struct faulty_slot, inner.node);
    slot->outer = req;
    slot->inner = (struct engine_req){
        .op = req->op,
        .iovcnt = req->iovcnt,
        .iov = req->iov,
        .offset = req->offset,
        .len = req->len,
        .may_unmap = req->may_unmap,
        .durable = req->durable,
        .cb = inner_done,
        .node = slot->inner.node,
    };
    if (on && hit(f, f->faults.error_ppm)) {
        list_del(&slot->inner.node);
        list_add_tail(&f->failed, &slot->inner.node);
        aio_defer(e->ctx, &f->fail);
        return 0;
    }
    if (on && hit(f, f->faults.short_ppm)) {
        cut_short(slot, e->image->align > SECTOR_SIZE ? e->image->align : SECTOR_SIZE);
    }
    list_del(&slot->inner.node);
    ret = engine_submit(f->inner, &slot->inner);
    if (ret < 0) {
        list_add_tail(f->free.next, &slot->inner.node);
    }
    return ret;
}

static void faulty_close(struct engine *e)
{
    struct faulty_engine *f = faulty_of(e);

    aio_deferred_cancel(&f->fail);
    engine_close(f->inner);
    free(f->trigger);
    free(f);
}

static const struct engine_ops engine_faulty = {
    .name = "faulty",
    .submit = faulty_submit,
    .close = faulty_close,
};

int engine_faulty_open(struct engine *inner, const struct engine_config *config,
                       struct engine **out, struct error *err)
{
    struct faulty_engine *f = calloc(1, sizeof(*f) + config->depth * sizeof(struct faulty_slot));

    if (!f) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    f->e.ops = &engine_faulty;
    f->inner = inner;
    f->faults = *config->faults;
    f->random = f->faults.seed ? f->faults.seed : 1;
    list_init(&f->failed);
    list_init(&f->free);
    aio_deferred_init(&f->fail, fail_all, f);
    if (f->faults.trigger) {
        f->trigger = strdup(f->faults.trigger);
        if (!f->trigger) {
            free(f);
            return error_set(err, -ENOMEM, "out of memory for an engine");
        }
    }
    for (unsigned i = 0; i < config->depth; i++) {
        f->slots[i].engine = f;
        aio_timer_init(inner->ctx, &f->slots[i].delay, finish, &f->slots[i]);
        list_add_tail(&f->free, &f->slots[i].inner.node);
    }
    *out = &f->e;
    return 0;
}

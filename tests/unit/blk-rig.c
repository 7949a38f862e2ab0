// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"

/* --- the engine on memory --- */

struct memory_engine {
    struct engine e;
    struct blk_rig *rig;
    unsigned index; /* of the I/O thread */
    struct list pending;
    struct aio_deferred complete;
};

static uint64_t req_bytes(const struct engine_req *req)
{
    uint64_t n = 0;

    for (int i = 0; i < req->iovcnt; i++) {
        n += req->iov[i].iov_len;
    }
    return n;
}

static ssize_t move(struct blk_rig *rig, struct engine_req *req)
{
    uint64_t left = rig->move_at_most ? rig->move_at_most : UINT64_MAX;
    uint8_t *at = rig->disk + req->offset;
    ssize_t done = 0;

    if (rig->fail) {
        int num = rig->fail;

        if (rig->fail_times && --rig->fail_times == 0) {
            rig->fail = 0;
        }
        return num;
    }
    if (rig->fail_after && --rig->fail_after == 0) {
        rig->fail = -EIO;
    }
    if (req->offset < rig->bad_to && req->offset + req_bytes(req) > rig->bad_from) {
        return -EIO;
    }
    if (rig->ends_at) {
        left = req->offset < rig->ends_at ? rig->ends_at - req->offset : 0;
    }
    stat_add(&rig->durable, req->durable && req->op != ENGINE_READ);
    stat_add(&rig->unmaps, req->may_unmap && req->op == ENGINE_WRITE_ZEROES);
    if (req->op == ENGINE_DISCARD || req->op == ENGINE_WRITE_ZEROES) {
        ck_assert_int_eq(req->iovcnt, 0);
        ck_assert_uint_le(req->offset + req->len, RIG_DISK_SIZE);
        if (req->offset < rig->bad_to && req->offset + req->len > rig->bad_from) {
            return -ENOSPC;
        }
        stat_add(&rig->discards, req->op == ENGINE_DISCARD);
        stat_add(&rig->zeroes, req->op == ENGINE_WRITE_ZEROES);
        memset(at, req->op == ENGINE_DISCARD ? 0xdd : 0, req->len);
        return 0;
    }
    for (int i = 0; i < req->iovcnt && left; i++) {
        uint64_t n = req->iov[i].iov_len < left ? req->iov[i].iov_len : left;

        if (req->op == ENGINE_READ) {
            memcpy(req->iov[i].iov_base, at + done, n);
        } else {
            memcpy(at + done, req->iov[i].iov_base, n);
        }
        done += n;
        left -= n;
    }
    return done;
}

static void complete_all(void *opaque)
{
    struct memory_engine *m = opaque;
    struct list batch;
    ssize_t res;

    list_take(&batch, &m->pending);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);

        list_del(&req->node);
        m->e.in_flight--;
        pthread_mutex_lock(&m->rig->disk_lock);
        res = move(m->rig, req);
        pthread_mutex_unlock(&m->rig->disk_lock);
        req->cb(req, res);
    }
}

static int memory_open(AioContext *ctx, const struct image *image,
                       const struct engine_config *config, struct engine **out, struct error *err)
{
    struct memory_engine *m = calloc(1, sizeof(*m));

    ck_assert_ptr_nonnull(m);
    m->rig = container_of(image, struct blk_rig, image);
    list_init(&m->pending);
    aio_deferred_init(&m->complete, complete_all, m);
    for (unsigned i = 0; i < m->rig->nr_iothreads; i++) {
        if (iothread_ctx(m->rig->iothreads[i]) == ctx) {
            m->rig->engines[i] = &m->e;
            m->index = i;
        }
    }
    *out = &m->e;
    return 0;
}

static bool is_refused(struct blk_rig *rig)
{
    return rig->refuse && --rig->refuse == 0;
}

static int memory_submit(struct engine *e, struct engine_req *req)
{
    struct memory_engine *m = container_of(e, struct memory_engine, e);

    if (is_refused(m->rig)) {
        return -EIO;
    }
    stat_add(&m->rig->submitted[m->index], 1);
    list_add_tail(&m->pending, &req->node);
    if (m->rig->hold) {
        sem_post(&m->rig->held);
    } else {
        aio_defer(e->ctx, &m->complete);
    }
    return 0;
}

static void memory_close(struct engine *e)
{
    free(container_of(e, struct memory_engine, e));
}

static const struct engine_ops engine_memory = {
    .name = "memory",
    .open = memory_open,
    .submit = memory_submit,
    .close = memory_close,
};

static void await(sem_t *sem, const char *hang)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    ck_assert_msg(sem_timedwait(sem, &limit) == 0, "%s", hang);
}

void blk_rig_await_held(struct blk_rig *rig, unsigned n)
{
    while (n--) {
        await(&rig->held, "the device submits nothing");
    }
}

void blk_rig_await_stop(struct blk_rig *rig)
{
    await(&rig->stop, "the device does not ask for a stop");
}

static int release_in_thread(void *opaque)
{
    struct memory_engine *m = opaque;

    if (m->rig->releasing) {
        sem_post(m->rig->releasing);
        sem_wait(m->rig->go);
    }
    m->rig->hold = false;
    aio_defer(m->e.ctx, &m->complete);
    return 0;
}

void blk_rig_release(struct blk_rig *rig)
{
    for (unsigned i = 0; i < rig->nr_iothreads; i++) {
        iothread_call(rig->iothreads[i], release_in_thread,
                      container_of(rig->engines[i], struct memory_engine, e));
    }
}

/* --- the rig --- */

static void log_line(void *opaque, const char *line)
{
    struct blk_rig *rig = opaque;

    pthread_mutex_lock(&rig->log_lock);
    snprintf(rig->log, sizeof(rig->log), "%s", line);
    rig->log_lines++;
    pthread_mutex_unlock(&rig->log_lock);
}

static void stop(void *opaque, const char *why)
{
    struct blk_rig *rig = opaque;

    pthread_mutex_lock(&rig->log_lock);
    snprintf(rig->stopped, sizeof(rig->stopped), "%s", why);
    rig->stops++;
    pthread_mutex_unlock(&rig->log_lock);
    sem_post(&rig->stop);
}

static void start_iothreads(struct blk_rig *rig, const struct blk_rig_options *options)
{
    static const char *const ids[RIG_QUEUES_MAX] = {"io0", "io1", "io2", "io3"};
    struct iothread_config config = {.trace = options->trace};
    struct error err = {""};

    poll_params_default(&config.poll);
    if (options->policy) {
        config.poll.policy = options->policy;
    }
    if (options->max_ns) {
        config.poll.max_ns = options->max_ns;
    }
    config.poll.contention = options->contention; /* else a busy host decides about polling */
    rig->nr_iothreads = options->nr_iothreads ? options->nr_iothreads : 1;
    for (unsigned i = 0; i < rig->nr_iothreads; i++) {
        config.id = ids[i];
        ck_assert_msg(iothread_new(&config, &rig->iothreads[i], &err) == 0, "%s", err.msg);
    }
}

void blk_rig_init(struct blk_rig *rig, const struct blk_rig_options *options)
{
    unsigned size = options->queue_size ? options->queue_size : 64;
    struct virtio_blk_options blk = {
        .name = "disk0",
        .engine = options->engine ? options->engine : &engine_memory,
        .image = &rig->image,
        .delay_ns = options->delay_ns,
        .queue_size = size,
        .packed = true, /* offered always, accepted by drivers of packed rings */
        .iothreads = rig->iothreads,
        .merge = options->merge,
        .discard = options->discard,
        .detect_zeroes = options->detect_zeroes,
        .rerror = options->rerror,
        .werror = options->werror,
        .stop = stop,
        .stop_opaque = rig,
        .serial = "a serial",
        .log = log_line,
        .log_opaque = rig,
    };
    struct error err = {""};

    *rig = (struct blk_rig){.image = options->image, .features_off = options->features_off};
    if (!rig->image.size) {
        rig->image = (struct image){
            .fd = -1,
            .size = RIG_DISK_SIZE,
            .align = options->align ? options->align : 1,
            .block_size = options->block_size,
            .readonly = options->readonly,
            .writethrough = options->writethrough,
            .physical_block = options->physical_block,
            .optimal_io = options->optimal_io,
        };
    }
    rig->disk = calloc(1, RIG_DISK_SIZE);
    ck_assert_ptr_nonnull(rig->disk);
    pthread_mutex_init(&rig->disk_lock, NULL);
    pthread_mutex_init(&rig->log_lock, NULL);
    sem_init(&rig->held, 0, 0);
    sem_init(&rig->stop, 0, 0);
    start_iothreads(rig, options);
    rig->nr_queues = options->nr_queues ? options->nr_queues : 1;
    for (unsigned i = 0; i < rig->nr_queues; i++) {
        fake_driver_init(&rig->drv[i], size, options->event_idx);
        if (options->packed) {
            fake_driver_pack(&rig->drv[i]);
        }
        if (i > 0) { /* all drivers use one memory, each its own part */
            guest_memory_add(&rig->drv[0].gm, FAKE_MEMORY_GPA + i * FAKE_MEMORY_SIZE,
                             FAKE_MEMORY_SIZE, rig->drv[i].mem);
            fake_driver_move(&rig->drv[i], FAKE_MEMORY_GPA + i * FAKE_MEMORY_SIZE);
        }
    }
    blk.nr_queues = rig->nr_queues;
    blk.nr_iothreads = rig->nr_iothreads;
    ck_assert_msg(virtio_blk_new(&blk, &rig->drv[0].gm, &rig->dev, &err) == 0, "%s", err.msg);
    fake_transport_init(&rig->transport, rig->dev);
}

void blk_rig_destroy(struct blk_rig *rig)
{
    rig->dev->ops->free(rig->dev);
    for (unsigned i = 0; i < rig->nr_iothreads; i++) {
        iothread_free(rig->iothreads[i]);
    }
    for (unsigned i = 0; i < rig->nr_queues; i++) {
        fake_driver_destroy(&rig->drv[i]);
    }
    fake_transport_destroy(&rig->transport);
    sem_destroy(&rig->stop);
    sem_destroy(&rig->held);
    pthread_mutex_destroy(&rig->log_lock);
    pthread_mutex_destroy(&rig->disk_lock);
    free(rig->disk);
}

void blk_rig_go_live(struct blk_rig *rig)
{
    uint64_t features = rig->dev->device_features & ~rig->features_off;

    if (!rig->drv[0].event_idx) {
        features &= ~(1ull << VIRTIO_RING_F_EVENT_IDX);
    }
    if (!rig->drv[0].packed) {
        features &= ~(1ull << VIRTIO_F_RING_PACKED);
    }
    fake_driver_negotiate(rig->dev, features);
    for (unsigned i = 0; i < rig->nr_queues; i++) {
        fake_driver_reset(&rig->drv[i]);
        fake_driver_attach(&rig->drv[i], rig->dev, i);
    }
    virtio_set_status(rig->dev, virtio_status(rig->dev) | VIRTIO_CONFIG_S_DRIVER_OK);
}

uint8_t blk_rig_do(struct blk_rig *rig, unsigned i, uint16_t head)
{
    fake_driver_kick(&rig->drv[i], head);
    fake_driver_await(&rig->drv[i], 1);
    ck_assert(rig->drv[i].chains[head].used);
    return fake_driver_status(&rig->drv[i], head);
}

struct virtio_blk_stats blk_rig_stats(struct blk_rig *rig)
{
    struct virtio_blk_stats stats;

    virtio_blk_get_stats(rig->dev, &stats);
    return stats;
}

// SPDX-License-Identifier: MIT
/*
 * The write cache of a disk (virtio 1.3, 5.2.6.2). With the cache off, a completed write is
 * durable.
 *
 * A failed flush of the host's page cache is final. Linux drops the pages that it could not write,
 * and the next fdatasync() succeeds. So such a flush is not repeated, and every later flush of the
 * disk fails: none may report lost data as durable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blk/write-cache.h"

bool blk_flush_failed(struct blk *blk)
{
    bool final = image_in_page_cache(blk->image);

    if (final) {
        store_relaxed(&blk->writeback_lost, true);
    }
    return final;
}

static int flush_file(const struct blk *blk)
{
    int ret;

    do {
        ret = fdatasync(blk->image->fd);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

struct server_flush {
    struct engine_req req;
    struct engine *engine;
    ssize_t res;
    sem_t done;
};

static void server_flushed(struct engine_req *req, ssize_t res)
{
    struct server_flush *f = container_of(req, struct server_flush, req);

    f->res = res;
    sem_post(&f->done);
}

static int submit_in_thread(void *opaque)
{
    struct server_flush *f = opaque;

    return engine_submit(f->engine, &f->req);
}

/* One flush covers the writes of all engines: those of an export with several have connections for
 * which the server says so. */
static int flush_on_server(struct blk *blk)
{
    struct server_flush f = {
        .req = {.op = ENGINE_FLUSH, .cb = server_flushed},
        .engine = blk->threads[0].engine,
    };
    int ret;

    sem_init(&f.done, 0, 0);
    ret = iothread_call(blk->threads[0].iothread, submit_in_thread, &f);
    if (ret == 0) {
        while (sem_wait(&f.done) < 0) {
        }
        ret = (int)f.res;
    }
    sem_destroy(&f.done);
    return ret;
}

void blk_write_cache_set(struct blk *blk, bool on)
{
    bool switched_off = blk->writeback && !on;
    char line[128];
    int ret;

    store_relaxed(&blk->writeback, on);
    if (!switched_off || (blk->image->fd < 0 && !image_on_server(blk->image))) {
        return;
    }
    /* The driver may never flush again, so the flush of earlier writes cannot wait for it. */
    ret = image_on_server(blk->image) ? flush_on_server(blk) : flush_file(blk);
    if (ret == 0) {
        return;
    }
    snprintf(line, sizeof(line), "%s: flush failed as the write cache was switched off: %s",
             blk->name, strerror(-ret));
    blk_flush_failed(blk);
    if (blk->log) {
        blk->log(blk->log_opaque, line);
    }
}

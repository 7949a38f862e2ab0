// SPDX-License-Identifier: MIT
/*
 * Reads are copies from a mapping of the image, without a system call. For images in memory only.
 *
 * Where the copy fails (a hole, a file that was cut or has grown, an error of swap), a system call
 * reads the data or reports the error. Writes and flushes are system calls as well, because these
 * report a full file system.
 *
 * A failed copy costs a signal, ten times as much as the system call. So after a failure the next
 * NOT_TRIED reads of the chunk are system calls at once, unless the chunk is written before.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/image-map.h"
#include "engine/submit.h"
#include "engine/sync.h"

#define CHUNK     (64u << 10)
#define NOT_TRIED 255 /* reads of a chunk by system call after a failed copy */

struct mmap_engine {
    struct sync_engine s;
    struct image_map map;
    uint8_t *not_tried; /* by chunk: reads left to be made by system call */
};

static struct mmap_engine *mmap_of(struct engine *e)
{
    return container_of(e, struct mmap_engine, s.e);
}

/* Failures are counted for the chunk where the request begins. */
static ssize_t read_map(struct mmap_engine *m, const struct engine_req *req)
{
    uint8_t *not_tried;
    ssize_t n;

    if (req->offset >= m->map.size) {
        return -EFAULT;
    }
    not_tried = &m->not_tried[req->offset / CHUNK];
    if (*not_tried) {
        --*not_tried;
        return -EFAULT;
    }
    n = image_map_read(&m->map, req->iov, req->iovcnt, req->offset);
    *not_tried = n < 0 ? NOT_TRIED : 0;
    return n;
}

static void try_again(struct mmap_engine *m, const struct engine_req *req)
{
    if (req->offset < m->map.size) {
        m->not_tried[req->offset / CHUNK] = 0;
    }
}

static ssize_t mmap_io(struct sync_engine *s, const struct engine_req *req)
{
    struct mmap_engine *m = mmap_of(&s->e);

    if (req->op == ENGINE_READ) {
        ssize_t n = read_map(m, req);

        if (n >= 0) {
            return n;
        }
    } else if (req->op == ENGINE_WRITE) {
        try_again(m, req);
    }
    return sync_system_call(s, req);
}

static int mmap_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                     struct engine **out, struct error *err)
{
    struct mmap_engine *m = calloc(1, sizeof(*m));
    int ret;

    if (!m) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    m->not_tried = calloc(image_size(image) / CHUNK + 1, 1);
    ret = m->not_tried ? image_map_open(&m->map, image, err)
                       : error_set(err, -ENOMEM, "out of memory for an engine");
    if (ret < 0) {
        free(m->not_tried);
        free(m);
        return ret;
    }
    sync_init(&m->s, mmap_io);
    *out = &m->s.e;
    return 0;
}

static void mmap_close(struct engine *e)
{
    struct mmap_engine *m = mmap_of(e);

    sync_destroy(&m->s);
    image_map_close(&m->map);
    free(m->not_tried);
    free(m);
}

const struct engine_ops engine_mmap = {
    .name = "mmap",
    .summary = "copies from a mapping, without system calls; for images in memory (tmpfs)",
    .needs_file = true,
    .offloads = true,
    .open = mmap_open,
    .submit = sync_submit_but_ranges,
    .close = mmap_close,
};

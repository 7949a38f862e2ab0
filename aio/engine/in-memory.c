// SPDX-License-Identifier: MIT
/*
 * What linux-aio and io_uring are for images in memory, on a tmpfs. The kernel has no asynchronous
 * I/O there: io_submit(2) is done when it returns, at the price of two ordinary system calls, and
 * io_uring hands each request to a thread. So they are ordinary system calls, in the loop's thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "aio/engine/sync.h"
#include "aio/internal.h"

static void in_memory_close(struct engine *e)
{
    struct sync_engine *s = container_of(e, struct sync_engine, e);

    sync_destroy(s);
    free(s);
}

static const struct engine_ops in_memory = {
    .name = "in memory",
    .needs_file = true,
    .open = in_memory_open,
    .submit = sync_submit_but_ranges,
    .close = in_memory_close,
};

int in_memory_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                   struct engine **out, struct error *err)
{
    struct sync_engine *s = calloc(1, sizeof(*s));

    if (!s) {
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    sync_init(s, sync_system_call);
    s->e.ops = &in_memory;
    *out = &s->e;
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * What linux-aio and io_uring are for images in memory, on a tmpfs. The kernel has no asynchronous
 * I/O there: io_submit(2) is done when it returns, at the price of two ordinary system calls, and
 * io_uring hands each request to a thread. So they are ordinary system calls, in the loop's thread.
 */
#include "engine/in-memory.h"
#include "engine/sync.h"

static const struct engine_ops in_memory = {
    .name = "in memory",
    .offloads = true,
    .submit = sync_submit_but_ranges,
    .close = sync_close,
};

int in_memory_open(AioContext *ctx, const struct image *image, const struct engine_config *config,
                   struct engine **out, struct error *err)
{
    int r = sync_open(ctx, image, config, out, err);

    if (r == 0) {
        (*out)->ops = &in_memory;
    }
    return r;
}

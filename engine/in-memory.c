// SPDX-License-Identifier: MIT
/*
 * The engines linux-aio and io_uring on images in memory (tmpfs). The kernel has no asynchronous
 * I/O there: io_submit(2) completes the requests before it returns and costs as much as two read
 * system calls, and io_uring gives each request to a kernel thread. So both engines make blocking
 * system calls in the loop's thread.
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
    int ret = sync_open(ctx, image, config, out, err);

    if (ret == 0) {
        (*out)->ops = &in_memory;
    }
    return ret;
}

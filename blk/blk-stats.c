// SPDX-License-Identifier: MIT
/* The sum of the counters of several queues. */
#include "base/barrier.h"
#include "blk/blk-stats.h"

void blk_stats_add(struct virtio_blk_stats *to, const struct virtio_blk_stats *from)
{
    uint64_t *sum = (uint64_t *)to;
    const uint64_t *counter = (const uint64_t *)from;

    for (unsigned i = 0; i < sizeof(*to) / sizeof(*sum); i++) {
        sum[i] += load_relaxed(&counter[i]);
    }
}

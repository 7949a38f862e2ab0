// SPDX-License-Identifier: MIT
/* Log lines about a queue, limited in number. */
#include <stdarg.h>
#include <stdio.h>

#include "blk/blk-log.h"

void blk_log(struct blk_queue *q, uint64_t nr_before, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    if (!q->blk->log || nr_before >= BLK_LOG_MAX) {
        return;
    }
    n = snprintf(line, sizeof(line), "%s: ", q->name);
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof(line) - n, fmt, ap);
    va_end(ap);
    q->blk->log(q->blk->log_opaque, line);
}

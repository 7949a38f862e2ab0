// SPDX-License-Identifier: MIT
/*
 * Figures of the loop and of its handlers.
 *
 * The figures of a handler are in the handler, written by the owner only. When a handler is removed
 * they are added to those of earlier handlers of its name, so that the figures of a queue outlive a
 * reset and the end of the device. There are few names.
 */
#include <stdlib.h>
#include <string.h>

#include "aio/stats.h"
#include "aio/poll-set.h"

struct removed_handlers {
    struct list node; /* ctx->removed */
    struct aio_handler_info info;
};

void aio_count_loop_syscall(AioContext *ctx)
{
    stat_add(&ctx->stats.syscalls, 1);
}

void aio_count_syscall(struct aio_handler *h)
{
    stat_add(&h->stats.syscalls, 1);
    if (h->ctx) {
        aio_count_loop_syscall(h->ctx);
    }
}

static void add(struct aio_handler_stats *to, const struct aio_handler_stats *from)
{
    const uint64_t *f = (const uint64_t *)from;
    uint64_t *t = (uint64_t *)to;

    _Static_assert(sizeof(*to) % sizeof(*t) == 0, "only counters in struct aio_handler_stats");
    for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++) {
        t[i] += f[i];
    }
}

static struct removed_handlers *find_removed(AioContext *ctx, const char *name)
{
    struct list *at;

    list_for_each(at, &ctx->removed)
    {
        struct removed_handlers *p = list_entry(at, struct removed_handlers, node);

        if (!strncmp(p->info.name, name, sizeof(p->info.name) - 1)) {
            return p;
        }
    }
    return NULL;
}

void aio_stats_close(const struct aio_handler *h)
{
    AioContext *ctx = h->ctx;
    struct removed_handlers *p = find_removed(ctx, h->name);

    if (!p) {
        p = calloc(1, sizeof(*p));
        if (!p) {
            return; /* some figures are lost */
        }
        strncpy(p->info.name, h->name, sizeof(p->info.name) - 1);
        p->info.can_poll = h->ops->poll;
        list_add_tail(&ctx->removed, &p->node);
    }
    add(&p->info.stats, &h->stats);
}

void aio_stats_destroy(AioContext *ctx)
{
    while (!list_empty(&ctx->removed)) {
        struct removed_handlers *p = list_entry(ctx->removed.next, struct removed_handlers, node);

        list_del(&p->node);
        free(p);
    }
}

static bool has_name(const struct aio_handler_info *infos, unsigned nr, const char *name)
{
    for (unsigned i = 0; i < nr; i++) {
        if (!strncmp(infos[i].name, name, sizeof(infos[i].name) - 1)) {
            return true;
        }
    }
    return false;
}

unsigned aio_get_handlers(AioContext *ctx, struct aio_handler_info *out, unsigned max)
{
    unsigned n = 0;
    struct list *at;

    aio_assert_owner(ctx);
    list_for_each(at, &ctx->handlers)
    {
        const struct aio_handler *h = list_entry(at, struct aio_handler, node);
        const struct removed_handlers *p = find_removed(ctx, h->name);

        if (n == max) {
            break;
        }
        out[n] = (struct aio_handler_info){
            .live = true,
            .can_poll = h->ops->poll,
            .in_poll_set = aio_in_poll_set(h),
            .in_flight = h->source.in_flight ? *h->source.in_flight : 0,
            .stats = h->stats,
        };
        strncpy(out[n].name, h->name, sizeof(out[n].name) - 1);
        if (p && !has_name(out, n, h->name)) {
            add(&out[n].stats, &p->info.stats);
        }
        n++;
    }
    list_for_each(at, &ctx->removed)
    {
        const struct removed_handlers *p = list_entry(at, struct removed_handlers, node);

        if (n < max && !has_name(out, n, p->info.name)) {
            out[n++] = p->info;
        }
    }
    return n;
}

void aio_get_stats(AioContext *ctx, struct aio_stats *out)
{
    const uint64_t *from = (const uint64_t *)&ctx->stats;
    uint64_t *to = (uint64_t *)out;

    _Static_assert(sizeof(*out) % sizeof(*to) == 0, "only counters in struct aio_stats");
    for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++) {
        to[i] = load_relaxed(&from[i]);
    }
    out->notify_sent += load_relaxed(&ctx->notify_sent);
    out->notify_elided += load_relaxed(&ctx->notify_elided);
}

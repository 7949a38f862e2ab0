// SPDX-License-Identifier: MIT
/*
 * Requests in a trace file. Each becomes a flow arrow through the slices in which its stages
 * happened, and two bars of its own: from seen to interrupt, and inside it the time in the engine.
 *
 * The address identifies a request, and a later request may have the same address. Requests that
 * were seen before the first event of the ring are left out.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/engine-op.h"
#include "trace/chrome-json.h"

struct trace_request {
    uint64_t key; /* address of the request; 0: a free place */
    uint64_t queue;
    uint64_t number;       /* of the flow */
    const char *in_engine; /* name of the open inner bar, or NULL */
    bool open;
    bool used;
};

static struct trace_request *place_for(struct trace_request *requests, size_t room, uint64_t key)
{
    size_t i = (key >> 4) * 0x9e3779b97f4a7c15u & (room - 1);

    while (requests[i].key && requests[i].key != key) {
        i = (i + 1) & (room - 1);
    }
    return &requests[i];
}

static bool grow(struct trace_writer *w)
{
    size_t room = w->requests.room ? w->requests.room * 2 : 64;
    struct trace_request *more = calloc(room, sizeof(*more));
    struct trace_request **used = reallocarray(w->requests.used, room, sizeof(*used));

    w->requests.used = used ? used : w->requests.used;
    if (!more || !used) {
        free(more);
        w->requests.no_memory = true;
        return false;
    }
    for (size_t i = 0; i < w->requests.nr_used; i++) {
        used[i] = place_for(more, room, used[i]->key);
    }
    for (size_t i = 0; i < w->requests.room; i++) {
        if (w->requests.table[i].key) {
            *place_for(more, room, w->requests.table[i].key) = w->requests.table[i];
        }
    }
    free(w->requests.table);
    w->requests.table = more;
    w->requests.room = room;
    return true;
}

/* Return: the request if it was seen inside the trace, else NULL. */
static struct trace_request *open_request(struct trace_writer *w, uint64_t key)
{
    struct trace_request *r =
        w->requests.room ? place_for(w->requests.table, w->requests.room, key) : NULL;

    return r && r->open ? r : NULL;
}

static void put_flow(struct trace_writer *w, const char *phase, const struct trace_request *r,
                     uint64_t ns)
{
    trace_put_head(w, phase, "request", ns);
    fprintf(w->out, ",\"cat\":\"request\",\"id\":%" PRIu64 ",\"bp\":\"e\"}", r->number);
}

static void put_bar(struct trace_writer *w, const char *phase, const char *name,
                    const struct trace_request *r, const struct trace_entry *e)
{
    trace_put_head(w, phase, name, e->ns);
    fprintf(w->out, ",\"cat\":\"request\",\"id\":%" PRIu64, r->number);
    trace_put_args(w, e);
}

static void leave_engine(struct trace_writer *w, struct trace_request *r,
                         const struct trace_entry *e)
{
    if (r->in_engine) {
        put_bar(w, "e", r->in_engine, r, e);
        r->in_engine = NULL;
    }
}

static void close_request(struct trace_writer *w, struct trace_request *r,
                          const struct trace_entry *e)
{
    leave_engine(w, r, e);
    put_flow(w, "f", r, e->ns);
    put_bar(w, "e", "request", r, e);
    r->open = r->used = false;
}

static void request_seen(struct trace_writer *w, const struct trace_entry *e)
{
    struct trace_request *r;

    if (w->requests.nr * 2 >= w->requests.room && !grow(w)) {
        return;
    }
    r = place_for(w->requests.table, w->requests.room, e->args[1]);
    if (r->open && !r->used) {
        close_request(w, r, e); /* its queue broke */
    }
    if (r->open) {
        return;
    }
    w->requests.nr += !r->key;
    *r = (struct trace_request){
        .key = e->args[1], .queue = e->args[0], .number = (*w->next_request)++, .open = true};
    put_bar(w, "b", "request", r, e);
    put_flow(w, "s", r, e->ns);
}

static void request_submitted(struct trace_writer *w, const struct trace_entry *e)
{
    static const char *const names[] = {
        [ENGINE_READ] = "read",
        [ENGINE_WRITE] = "write",
        [ENGINE_FLUSH] = "flush",
        [ENGINE_DISCARD] = "discard",
        [ENGINE_WRITE_ZEROES] = "write zeroes",
    };
    struct trace_request *r = open_request(w, e->args[1]);

    if (r && !r->in_engine && e->args[2] < sizeof(names) / sizeof(names[0])) {
        r->in_engine = names[e->args[2]];
        put_bar(w, "b", r->in_engine, r, e);
        put_flow(w, "t", r, e->ns);
    }
}

static void request_completed(struct trace_writer *w, const struct trace_entry *e)
{
    struct trace_request *r = open_request(w, e->args[1]);

    if (r) {
        leave_engine(w, r, e);
        put_flow(w, "t", r, e->ns);
    }
}

static void request_used(struct trace_writer *w, const struct trace_entry *e)
{
    struct trace_request *r = open_request(w, e->args[1]);

    if (r && !r->used) {
        r->used = true;
        w->requests.used[w->requests.nr_used++] = r;
    }
}

/* All requests of the queue that were used end here. */
static void interrupt(struct trace_writer *w, const struct trace_entry *e)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->requests.nr_used; i++) {
        if (w->requests.used[i]->queue == e->args[0]) {
            close_request(w, w->requests.used[i], e);
        } else {
            w->requests.used[kept++] = w->requests.used[i];
        }
    }
    w->requests.nr_used = kept;
}

void trace_put_request(struct trace_writer *w, const struct trace_entry *e)
{
    switch (e->event) {
    case TRACE_request_seen:
        request_seen(w, e);
        break;
    case TRACE_request_submitted:
        request_submitted(w, e);
        break;
    case TRACE_request_completed:
        request_completed(w, e);
        break;
    case TRACE_request_used:
        request_used(w, e);
        break;
    default:
        interrupt(w, e);
        break;
    }
}

void trace_close_requests(struct trace_writer *w, const struct trace_entry *last)
{
    struct trace_requests *all = &w->requests;

    for (size_t i = 0; i < all->room; i++) {
        if (all->table[i].open) {
            close_request(w, &all->table[i], last);
        }
    }
    free(all->table);
    free(all->used);
}

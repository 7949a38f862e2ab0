// SPDX-License-Identifier: MIT
/*
 * Writing a trace as Chrome trace-event JSON.
 *
 * A track becomes a thread whose slices nest: slices that are open at the end of the ring
 * are closed there, and an end whose begin was overwritten is left out. The poll window becomes a
 * counter. The events of a track are written in the order of their times.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "trace/chrome-json.h"

static void put_instant(struct trace_writer *w, const struct trace_entry *e, const char *name)
{
    trace_put_head(w, "i", name, e->ns);
    fputs(",\"s\":\"t\"", w->out);
    trace_put_args(w, e);
}

static void put_metadata(struct trace_writer *w, const char *what, const char *key)
{
    fprintf(w->out, "%s\n{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"%s\",\"args\":{\"%s\":",
            w->first ? "" : ",", w->track->pid, w->tid, what, key);
    w->first = false;
}

static void put_thread(struct trace_writer *w)
{
    put_metadata(w, "process_name", "name");
    trace_put_text(w->out, w->track->group);
    fputs("}}", w->out);
    put_metadata(w, "thread_name", "name");
    trace_put_text(w->out, w->track->name);
    fputs("}}", w->out);
    put_metadata(w, "thread_sort_index", "sort_index");
    fprintf(w->out, "%u}}", w->tid);
}

/* Was something ready when this poll phase ended? */
static bool poll_hit(const struct trace_writer *w)
{
    for (uint64_t i = w->at + 1; i < w->nr_entries; i++) {
        if (w->entries[i].event == TRACE_run_poll_handlers_end) {
            return w->entries[i].args[1];
        }
    }
    return false;
}

static void begin(struct trace_writer *w, const struct trace_entry *e, const char *name)
{
    if (w->depth == TRACE_DEPTH_MAX) {
        return;
    }
    w->open[w->depth++] = e->event;
    trace_put_head(w, "B", name, e->ns);
    trace_put_args(w, e);
}

static void end(struct trace_writer *w, const struct trace_entry *e, enum trace_event begun)
{
    if (w->depth && w->open[w->depth - 1] == begun) {
        w->depth--;
        trace_put_head(w, "E", NULL, e->ns);
        trace_put_args(w, e);
    }
}

static void counter(struct trace_writer *w, const struct trace_entry *e)
{
    char name[64];

    snprintf(name, sizeof(name), "poll window of %s", w->track->name);
    trace_put_head(w, "C", name, e->ns);
    fprintf(w->out, ",\"args\":{\"ns\":%" PRIu64 "}}", e->args[2]);
}

static void put_entry(struct trace_writer *w, const struct trace_entry *e)
{
    switch ((enum trace_event)e->event) {
    case TRACE_run_poll_handlers_begin:
        begin(w, e, poll_hit(w) ? "poll: hit" : "poll: miss");
        break;
    case TRACE_run_poll_handlers_end:
        end(w, e, TRACE_run_poll_handlers_begin);
        break;
    case TRACE_poll_grow:
    case TRACE_poll_shrink:
        counter(w, e);
        break;
    case TRACE_poll_add:
    case TRACE_poll_remove:
        put_instant(w, e, trace_event_name(e->event));
        break;
    case TRACE_block_begin:
        begin(w, e, "blocked");
        break;
    case TRACE_block_end:
        end(w, e, TRACE_block_begin);
        break;
    case TRACE_notify:
        put_instant(w, e, e->args[1] ? "notify: sent" : "notify: elided");
        break;
    case TRACE_dispatch_begin:
        begin(w, e, (const char *)e->args[1]);
        break;
    case TRACE_dispatch_end:
        end(w, e, TRACE_dispatch_begin);
        break;
    case TRACE_bottom_halves_begin:
        begin(w, e, "bottom halves");
        break;
    case TRACE_bottom_halves_end:
        end(w, e, TRACE_bottom_halves_begin);
        break;
    case TRACE_end_of_turn_begin:
        begin(w, e, "end of turn");
        break;
    case TRACE_end_of_turn_end:
        end(w, e, TRACE_end_of_turn_begin);
        break;
    case TRACE_submit_begin:
        begin(w, e, "submit");
        break;
    case TRACE_submit_end:
        end(w, e, TRACE_submit_begin);
        break;
    case TRACE_request_seen:
    case TRACE_request_submitted:
    case TRACE_request_completed:
    case TRACE_request_used:
        trace_put_request(w, e);
        break;
    case TRACE_interrupt:
        put_instant(w, e, e->args[1] ? "interrupt" : "no interrupt wanted");
        trace_put_request(w, e);
        break;
    case TRACE_vcpu_entry:
        end(w, e, TRACE_vcpu_exit);
        begin(w, e, "guest");
        break;
    case TRACE_vcpu_exit:
        end(w, e, TRACE_vcpu_entry);
        begin(w, e, (const char *)e->args[1]);
        break;
    case TRACE_EVENTS_COUNT:
        break;
    }
}

/* The end of the ring: closes all open slices. */
static void close_all(struct trace_writer *w)
{
    struct trace_entry last = {.ns = w->entries[w->nr_entries - 1].ns,
                               .event = TRACE_bottom_halves_end};

    trace_close_requests(w, &last);
    while (w->depth) {
        end(w, &last, w->open[w->depth - 1]);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct trace_entry *x = a, *y = b;

    return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static uint64_t entries_kept(const struct trace_track *track)
{
    return track->count < track->mask + 1 ? track->count : track->mask + 1;
}

/* Return: the entries in order, or NULL if there are none or memory is out. */
static struct trace_entry *in_order(const struct trace_track *track)
{
    uint64_t n = entries_kept(track), first = track->count - n;
    struct trace_entry *copy = n ? malloc(n * sizeof(*copy)) : NULL;

    for (uint64_t i = 0; copy && i < n; i++) {
        copy[i] = track->ring[(first + i) & track->mask];
    }
    if (copy && track->shared) {
        qsort(copy, n, sizeof(*copy), by_time);
    }
    return copy;
}

static int put_track(struct trace_writer *w)
{
    struct trace_entry *entries = in_order(w->track);

    put_thread(w);
    w->nr_entries = entries_kept(w->track);
    if (!entries) {
        return w->nr_entries ? -ENOMEM : 0;
    }
    w->entries = entries;
    for (w->at = 0; w->at < w->nr_entries; w->at++) {
        put_entry(w, &entries[w->at]);
    }
    close_all(w);
    free(entries);
    return w->requests.no_memory ? -ENOMEM : 0;
}

static uint64_t first_ns(const struct trace *t)
{
    uint64_t first = UINT64_MAX;
    struct list *at;

    list_for_each(at, &t->tracks)
    {
        const struct trace_track *track = list_entry(at, struct trace_track, node);

        for (uint64_t i = 0; i < entries_kept(track); i++) {
            first = track->ring[i].ns < first ? track->ring[i].ns : first;
        }
    }
    return first;
}

int trace_write(const struct trace *t, FILE *out)
{
    uint64_t base = first_ns(t), next_request = 1, lost = 0;
    unsigned tid = 1;
    struct list *at;
    int r = 0;

    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out);
    list_for_each(at, &t->tracks)
    {
        struct trace_writer w = {
            .out = out,
            .track = list_entry(at, struct trace_track, node),
            .tid = tid,
            .base_ns = base,
            .first = tid == 1,
            .next_request = &next_request,
        };
        int one = put_track(&w);

        r = r < 0 ? r : one;
        lost += w.track->count - w.nr_entries;
        tid++;
    }
    fprintf(out, "\n],\"otherData\":{\"events_lost\":\"%" PRIu64 "\"}}\n", lost);
    return ferror(out) ? -EIO : r;
}

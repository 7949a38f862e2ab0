// SPDX-License-Identifier: MIT
/* Pieces of Chrome trace-event JSON. */
#include <inttypes.h>

#include "trace/chrome-json.h"

enum arg_kind { ARG_NONE, ARG_POINTER, ARG_TEXT, ARG_SIGNED, ARG_UNSIGNED, ARG_BOOL };

struct event_info {
    const char *name;
    const char *arg[4];
    enum arg_kind kind[4];
};

#define KIND(type)                                                                                 \
    _Generic((type)0,                                                                              \
        const void *: ARG_POINTER,                                                                 \
        const char *: ARG_TEXT,                                                                    \
        int: ARG_SIGNED,                                                                           \
        int64_t: ARG_SIGNED,                                                                       \
        unsigned: ARG_UNSIGNED,                                                                    \
        uint64_t: ARG_UNSIGNED,                                                                    \
        bool: ARG_BOOL)
#define INFO1(name, ta, a)        [TRACE_##name] = {#name, {#a}, {KIND(ta)}},
#define INFO2(name, ta, a, tb, b) [TRACE_##name] = {#name, {#a, #b}, {KIND(ta), KIND(tb)}},
#define INFO3(name, ta, a, tb, b, tc, c)                                                           \
    [TRACE_##name] = {#name, {#a, #b, #c}, {KIND(ta), KIND(tb), KIND(tc)}},
#define INFO4(name, ta, a, tb, b, tc, c, td, d)                                                    \
    [TRACE_##name] = {#name, {#a, #b, #c, #d}, {KIND(ta), KIND(tb), KIND(tc), KIND(td)}},

static const struct event_info events[] = {TRACE_EVENTS(INFO1, INFO2, INFO3, INFO4)};

const char *trace_event_name(unsigned event)
{
    return events[event].name;
}

void trace_put_text(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            fputc('\\', out);
        }
        if ((unsigned char)*s >= ' ') {
            fputc(*s, out);
        }
    }
    fputc('"', out);
}

void trace_put_head(struct trace_writer *w, const char *phase, const char *name, uint64_t ns)
{
    fprintf(w->out, "%s\n{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"ts\":%" PRIu64 ".%03u",
            w->first ? "" : ",", phase, w->track->pid, w->tid, (ns - w->base_ns) / 1000,
            (unsigned)((ns - w->base_ns) % 1000));
    w->first = false;
    if (name) {
        fputs(",\"name\":", w->out);
        trace_put_text(w->out, name);
    }
}

static void put_arg(FILE *out, enum arg_kind kind, uint64_t value)
{
    switch (kind) {
    case ARG_POINTER:
        fprintf(out, "\"0x%" PRIx64 "\"", value);
        break;
    case ARG_TEXT:
        trace_put_text(out, (const char *)value);
        break;
    case ARG_SIGNED:
        fprintf(out, (int64_t)value == INT64_MAX ? "\"none\"" : "%" PRId64, (int64_t)value);
        break;
    case ARG_BOOL:
        fputs(value ? "true" : "false", out);
        break;
    default:
        fprintf(out, "%" PRIu64, value);
        break;
    }
}

/* All but the loop's address. */
void trace_put_args(struct trace_writer *w, const struct trace_entry *e)
{
    const struct event_info *info = &events[e->event];
    bool any = false;

    fputs(",\"args\":{", w->out);
    for (unsigned i = info->kind[0] == ARG_POINTER; i < 4 && info->kind[i] != ARG_NONE; i++) {
        fprintf(w->out, "%s\"%s\":", any ? "," : "", info->arg[i]);
        put_arg(w->out, info->kind[i], e->args[i]);
        any = true;
    }
    fputs("}}", w->out);
}

// SPDX-License-Identifier: MIT
/*
 * Commands about I/O threads. Parameters are read and set without the thread, which may hang in the
 * kernel: what was set last is in force with its next turn. Only the account of polling comes from
 * the thread, which has 100 ms to answer, and 1 ms after it has not answered once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json-text.h"
#include "control/command.h"

#define ANSWER_NS       100000000
#define SILENT_AGAIN_NS 1000000

#define OBJECTS "/objects"

/* --- parameters --- */

static const struct property {
    const char *name;
    size_t offset, width; /* of a bool, uint32_t or uint64_t in struct poll_params */
    uint64_t max;
} properties[] = {
#define PROPERTY(label, member, limit)                                                             \
    {                                                                                              \
        .name = label, .offset = offsetof(struct poll_params, member),                             \
        .width = sizeof(((struct poll_params *)0)->member), .max = limit                           \
    }
    PROPERTY("poll-max-ns", max_ns, POLL_MAX_NS_LIMIT),
    PROPERTY("poll-grow", grow, POLL_FACTOR_LIMIT),
    PROPERTY("poll-shrink", shrink, POLL_FACTOR_LIMIT),
    PROPERTY("poll-weight", weight, POLL_WEIGHT_LIMIT),
    PROPERTY("poll-latency-weight", latency_weight, POLL_LATENCY_WEIGHT_LIMIT),
    PROPERTY("poll-cpu-max", cpu_max, POLL_CPU_MAX_LIMIT),
    PROPERTY("poll-contention", contention, 1),
#undef PROPERTY
};
#define NR_PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static const char policy_property[] = "poll-policy";

static bool is_switch(const struct property *p)
{
    return p->width == sizeof(bool);
}

static json_t *get(const struct poll_params *params, const struct property *p)
{
    const char *at = (const char *)params + p->offset;
    uint32_t narrow;
    uint64_t wide;

    if (is_switch(p)) {
        return json_boolean(*(const bool *)at);
    }
    if (p->width == sizeof(wide)) {
        memcpy(&wide, at, sizeof(wide));
        return json_integer((json_int_t)wide);
    }
    memcpy(&narrow, at, sizeof(narrow));
    return json_integer((json_int_t)narrow);
}

static void set(struct poll_params *params, const struct property *p, uint64_t value)
{
    char *at = (char *)params + p->offset;
    uint32_t narrow = (uint32_t)value;

    if (p->width == sizeof(value)) {
        memcpy(at, &value, sizeof(value));
    } else {
        memcpy(at, &narrow, sizeof(narrow));
    }
}

static const struct property *find_property(const char *name)
{
    for (unsigned i = 0; i < NR_PROPERTIES; i++) {
        if (!strcmp(properties[i].name, name)) {
            return &properties[i];
        }
    }
    return NULL;
}

static int no_property(const char *id, const char *name, struct error *err)
{
    return error_set(err, -EINVAL, "Property '%.40s.%.40s' not found", id, name);
}

static int set_policy(struct poll_params *params, const json_t *value, struct error *err)
{
    const char *name = json_string_value(value);
    const struct poll_policy_ops *policy;

    for (unsigned i = 0; name && (policy = poll_policy_at(i)); i++) {
        if (!strcmp(policy->name, name)) {
            params->policy = policy;
            return 0;
        }
    }
    return error_set(err, -EINVAL, "Parameter 'value' is not the name of a poll policy");
}

static int set_value(struct poll_params *params, const struct property *p, const json_t *value,
                     struct error *err)
{
    json_int_t n = json_integer_value(value);

    if (is_switch(p)) {
        if (!json_is_boolean(value)) {
            return error_set(err, -EINVAL, "'%s' takes true or false", p->name);
        }
        *(bool *)((char *)params + p->offset) = json_is_true(value);
        return 0;
    }
    if (!json_is_integer(value) || n < 0 || (uint64_t)n > p->max) {
        return error_set(err, -EINVAL, "'%s' takes an integer from 0 to %" PRIu64, p->name, p->max);
    }
    set(params, p, (uint64_t)n);
    return 0;
}

/* --- objects --- */

/* Return: the thread that @path names, or NULL and @err. */
static struct qmp_iothread *find_object(struct qmp_server *s, const char *path, struct error *err)
{
    const char *id = path + strlen(OBJECTS) + 1;

    if (!strncmp(path, OBJECTS "/", strlen(OBJECTS) + 1)) {
        for (unsigned i = 0; i < s->target.nr_iothreads; i++) {
            if (!strcmp(iothread_id(s->iothreads[i].io), id)) {
                return &s->iothreads[i];
            }
        }
    }
    error_set(err, -ENODEV, "Device '%.80s' not found", path);
    return NULL;
}

static void list(struct qmp_call *call, const char *name, const char *type)
{
    json_array_append_new(call->result, json_pack("{s:s,s:s}", "name", name, "type", type));
}

static int qom_list(struct qmp_call *call, struct error *err)
{
    struct qmp_server *s = call->server;
    const char *path = qmp_text(call, "path");
    bool root = !strcmp(path, "/"), objects = !strcmp(path, OBJECTS);

    if (!root && !objects && !find_object(s, path, err)) {
        return -ENODEV;
    }
    call->result = json_array();
    if (root) {
        list(call, &OBJECTS[1], "child<container>");
    } else if (objects) {
        for (unsigned i = 0; i < s->target.nr_iothreads; i++) {
            list(call, iothread_id(s->iothreads[i].io), "child<iothread>");
        }
    } else {
        list(call, policy_property, "str");
        for (unsigned i = 0; i < NR_PROPERTIES; i++) {
            list(call, properties[i].name, is_switch(&properties[i]) ? "bool" : "int");
        }
    }
    return 0;
}

static int qom_get(struct qmp_call *call, struct error *err)
{
    const char *name = qmp_text(call, "property");
    const struct qmp_iothread *io = find_object(call->server, qmp_text(call, "path"), err);
    const struct property *p = find_property(name);

    if (!io) {
        return -ENODEV;
    }
    if (p) {
        call->result = get(&io->poll, p);
    } else if (!strcmp(name, policy_property)) {
        call->result = json_string(io->poll.policy->name);
    } else {
        return no_property(iothread_id(io->io), name, err);
    }
    return 0;
}

static int qom_set(struct qmp_call *call, struct error *err)
{
    struct qmp_iothread *io = find_object(call->server, qmp_text(call, "path"), err);
    const json_t *value = json_object_get(call->args, "value");
    const char *name = qmp_text(call, "property");
    const struct property *p = find_property(name);
    struct poll_params params;
    int ret;

    if (!io) {
        return -ENODEV;
    }
    params = io->poll;
    if (p) {
        ret = set_value(&params, p, value, err);
    } else if (!strcmp(name, policy_property)) {
        ret = set_policy(&params, value, err);
    } else {
        ret = no_property(iothread_id(io->io), name, err);
    }
    if (ret < 0) {
        return ret;
    }
    ret = aio_set_poll_params(iothread_ctx(io->io), &params);
    if (ret < 0) {
        return error_set(err, ret, "out of memory");
    }
    io->poll = params;
    return 0;
}

static int query_iothreads(struct qmp_call *call, struct error *err)
{
    const struct qmp_server *s = call->server;

    call->result = json_array();
    for (unsigned i = 0; i < s->target.nr_iothreads; i++) {
        const struct qmp_iothread *io = &s->iothreads[i];
        json_t *entry = json_pack("{s:s,s:i,s:i,s:s}", "id", iothread_id(io->io), "thread-id",
                                  iothread_tid(io->io), "aio-max-batch",
                                  s->target.iothread_configs[i].max_batch, policy_property,
                                  io->poll.policy->name);

        for (unsigned j = 0; j < NR_PROPERTIES; j++) {
            json_object_set_new(entry, properties[j].name, get(&io->poll, &properties[j]));
        }
        json_array_append_new(call->result, entry);
    }
    return 0;
}

/* --- the account of polling --- */

static json_t *source(const struct aio_handler_info *h)
{
    const struct aio_handler_stats *stats = &h->stats;
    json_t *batches = json_array();

    for (unsigned i = 0; i < AIO_BATCH_BUCKETS; i++) {
        json_array_append_new(batches, json_integer((json_int_t)stats->batches[i]));
    }
    return json_pack("{s:o,s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "name", json_text(h->name),
                     "state",
                     !h->live         ? "gone"
                     : h->in_poll_set ? "polled"
                     : h->can_poll    ? "quiet"
                                      : "fd-only",
                     "in-flight", h->in_flight, "hits", (json_int_t)stats->hits, "misses",
                     (json_int_t)stats->misses, "wake-ups", (json_int_t)stats->wakeups, "polled-ns",
                     (json_int_t)stats->polled_ns, "blocked-ns", (json_int_t)stats->blocked_ns,
                     "system-calls", (json_int_t)stats->syscalls, "batches", batches);
}

static json_t *loop(const struct iothread_account *a)
{
    const struct aio_stats *s = &a->loop;

    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "time-ns",
                     (json_int_t)a->time_ns, "cpu-ns", (json_int_t)a->cpu_ns, "polled-ns",
                     (json_int_t)s->polled_ns, "hits", (json_int_t)s->poll_hits, "misses",
                     (json_int_t)s->poll_misses, "missed-ns", (json_int_t)s->missed_ns,
                     "blocked-ns", (json_int_t)s->blocked_ns, "blocks", (json_int_t)s->blocks,
                     "turns", (json_int_t)s->turns, "dispatches", (json_int_t)s->dispatches,
                     "system-calls", (json_int_t)s->syscalls, "window-ns", (json_int_t)s->window_ns,
                     "wake-ns", (json_int_t)a->wake_ns, "policy", json_text(a->policy));
}

static json_t *answered(const struct iothread_account *a)
{
    json_t *entry = loop(a), *sources = json_array();

    if (a->run_delay_known) {
        json_object_set_new(entry, "run-delay-ns", json_integer((json_int_t)a->run_delay_ns));
        json_object_set_new(entry, "starts", json_integer((json_int_t)a->starts));
    }
    json_object_set_new(entry, "trials", json_integer((json_int_t)a->loop.trials));
    for (unsigned i = 0; i < a->nr_handlers; i++) {
        json_array_append_new(sources, source(&a->handlers[i]));
    }
    json_object_set_new(entry, "sources", sources);
    return entry;
}

static json_t *polling(struct qmp_iothread *io, struct iothread_account *account)
{
    int ret = iothread_get_account(io->io, io->silent ? SILENT_AGAIN_NS : ANSWER_NS, account);
    const char *id = iothread_id(io->io);
    char error[IOTHREAD_ID_MAX + 32];
    json_t *entry;

    io->silent = ret < 0;
    snprintf(error, sizeof(error), "%s does not answer", id);
    entry = ret < 0 ? json_pack("{s:s}", "error", error) : answered(account);
    json_object_set_new(entry, "id", json_string(id));
    return entry;
}

static int query_polling(struct qmp_call *call, struct error *err)
{
    struct qmp_server *s = call->server;
    struct iothread_account *account = malloc(sizeof(*account));

    if (!account) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    call->result = json_array();
    for (unsigned i = 0; i < s->target.nr_iothreads; i++) {
        json_array_append_new(call->result, polling(&s->iothreads[i], account));
    }
    free(account);
    return 0;
}

const struct qmp_command qmp_iothread_commands[] = {
    {.name = "query-iothreads", .run = query_iothreads},
    {.name = "qom-list", .args = {{.name = "path"}}, .run = qom_list},
    {.name = "qom-get", .args = {{.name = "path"}, {.name = "property"}}, .run = qom_get},
    {.name = "qom-set",
     .args = {{.name = "path"}, {.name = "property"}, {.name = "value", .type = QMP_ANY}},
     .run = qom_set},
    {.name = "x-pollux-polling", .run = query_polling},
    {.name = NULL},
};

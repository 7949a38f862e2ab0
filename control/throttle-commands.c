// SPDX-License-Identifier: MIT
/* block_set_io_throttle: the limits of a disk (blk/throttle.h) by the names that QEMU gives them. */
#include <errno.h>
#include <stdio.h>

#include "blk/virtio-blk.h"
#include "control/command.h"

#define NAME_MAX_LEN 32

/* "iops-rd" is "iops_rd" in QMP. */
static void argument_name(char name[NAME_MAX_LEN], unsigned kind, const char *suffix)
{
    snprintf(name, NAME_MAX_LEN, "%s%s", throttle_kind_name(kind), suffix);
    for (char *at = name; *at; at++) {
        *at = *at == '-' ? '_' : *at;
    }
}

static int read_number(const struct qmp_call *call, const char *name, uint64_t *out,
                       struct error *err)
{
    json_int_t value = json_integer_value(json_object_get(call->args, name));

    if (value < 0) {
        return error_set(err, -EINVAL, "Parameter '%s' expects a number that is not negative",
                         name);
    }
    *out = (uint64_t)value;
    return 0;
}

static int read_rate(const struct qmp_call *call, unsigned kind, struct throttle_rate *rate,
                     struct error *err)
{
    const struct {
        const char *suffix;
        uint64_t *value;
    } parts[] = {{"", &rate->avg}, {"_max", &rate->max}, {"_max_length", &rate->max_length}};
    int ret = 0;

    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]) && ret == 0; i++) {
        char name[NAME_MAX_LEN];

        argument_name(name, kind, parts[i].suffix);
        ret = read_number(call, name, parts[i].value, err);
    }
    return ret;
}

static int set_io_throttle(struct qmp_call *call, struct error *err)
{
    struct throttle_limits limits = {.iops_size = 0};
    int i = qmp_find_disk(call, "device", "id", err);
    int ret = i < 0 ? i : read_number(call, "iops_size", &limits.iops_size, err);

    for (unsigned kind = 0; kind < THROTTLE_KINDS && ret == 0; kind++) {
        ret = read_rate(call, kind, &limits.rate[kind], err);
    }
    return ret < 0 ? ret : virtio_blk_set_limits(call->server->target.disks[i]->dev, &limits, err);
}

void qmp_add_limits(json_t *object, const struct throttle_limits *limits)
{
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        const struct throttle_rate *rate = &limits->rate[i];
        char name[NAME_MAX_LEN];

        argument_name(name, i, "");
        json_object_set_new(object, name, json_integer((json_int_t)rate->avg));
        if (rate->max) {
            argument_name(name, i, "_max");
            json_object_set_new(object, name, json_integer((json_int_t)rate->max));
            argument_name(name, i, "_max_length");
            json_object_set_new(object, name,
                                json_integer(rate->max_length ? (json_int_t)rate->max_length : 1));
        }
    }
    if (limits->iops_size) {
        json_object_set_new(object, "iops_size", json_integer((json_int_t)limits->iops_size));
    }
}

#define OPTIONAL(name_)                                                                            \
    {                                                                                              \
        .name = (name_), .type = QMP_INTEGER, .optional = true                                     \
    }
#define RATE(name_)                                                                                \
    {.name = (name_), .type = QMP_INTEGER}, OPTIONAL(name_ "_max"), OPTIONAL(name_ "_max_length")

const struct qmp_command qmp_throttle_commands[] = {
    {.name = "block_set_io_throttle",
     .args = {{.name = "device", .optional = true},
              {.name = "id", .optional = true},
              RATE("bps"),
              RATE("bps_rd"),
              RATE("bps_wr"),
              RATE("iops"),
              RATE("iops_rd"),
              RATE("iops_wr"),
              OPTIONAL("iops_size")},
     .run = set_io_throttle},
    {.name = NULL},
};

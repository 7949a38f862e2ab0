// SPDX-License-Identifier: MIT
/*
 * The commands of the control socket. A command is a row of a table: adding one is a function and
 * its row.
 */
#ifndef POLLUX_CONTROL_COMMAND_H
#define POLLUX_CONTROL_COMMAND_H

#include <jansson.h>

#include "base/error.h"
#include "blk/throttle.h"
#include "control/server-state.h"

struct qmp_call {
    struct qmp_server *server;
    struct qmp_client *client;
    const json_t *args; /* an object whose members have the types of the row */
    json_t *result;     /* set by the command; NULL: an empty object is returned */
};

#define QMP_ARGS_MAX 24

struct qmp_arg {
    const char *name;
    enum { QMP_STRING, QMP_INTEGER, QMP_LIST, QMP_ANY } type;
    bool optional;
};

struct qmp_command {
    const char *name;
    bool needs_guest; /* not there if the process runs no guest */
    struct qmp_arg args[QMP_ARGS_MAX];
    /* Return: 0, or -errno and @err; -ENODEV: there is no such object. */
    int (*run)(struct qmp_call *call, struct error *err);
};

/* Each ends with a NULL name. */
extern const struct qmp_command qmp_process_commands[];
extern const struct qmp_command qmp_guest_commands[];
extern const struct qmp_command qmp_iothread_commands[];
extern const struct qmp_command qmp_block_commands[];
extern const struct qmp_command qmp_throttle_commands[];

/**
 * qmp_command_at - command @i that the server has, of all tables; NULL past the last
 */
const struct qmp_command *qmp_command_at(const struct qmp_server *s, unsigned i);

/**
 * qmp_command_run - check a message and run its command
 * @result: set to a new reference, or NULL
 * Return: 0, or -errno and @err; -ENOSYS: there is no such command, or not now.
 */
int qmp_command_run(struct qmp_server *s, struct qmp_client *c, const json_t *message,
                    json_t **result, struct error *err);

/**
 * qmp_version - the version, as in the greeting. Return: a new reference, or NULL.
 */
json_t *qmp_version(const struct qmp_server *s);

/**
 * qmp_find_disk - the disk that one of the arguments @key and @other, both QMP_STRING, names
 * Return: its index in the target; or -ENODEV and @err: there is none; -EINVAL: not exactly one of
 *         the arguments is there.
 */
int qmp_find_disk(const struct qmp_call *call, const char *key, const char *other,
                  struct error *err);

/**
 * qmp_add_limits - the limits of a disk as members of @object
 */
void qmp_add_limits(json_t *object, const struct throttle_limits *limits);

/* qmp_text - an argument of the type QMP_STRING; NULL if it is missing */
static inline const char *qmp_text(const struct qmp_call *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

#endif

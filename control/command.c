// SPDX-License-Identifier: MIT
/* Messages are checked here, so that a command reads its arguments without doubt. */
#include <errno.h>
#include <string.h>

#include "control/command.h"

static const struct qmp_command *const tables[] = {
    qmp_process_commands, qmp_guest_commands,    qmp_iothread_commands,
    qmp_block_commands,   qmp_throttle_commands,
};

const struct qmp_command *qmp_command_at(const struct qmp_server *s, unsigned i)
{
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct qmp_command *cmd = tables[t]; cmd->name; cmd++) {
            if ((!cmd->needs_guest || s->target.guest) && i-- == 0) {
                return cmd;
            }
        }
    }
    return NULL;
}

static const struct qmp_command *find(const struct qmp_server *s, const char *name)
{
    const struct qmp_command *cmd;

    for (unsigned i = 0; (cmd = qmp_command_at(s, i)); i++) {
        if (!strcmp(cmd->name, name)) {
            break;
        }
    }
    return cmd;
}

/* Strings of a client are cut: an answer has room for the start of a line. */
static int check_message(const json_t *message, struct error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)message, key, value)
    {
        if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id")) {
            return error_set(err, -EINVAL, "QMP input member '%.40s' is unexpected", key);
        }
    }
    if (!json_is_string(json_object_get(message, "execute"))) {
        return error_set(err, -EINVAL, "QMP input lacks member 'execute', a string");
    }
    value = json_object_get(message, "arguments");
    if (value && !json_is_object(value)) {
        return error_set(err, -EINVAL, "QMP input member 'arguments' must be an object");
    }
    return 0;
}

static bool has_type(const json_t *value, const struct qmp_arg *arg)
{
    switch (arg->type) {
    case QMP_STRING:
        return json_is_string(value);
    case QMP_INTEGER:
        return json_is_integer(value);
    case QMP_LIST:
        return json_is_array(value);
    case QMP_ANY:
        break;
    }
    return true;
}

static const struct qmp_arg *find_arg(const struct qmp_command *cmd, const char *name)
{
    for (unsigned i = 0; i < QMP_ARGS_MAX && cmd->args[i].name; i++) {
        if (!strcmp(cmd->args[i].name, name)) {
            return &cmd->args[i];
        }
    }
    return NULL;
}

static int check_args(const struct qmp_command *cmd, const json_t *args, struct error *err)
{
    static const char *const types[] = {
        [QMP_STRING] = "string", [QMP_INTEGER] = "integer", [QMP_LIST] = "array"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)args, key, value)
    {
        const struct qmp_arg *arg = find_arg(cmd, key);

        if (!arg) {
            return error_set(err, -EINVAL, "Parameter '%.40s' is unexpected", key);
        }
        if (!has_type(value, arg)) {
            return error_set(err, -EINVAL, "Invalid parameter type for '%s', expected: %s", key,
                             types[arg->type]);
        }
    }
    for (unsigned i = 0; i < QMP_ARGS_MAX && cmd->args[i].name; i++) {
        if (!cmd->args[i].optional && !json_object_get(args, cmd->args[i].name)) {
            return error_set(err, -EINVAL, "Parameter '%s' is missing", cmd->args[i].name);
        }
    }
    return 0;
}

int qmp_command_run(struct qmp_server *s, struct qmp_client *c, const json_t *message,
                    json_t **result, struct error *err)
{
    struct qmp_call call = {
        .server = s, .client = c, .args = json_object_get(message, "arguments")};
    const struct qmp_command *cmd;
    const char *name;
    int ret = check_message(message, err);

    if (ret < 0) {
        return ret;
    }
    name = json_string_value(json_object_get(message, "execute"));
    if (!qmp_client_negotiated(c) && strcmp(name, "qmp_capabilities")) {
        return error_set(err, -ENOSYS,
                         "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    cmd = find(s, name);
    if (!cmd) {
        return error_set(err, -ENOSYS, "The command %.40s has not been found", name);
    }
    ret = check_args(cmd, call.args, err);
    if (ret == 0) {
        ret = cmd->run(&call, err);
    }
    *result = call.result;
    return ret;
}

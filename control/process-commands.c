// SPDX-License-Identifier: MIT
/* Commands about the connection and the process. */
#include <errno.h>

#include "control/command.h"

json_t *qmp_version(const struct qmp_server *s)
{
    const unsigned *v = s->target.version;

    /* Clients look for the name of QEMU's member, whoever answers. */
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "major", v[0], "minor", v[1], "micro", v[2],
                     "package", "pollux");
}

static int capabilities(struct qmp_call *call, struct error *err)
{
    if (qmp_client_negotiated(call->client)) {
        return error_set(err, -ENOSYS,
                         "Capabilities negotiation is already complete, command ignored");
    }
    if (json_array_size(json_object_get(call->args, "enable"))) {
        return error_set(err, -EINVAL, "there are no capabilities to enable");
    }
    qmp_client_negotiate(call->client);
    return 0;
}

static int query_version(struct qmp_call *call, struct error *err)
{
    call->result = qmp_version(call->server);
    return 0;
}

static int query_commands(struct qmp_call *call, struct error *err)
{
    const struct qmp_command *cmd;

    call->result = json_array();
    for (unsigned i = 0; (cmd = qmp_command_at(call->server, i)); i++) {
        json_array_append_new(call->result, json_pack("{s:s}", "name", cmd->name));
    }
    return 0;
}

/* A machine of Pollux has no name. */
static int query_name(struct qmp_call *call, struct error *err)
{
    return 0;
}

static int quit(struct qmp_call *call, struct error *err)
{
    call->server->target.quit(call->server->target.opaque);
    return 0;
}

const struct qmp_command qmp_process_commands[] = {
    {.name = "qmp_capabilities",
     .args = {{.name = "enable", .type = QMP_LIST, .optional = true}},
     .run = capabilities},
    {.name = "query-version", .run = query_version},
    {.name = "query-commands", .run = query_commands},
    {.name = "query-name", .run = query_name},
    {.name = "quit", .run = quit},
    {.name = NULL},
};

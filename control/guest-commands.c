// SPDX-License-Identifier: MIT
/* Commands about the guest of this process. */
#include <stdio.h>

#include "control/command.h"
#include "control/qmp.h"

static bool disk_holds(const struct qmp_target *t)
{
    for (unsigned i = 0; i < t->nr_disks; i++) {
        struct virtio_blk_stats stats;

        virtio_blk_get_stats(t->disks[i]->dev, &stats);
        if (stats.held) {
            return true;
        }
    }
    return false;
}

static int query_status(struct qmp_call *call, struct error *err)
{
    const struct qmp_target *t = &call->server->target;
    bool running = !t->guest->paused(t->opaque);

    call->result = json_pack("{s:b,s:b,s:s}", "running", running, "singlestep", false, "status",
                             running         ? "running"
                             : disk_holds(t) ? "io-error"
                                             : "paused");
    return 0;
}

static int query_kvm(struct qmp_call *call, struct error *err)
{
    call->result = json_pack("{s:b,s:b}", "enabled", true, "present", true);
    return 0;
}

static int query_cpus(struct qmp_call *call, struct error *err)
{
    const struct qmp_target *t = &call->server->target;

    call->result = json_array();
    for (unsigned i = 0; i < t->nr_cpus; i++) {
        char path[32];

        snprintf(path, sizeof(path), "/machine/cpu[%u]", i);
        json_array_append_new(call->result,
                              json_pack("{s:i,s:s,s:i,s:{s:i},s:s}", "cpu-index", i, "qom-path",
                                        path, "thread-id", t->guest->cpu_tid(t->opaque, i), "props",
                                        "core-id", i, "target", "x86_64"));
    }
    return 0;
}

static int stop(struct qmp_call *call, struct error *err)
{
    call->server->target.guest->pause(call->server->target.opaque);
    qmp_guest_changed(call->server);
    return 0;
}

static int cont(struct qmp_call *call, struct error *err)
{
    call->server->target.guest->resume(call->server->target.opaque);
    qmp_guest_changed(call->server);
    return 0;
}

static int powerdown(struct qmp_call *call, struct error *err)
{
    qmp_powerdown(call->server);
    return 0;
}

static int reset(struct qmp_call *call, struct error *err)
{
    call->server->target.guest->reset(call->server->target.opaque);
    return 0;
}

const struct qmp_command qmp_guest_commands[] = {
    {.name = "query-status", .needs_guest = true, .run = query_status},
    {.name = "query-kvm", .needs_guest = true, .run = query_kvm},
    {.name = "query-cpus-fast", .needs_guest = true, .run = query_cpus},
    {.name = "stop", .needs_guest = true, .run = stop},
    {.name = "cont", .needs_guest = true, .run = cont},
    {.name = "system_powerdown", .needs_guest = true, .run = powerdown},
    {.name = "system_reset", .needs_guest = true, .run = reset},
    {.name = NULL},
};

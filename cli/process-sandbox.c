// SPDX-License-Identifier: MIT
#include "cli/process-sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/sandbox.h"
#include "sandbox/user.h"

static bool is_served_by(const struct disk *d, const char *id)
{
    for (unsigned i = 0; i < VIRTIO_BLK_QUEUES_MAX && d->config->iothreads[i]; i++) {
        if (strcmp(d->config->iothreads[i], id) == 0) {
            return true;
        }
    }
    return false;
}

/* A connection with TLS takes more system calls, so it counts as another engine. */
static const char *engine_name(const struct disk *d)
{
    const char *uri = d->config->image.uri;

    return uri && strncmp(uri, "nbds", 4) == 0 ? "nbd tls" : disk_engine(d);
}

static void add_engine(struct sandbox_iothread *t, const char *name)
{
    for (unsigned i = 0; i < t->nr_engines; i++) {
        if (strcmp(t->engines[i], name) == 0) {
            return;
        }
    }
    t->engines[t->nr_engines++] = name;
}

static void plan_iothreads(struct sandbox_iothread *out, const struct process_sandbox *p)
{
    for (unsigned i = 0; i < p->nr_iothreads; i++) {
        out[i] = (struct sandbox_iothread){.id = p->configs[i].id, .fdmon = p->configs[i].fdmon};
        for (unsigned j = 0; j < p->nr_disks; j++) {
            if (p->disks[j] && is_served_by(p->disks[j], out[i].id)) {
                add_engine(&out[i], engine_name(p->disks[j]));
                if (p->disks[j]->config->faults.trigger) {
                    add_engine(&out[i], "faults");
                }
            }
        }
    }
}

static int confine_iothread(void *opaque)
{
    thread_confine(THREAD_IO, opaque);
    return 0;
}

int process_sandbox_enter(const struct sandbox_args *args, const struct process_sandbox *p,
                          struct error *err)
{
    struct sandbox_iothread *iothreads = calloc(p->nr_iothreads, sizeof(*iothreads));
    const char **uris = calloc(p->nr_disks + 1, sizeof(*uris));
    const char **removed = calloc(p->nr_sockets + 1, sizeof(*removed));
    struct sandbox_config config = {.mode = args->mode,
                                    .iothreads = iothreads,
                                    .nr_iothreads = p->nr_iothreads,
                                    .uris = uris,
                                    .removed = removed};
    int ret = 0;

    if (!iothreads || !uris || !removed) {
        ret = error_set(err, -ENOMEM, "out of memory for the sandbox");
        goto out;
    }
    plan_iothreads(iothreads, p);
    for (unsigned i = 0; i < p->nr_sockets; i++) {
        if (p->sockets[i]) {
            removed[config.nr_removed++] = p->sockets[i];
        }
    }
    for (unsigned i = 0; i < p->nr_disks; i++) {
        const struct disk *d = p->disks[i];

        if (d && d->config->image.rbd && args->mode != SANDBOX_OFF) {
            ret = error_set(err, -EINVAL,
                            "%s: the threads of librbd cannot be confined: --sandbox off",
                            d->config->name);
            goto out;
        }
        if (d && d->image.nbd) {
            uris[config.nr_uris++] = d->config->image.uri ? d->config->image.uri : "nbd+unix";
        }
        config.children |= d && d->image.helper;
    }
    if (args->user) {
        ret = user_drop_root(args->user, err);
    }
    if (ret == 0) {
        ret = sandbox_start(&config, err);
    }
    for (unsigned i = 0; i < p->nr_iothreads && ret == 0; i++) {
        iothread_call(p->iothreads[i], confine_iothread, (void *)p->configs[i].id);
    }
out:
    free(iothreads);
    free(uris);
    free(removed);
    return ret;
}

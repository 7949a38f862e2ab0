// SPDX-License-Identifier: MIT
/* The options of pollux vhost-user, and what they say about each other. */
#include <errno.h>
#include <string.h>

#include "cli/limit-options.h"
#include "cli/outputs.h"
#include "cli/qmp-socket.h"
#include "cli/trace-file.h"
#include "cli/vhost-options.h"

static void *new_iothread(void *config, struct error *err)
{
    return iothread_list_add(&((struct vhost_config_args *)config)->iothreads, err);
}

static void *new_disk(void *config, struct error *err)
{
    struct vhost_config_args *c = config;
    struct vhost_disk_args *d;

    if (c->nr_disks == VHOST_DISKS_MAX) {
        error_set(err, -EINVAL, "--disk: at most %d are possible", VHOST_DISKS_MAX);
        return NULL;
    }
    d = &c->disks[c->nr_disks++];
    *d = (struct vhost_disk_args){.socket_fd = VHOST_NO_FD, .socket_mode = 600};
    disk_args_init(&d->disk);
    return d;
}

static void *the_sandbox(void *config, struct error *err)
{
    return &((struct vhost_config_args *)config)->sandbox;
}

static const struct option_key socket_keys[] = {
    {.name = "socket",
     .metavar = "PATH",
     .help = "where front ends connect: a Unix socket",
     .more =
         "One front end at a time; the next one waits. A socket that is left from a process that "
         "has ended is replaced.",
     .min = 1,
     OPTION_AT(struct vhost_disk_args, socket)},
    {.name = "socket-fd",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "a listening socket that was inherited, as from systemd (then 3 is the first)",
     .max = 1 << 20,
     OPTION_AT(struct vhost_disk_args, socket_fd)},
    {.name = "socket-mode",
     .kind = OPTION_NUMBER,
     .metavar = "MODE",
     .help = "permissions of the socket, octal; default 600",
     .max = 777,
     OPTION_AT(struct vhost_disk_args, socket_mode)},
    {.name = NULL},
};

static const struct option_key qmp_keys[] = {
    {.name = "qmp", .metavar = "ADDRESS", .min = 1, OPTION_AT(struct vhost_config_args, qmp)},
    {.name = NULL},
};

static const struct option_key trace_keys[] = {
    {.name = "trace", .metavar = "FILE", .min = 1, OPTION_AT(struct vhost_config_args, trace)},
    {.name = NULL},
};

const struct option vhost_options[] = {
    {.name = "iothread",
     .help = IOTHREAD_OPTION_HELP,
     .keys = iothread_keys,
     .target = new_iothread},
    {.name = "disk",
     .help = "a disk and its socket; may be repeated",
     .keys = disk_keys,
     .more_keys = socket_keys,
     .target = new_disk},
    {.name = "stats",
     .help = "print figures of threads and disks at the end",
     .more = "Also whenever the process gets SIGUSR1.",
     .offset = offsetof(struct vhost_config_args, stats)},
    {.name = "qmp",
     .help = QMP_OPTION_HELP,
     .more = QMP_OPTION_MORE,
     .keys = qmp_keys,
     .plain = true},
    {.name = "sandbox",
     .help = SANDBOX_OPTION_HELP,
     .more = SANDBOX_OPTION_MORE,
     .keys = sandbox_keys,
     .plain = true,
     .target = the_sandbox},
    {.name = "user",
     .help = USER_OPTION_HELP,
     .more = USER_OPTION_MORE,
     .keys = user_keys,
     .plain = true,
     .target = the_sandbox},
    {.name = "trace", .help = TRACE_FILE_HELP, .keys = trace_keys, .plain = true},
    {.name = NULL},
};

/* Return: the mode that @digits mean as octal ones, or -EINVAL. */
static int octal(uint64_t digits)
{
    int mode = 0;

    for (uint64_t rest = digits, unit = 1; rest; rest /= 10, unit *= 8) {
        if (rest % 10 > 7) {
            return -EINVAL;
        }
        mode += (int)(rest % 10 * unit);
    }
    return mode;
}

static int check_socket(const struct vhost_config_args *c, unsigned i, struct error *err)
{
    const struct vhost_disk_args *d = &c->disks[i];

    if (!d->socket == (d->socket_fd == VHOST_NO_FD)) {
        return error_set(err, -EINVAL, "--disk: %s socket=PATH or socket-fd=N",
                         d->socket ? "there can be only one of" : "it needs");
    }
    if (d->disk.transport != DISK_TRANSPORT_DEFAULT) {
        return error_set(err, -EINVAL,
                         "--disk: transport is for pollux run; here the front end has it");
    }
    if (octal(d->socket_mode) < 0) {
        return error_set(err, -EINVAL, "--disk: socket-mode: %u is not octal",
                         (unsigned)d->socket_mode);
    }
    for (unsigned j = 0; j < i; j++) {
        const struct vhost_disk_args *o = &c->disks[j];

        if (d->socket ? o->socket && strcmp(o->socket, d->socket) == 0
                      : o->socket_fd == d->socket_fd) {
            return error_set(err, -EINVAL, "--disk: disk%u and disk%u have the same socket", j, i);
        }
    }
    return 0;
}

static int check_outputs(const struct vhost_config_args *c, struct error *err)
{
    const char *files[VHOST_DISKS_MAX];

    for (unsigned i = 0; i < c->nr_disks; i++) {
        files[i] = c->disks[i].disk.disk.image.path;
    }
    return outputs_check(c->trace, &c->iothreads, files, c->nr_disks, err);
}

int vhost_plan_init(struct vhost_plan *plan, const struct vhost_config_args *c, struct error *err)
{
    int ret = check_outputs(c, err);

    if (ret < 0) {
        return ret;
    }
    if (c->nr_disks == 0) {
        return error_set(
            err, -EINVAL,
            "--disk is missing: --disk file=FILE,socket=PATH; there is nothing to serve");
    }
    memset(plan, 0, sizeof(*plan));
    ret = iothread_list_plan(&c->iothreads, plan->iothreads, err);
    if (ret < 0) {
        return ret;
    }
    plan->nr_iothreads = (unsigned)ret;
    for (; plan->nr_disks < c->nr_disks; plan->nr_disks++) {
        unsigned i = plan->nr_disks;

        ret = disk_args_plan(&c->disks[i].disk, i, plan->iothreads, plan->nr_iothreads,
                             plan->names[i], &plan->disks[i], err);
        if (ret == 0) {
            ret = check_socket(c, i, err);
        }
        if (ret < 0) {
            return ret;
        }
        plan->modes[i] = (unsigned)octal(c->disks[i].socket_mode);
    }
    return limits_plan(plan->disks, plan->nr_disks, plan->throttle_groups, err);
}

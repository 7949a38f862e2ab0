// SPDX-License-Identifier: MIT
/* pollux vhost-user: disks for the virtual machines of other VMMs. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/account.h"
#include "cli/command.h"
#include "cli/ending.h"
#include "cli/main-loop.h"
#include "cli/process-sandbox.h"
#include "cli/qmp-socket.h"
#include "cli/stats.h"
#include "cli/trace-file.h"
#include "cli/vhost-options.h"
#include "base/listen.h"
#include "sandbox/config.h"
#include "vhost/server.h"

struct served_disk {
    struct disk disk;
    struct vhost_server *server;
    const char *path; /* of the socket that we have made; NULL: none */
    int listen_fd;
};

struct vhost_user {
    const struct command *cmd;
    struct vhost_config_args args;
    struct vhost_plan plan;
    struct trace_file trace;
    struct iothread_set iothreads;
    struct served_disk *disks;
    struct main_loop loop;
    struct qmp_socket qmp;
    struct disk *qmp_disks[VHOST_DISKS_MAX]; /* those of @disks */
    int signal;                              /* that ends the process, or 0 */
    bool done;
    int status; /* of the process */
};

static void log_line(void *opaque, const char *line)
{
    fprintf(stderr, "pollux: %s\n", line);
}

static void io_error(void *opaque, const struct blk_io_error *e)
{
    struct vhost_user *v = opaque;

    qmp_io_error(v->qmp.server, e);
}

static void requests_held(void *opaque, const char *why)
{
    fprintf(stderr, "pollux: requests wait: %s; kill -CONT %d tries them again\n", why, getpid());
}

static int open_sockets(struct vhost_user *v, struct error *err)
{
    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        const struct vhost_disk_args *a = &v->args.disks[i];
        struct served_disk *d = &v->disks[i];

        d->listen_fd = a->socket ? listen_at_path(a->socket, v->plan.modes[i], err)
                                 : listen_inherited((int)a->socket_fd, err);
        if (d->listen_fd < 0) {
            return error_prefix(err, d->listen_fd, "%s: ", v->plan.names[i]);
        }
        d->path = a->socket;
    }
    return 0;
}

/* --- the control socket --- */

static void quit(void *opaque)
{
    ((struct vhost_user *)opaque)->done = true;
}

static int resized(void *opaque, unsigned i, struct error *err)
{
    vhost_server_resize(((struct vhost_user *)opaque)->disks[i].server);
    return 0;
}

static int open_qmp(struct vhost_user *v, struct error *err)
{
    struct qmp_target target = {
        .iothreads = v->iothreads.threads,
        .iothread_configs = v->plan.iothreads,
        .nr_iothreads = v->iothreads.nr,
        .disks = v->qmp_disks,
        .nr_disks = v->plan.nr_disks,
        .quit = quit,
        .resized = resized,
        .opaque = v,
    };

    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        v->qmp_disks[i] = &v->disks[i].disk;
    }
    return qmp_socket_open(&v->qmp, v->args.qmp, v->loop.ctx, &target, err);
}

static void resize_disks(void *opaque)
{
    struct vhost_user *v = opaque;

    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        vhost_server_resize(v->disks[i].server);
    }
}

static int enter_sandbox(struct vhost_user *v, struct error *err)
{
    const char *sockets[VHOST_DISKS_MAX + 1];
    const struct process_sandbox p = {.configs = v->plan.iothreads,
                                      .iothreads = v->iothreads.threads,
                                      .nr_iothreads = v->iothreads.nr,
                                      .disks = v->qmp_disks,
                                      .nr_disks = v->plan.nr_disks,
                                      .sockets = sockets,
                                      .nr_sockets = v->plan.nr_disks + 1};

    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        sockets[i] = v->disks[i].path;
    }
    sockets[v->plan.nr_disks] = v->qmp.path;
    return process_sandbox_enter(&v->args.sandbox, &p, err);
}

/* Images before sockets: a front end that can connect finds a disk. */
static int open_all(struct vhost_user *v, struct error *err)
{
    const struct disk_log log = {.line = log_line, .io_error = io_error, .opaque = v};
    int ret = 0;

    v->disks = calloc(v->plan.nr_disks, sizeof(v->disks[0]));
    if (!v->disks) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        v->disks[i].listen_fd = -1;
    }
    main_loop_watch_images(&v->loop, v->plan.disks, v->plan.nr_disks, resize_disks);
    main_loop_set_up(&v->loop, true);
    for (unsigned i = 0; i < v->plan.nr_disks && ret == 0; i++) {
        ret = disk_open(&v->disks[i].disk, &v->plan.disks[i], &log, err);
    }
    main_loop_set_up(&v->loop, false);
    if (ret == 0) {
        ret = iothread_set_start(&v->iothreads, v->plan.iothreads, v->plan.nr_iothreads,
                                 v->trace.trace, err);
    }
    if (ret == 0) {
        ret = open_sockets(v, err);
    }
    for (unsigned i = 0; i < v->plan.nr_disks && ret == 0; i++) {
        struct served_disk *d = &v->disks[i];

        ret = vhost_server_new(v->plan.names[i], d->listen_fd, &log, &d->server, err);
        if (ret == 0) {
            ret = disk_make(&d->disk, &v->iothreads, vhost_server_memory(d->server), requests_held,
                            NULL, &log, err);
        }
    }
    if (ret == 0) {
        ret = open_qmp(v, err); /* before an I/O thread can report to it */
    }
    if (ret == 0) {
        ret = enter_sandbox(v, err);
    }
    for (unsigned i = 0; i < v->plan.nr_disks && ret == 0; i++) {
        ret = vhost_server_start(v->disks[i].server, &v->disks[i].disk, err);
    }
    return ret;
}

static void close_all(struct vhost_user *v)
{
    for (unsigned i = 0; v->disks && i < v->plan.nr_disks; i++) {
        vhost_server_ask_stop(v->disks[i].server);
    }
    for (unsigned i = 0; v->disks && i < v->plan.nr_disks; i++) {
        vhost_server_free(v->disks[i].server);
        disk_free_device(&v->disks[i].disk);
    }
    iothread_set_stop(&v->iothreads);
    for (unsigned i = 0; v->disks && i < v->plan.nr_disks; i++) {
        struct served_disk *d = &v->disks[i];

        if (d->path) {
            unlink(d->path);
        }
        if (d->listen_fd >= 0) {
            close(d->listen_fd);
        }
        disk_close(&d->disk);
    }
}

static void print_stats(struct vhost_user *v)
{
    for (unsigned i = 0; i < v->iothreads.nr; i++) {
        account_print(v->iothreads.threads[i], stderr);
    }
    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        stats_print_disk(v->plan.names[i], v->disks[i].disk.dev, stderr);
    }
}

static void on_signal(void *opaque, const struct signalfd_siginfo *info)
{
    struct vhost_user *v = opaque;
    int signo = (int)info->ssi_signo;

    for (unsigned i = 0; i < v->plan.nr_disks && signo == SIGCONT; i++) {
        virtio_blk_retry(v->disks[i].disk.dev);
    }
    if (signo == SIGHUP) {
        resize_disks(v);
    } else if (signo == SIGUSR1) {
        print_stats(v);
    } else if (signo == SIGINT || signo == SIGTERM) {
        v->signal = signo;
        v->done = true;
    }
}

static void serve(struct vhost_user *v)
{
    struct qmp_shutdown why = {.reason = "host-signal"};

    while (!v->done) {
        aio_poll(v->loop.ctx, true);
    }
    if (!v->signal) {
        why.reason = "host-qmp-quit";
    }
    qmp_socket_stop(&v->qmp, &why);
}

static void end_serving(void *opaque)
{
    struct vhost_user *v = opaque;
    struct error err = {.msg = ""};

    if (v->args.stats) {
        print_stats(v);
    }
    if (iothread_set_end_records(&v->iothreads, &err) < 0) {
        v->status = command_fail(v->cmd, err.msg);
    }
    close_all(v);
}

/* A thread hangs in the kernel. Writes that were acknowledged as durable are on the medium. */
static _Noreturn void give_up(struct vhost_user *v)
{
    struct error err = {.msg = ""};
    bool named = false;

    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        struct virtio_blk_stats stats;

        virtio_blk_get_stats(v->disks[i].disk.dev, &stats);
        if (stats.in_flight) {
            fprintf(stderr, "pollux: %s does not answer; %" PRIu64 " requests are given up\n",
                    v->plan.names[i], stats.in_flight);
            named = true;
        }
        if (v->disks[i].path) {
            unlink(v->disks[i].path);
        }
    }
    if (!named) {
        fprintf(stderr,
                "pollux: nothing is in flight, but a disk does not close; it is given up\n");
    }
    if (trace_file_write(&v->trace, &err) < 0) {
        command_fail(v->cmd, err.msg);
    }
    fflush(NULL);
    _exit(EXIT_STATUS_FAILURE);
}

static void print_sockets(const struct vhost_user *v)
{
    for (unsigned i = 0; i < v->plan.nr_disks; i++) {
        const struct image_config *image = &v->plan.disks[i].image;
        const char *place = image_place(image), *what = place ? place : "no file";

        if (v->disks[i].path) {
            printf("%s: %s at %s\n", v->plan.names[i], what, v->disks[i].path);
        } else {
            printf("%s: %s at descriptor %d\n", v->plan.names[i], what, v->disks[i].listen_fd);
        }
    }
    fflush(stdout);
}

static int vhost_user_main(const struct command *cmd, int argc, char **argv)
{
    struct vhost_user *v = calloc(1, sizeof(*v));
    char *storage = NULL;
    struct error err = {.msg = ""};
    int status;

    if (!v) {
        return command_fail(cmd, "out of memory");
    }
    v->cmd = cmd;
    v->qmp.fd = -1;
    v->args.sandbox.mode = SANDBOX_DEFAULT;
    status = command_parse(cmd, argc, argv, &v->args, &storage);
    if (status >= 0) {
        goto out;
    }
    if (vhost_plan_init(&v->plan, &v->args, &err) < 0 ||
        main_loop_open(&v->loop, on_signal, v, &err) < 0 ||
        trace_file_open(&v->trace, v->args.trace, TRACE_EVENTS_DEFAULT, &err) < 0 ||
        open_all(v, &err) < 0) {
        status = command_fail(cmd, err.msg);
        close_all(v);
    } else {
        print_sockets(v);
        thread_confine(THREAD_MAIN, NULL);
        serve(v);
        ending_request();
        ending_take_signals();
        pthread_sigmask(SIG_SETMASK, &v->loop.blocked, NULL);
        if (!ending_close(end_serving, v)) {
            give_up(v);
        }
        status = v->status;
    }
    if (trace_file_close(&v->trace, &err) < 0) {
        status = command_fail(cmd, err.msg);
    }
out:
    qmp_socket_close(&v->qmp);
    main_loop_close(&v->loop);
    free(v->disks);
    free(storage);
    free(v);
    return status;
}

const struct command command_vhost_user = {
    .name = "vhost-user",
    .summary = "serve disks to the virtual machines of other VMMs",
    .usage = "--disk file=FILE,socket=PATH [options]",
    .options = vhost_options,
    .notes =
        "signals:\n"
        "  SIGTERM and SIGINT end the process when what is in flight has completed; a second one\n"
        "  does not wait. Front ends that can reconnect go on with the next process.\n"
        "  SIGUSR1 prints the figures of --stats and goes on.\n"
        "  SIGHUP looks at the sizes of the images again and tells the guests.\n"
        "  SIGCONT tries again what waits for a full or failed disk (rerror, werror).\n"
        "\n"
        "exit status:\n"
        "  0  ended by SIGTERM, SIGINT or the command quit\n"
        "  1  wrong usage, something could not be set up, or a disk did not answer at the end\n"
        "\n"
        "example:\n"
        "  pollux vhost-user --iothread id=io0 \\\n"
        "      --disk file=disk.img,socket=/run/disk.sock,queues=4,iothread=io0\n"
        "  qemu-system-x86_64 -M q35,memory-backend=mem ... \\\n"
        "      -object memory-backend-memfd,id=mem,size=1G,share=on \\\n"
        "      -chardev socket,id=disk,path=/run/disk.sock,reconnect=1 \\\n"
        "      -device vhost-user-blk-pci,chardev=disk,num-queues=4\n",
    .main = vhost_user_main,
};

// SPDX-License-Identifier: MIT
/* pollux run: one machine from the command line to its end. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/ending.h"
#include "cli/main-loop.h"
#include "cli/process-sandbox.h"
#include "cli/qmp-socket.h"
#include "cli/run-options.h"
#include "cli/stats.h"
#include "cli/trace-file.h"
#include "kvm/cmdline.h"

#define WATCH_NS       1000000000 /* between two looks of the watchdog */
#define SILENT_WATCHES 5          /* of a guest's silence, then a hint */

struct run {
    const struct command *cmd;
    struct run_config config;
    struct run_plan plan;
    struct main_loop loop;
    struct trace_file trace;
    struct machine *machine;
    struct disk *disks[MACHINE_DISKS_MAX]; /* of @machine */
    struct iothread *iothreads[IOTHREADS_MAX];
    struct qmp_socket qmp;
    struct console console;
    struct aio_handler end;
    struct aio_timer watch;
    unsigned silent_watches;
    int signal;    /* that ended the machine, or 0 */
    bool qmp_quit; /* the command quit ended the machine */
    bool qmp_reset;
    bool done;
};

static void stop(struct run *r)
{
    ending_request();
    console_abandon(&r->console);
    machine_stop(r->machine, MACHINE_STOPPED);
}

static void user_quit(void *opaque)
{
    stop(opaque);
}

static void user_powerdown(void *opaque)
{
    struct run *r = opaque;

    if (r->qmp.server) {
        qmp_powerdown(r->qmp.server);
    } else {
        machine_powerdown(r->machine);
    }
}

static const struct console_ops console_ops = {.quit = user_quit, .powerdown = user_powerdown};

/* The terminal went away: by the kernel's word, or a shell that ends said so first. */
static bool hung_up(const struct signalfd_siginfo *info)
{
    return info->ssi_code == SI_KERNEL || (!isatty(STDIN_FILENO) && errno == EIO);
}

static void resize_disks(void *opaque)
{
    struct run *r = opaque;

    for (unsigned i = 0; i < r->plan.machine.nr_disks; i++) {
        const struct disk_config *disk = &r->plan.disks[i];
        struct error err = {""};
        int ret = machine_resize_disk(r->machine, i, image_place(&disk->image), &err);

        if (ret < 0) {
            fprintf(stderr, "pollux: %s: %s\n", disk->name, err.msg);
        } else if (ret > 0) {
            fprintf(stderr, "pollux: %s: %s has another size; the guest is told\n", disk->name,
                    image_place(&disk->image));
        }
    }
}

static void on_signal(void *opaque, const struct signalfd_siginfo *info)
{
    struct run *r = opaque;

    if (info->ssi_signo == SIGCONT) {
        console_continue(&r->console);
        machine_resume(r->machine);
        qmp_guest_changed(r->qmp.server);
        return;
    }
    if (info->ssi_signo == SIGHUP && !hung_up(info)) {
        resize_disks(r);
        return;
    }
    if (info->ssi_signo == SIGUSR1) {
        stats_print(r->machine, &r->plan.machine, stderr);
        return;
    }
    if (info->ssi_signo == SIGHUP && r->loop.ignores_hangup) {
        return;
    }
    r->signal = (int)info->ssi_signo;
    stop(r);
}

static void end_ready(void *opaque, int revents)
{
    struct run *r = opaque;

    r->done = true;
}

/* Linux is silent if nothing names its console: not an error, but a black screen to the user. */
static void watch_silence(struct run *r)
{
    if (r->silent_watches < SILENT_WATCHES && console_is_silent(&r->console) &&
        !cmdline_has(r->config.append, "console=ttyS0") && ++r->silent_watches == SILENT_WATCHES) {
        fprintf(stderr,
                "pollux: the guest has sent nothing to its serial port yet: Linux needs --append "
                "\"console=ttyS0\"%s\n",
                r->console.term.is_tty ? "; Ctrl-A x ends the machine" : "");
    }
}

static void watch(void *opaque)
{
    struct run *r = opaque;

    machine_watch(r->machine);
    console_check(&r->console);
    watch_silence(r);
    aio_timer_arm(&r->watch, aio_now(r->loop.ctx) + WATCH_NS);
}

static const struct aio_handler_ops end_ops = {.ready = end_ready};

static void console_out_cb(void *opaque, const void *data, size_t len)
{
    struct run *r = opaque;

    console_out(&r->console, data, len);
}

static void log_line(void *opaque, const char *line)
{
    fprintf(stderr, "pollux: %s\n", line);
}

static void paused(void *opaque, const char *why)
{
    struct run *r = opaque;

    fprintf(stderr, "pollux: paused: %s; kill -CONT %d goes on and tries again\n", why, getpid());
    qmp_guest_changed(r->qmp.server);
}

static void io_error(void *opaque, const struct blk_io_error *e)
{
    struct run *r = opaque;

    qmp_io_error(r->qmp.server, e);
}

static int open_machine(struct run *r, struct error *err)
{
    struct machine_config *config = &r->plan.machine;
    int ret;

    config->console_out = console_out_cb;
    config->log = log_line;
    config->paused = paused;
    config->io_error = io_error;
    config->opaque = r;
    config->trace = r->trace.trace;
    main_loop_watch_images(&r->loop, r->plan.disks, config->nr_disks, resize_disks);
    main_loop_set_up(&r->loop, true);
    ret = machine_new(config, &r->machine, err);
    main_loop_set_up(&r->loop, false);
    if (ret < 0) {
        return ret;
    }
    ret = aio_handler_add(r->loop.ctx, &r->end, machine_end_fd(r->machine), POLLIN, &end_ops, r,
                          "machine", NULL);
    return ret < 0 ? error_set(err, ret, "cannot watch the machine: %s", strerror(-ret)) : 0;
}

/* --- the control socket --- */

static void qmp_pause(void *opaque)
{
    machine_pause(((struct run *)opaque)->machine);
}

static void qmp_resume(void *opaque)
{
    machine_resume(((struct run *)opaque)->machine);
}

static bool qmp_paused(void *opaque)
{
    return machine_paused(((struct run *)opaque)->machine);
}

static void qmp_press_power(void *opaque)
{
    machine_powerdown(((struct run *)opaque)->machine);
}

static void qmp_reset(void *opaque)
{
    struct run *r = opaque;

    r->qmp_reset = true;
    machine_stop(r->machine, MACHINE_RESET);
}

static int qmp_cpu_tid(void *opaque, unsigned cpu)
{
    return machine_vcpu_tid(((struct run *)opaque)->machine, cpu);
}

static void qmp_quit(void *opaque)
{
    struct run *r = opaque;

    r->qmp_quit = true;
    stop(r);
}

static int qmp_resized(void *opaque, unsigned i, struct error *err)
{
    struct run *r = opaque;

    return machine_resize_disk(r->machine, i, r->plan.disks[i].name, err);
}

static int open_qmp(struct run *r, struct error *err)
{
    static const struct qmp_guest_ops guest = {.pause = qmp_pause,
                                               .resume = qmp_resume,
                                               .paused = qmp_paused,
                                               .powerdown = qmp_press_power,
                                               .reset = qmp_reset,
                                               .cpu_tid = qmp_cpu_tid};
    const struct machine_config *config = &r->plan.machine;
    struct qmp_target target = {.iothreads = r->iothreads,
                                .iothread_configs = config->iothreads,
                                .nr_iothreads = config->nr_iothreads,
                                .disks = r->disks,
                                .nr_disks = config->nr_disks,
                                .guest = &guest,
                                .nr_cpus = config->cpus,
                                .quit = qmp_quit,
                                .resized = qmp_resized,
                                .opaque = r};

    for (unsigned i = 0; i < config->nr_iothreads; i++) {
        r->iothreads[i] = machine_iothread(r->machine, i);
    }
    for (unsigned i = 0; i < config->nr_disks; i++) {
        r->disks[i] = machine_disk_parts(r->machine, i);
    }
    return qmp_socket_open(&r->qmp, r->config.qmp, r->loop.ctx, &target, err);
}

/* The reasons are those of QEMU's ShutdownCause. */
static void close_qmp(struct run *r, enum machine_end how)
{
    struct qmp_shutdown why = {.by_guest = true};

    switch (how) {
    case MACHINE_POWEROFF:
        why.reason = "guest-shutdown";
        break;
    case MACHINE_RESET:
        why.reset = true;
        why.by_guest = !r->qmp_reset;
        why.reason = r->qmp_reset ? "host-qmp-system-reset" : "guest-reset";
        break;
    case MACHINE_STOPPED:
        why.by_guest = false;
        why.reason = r->qmp_quit ? "host-qmp-quit" : r->signal ? "host-signal" : "host-ui";
        break;
    case MACHINE_TRIPLE_FAULT:
        why.reason = "guest-reset";
        break;
    default:
        why.by_guest = false;
        why.reason = "host-error";
        break;
    }
    qmp_socket_stop(&r->qmp, &why);
}

static int exit_status(const struct run *r, enum machine_end how)
{
    int status = how < MACHINE_TRIPLE_FAULT && load_relaxed(&r->console.out_closed)
                     ? command_fail(r->cmd, "cannot write to standard output")
                     : EXIT_STATUS_OK;

    switch (how) {
    case MACHINE_TRIPLE_FAULT:
        return EXIT_STATUS_TRIPLE_FAULT;
    case MACHINE_INTERNAL_ERROR:
        return EXIT_STATUS_INTERNAL_ERROR;
    case MACHINE_ENTRY_FAILURE:
        return EXIT_STATUS_ENTRY_FAILURE;
    case MACHINE_HOST_ERROR:
        return EXIT_STATUS_HOST_ERROR;
    case MACHINE_STOPPED:
        return status == EXIT_STATUS_OK && r->signal ? EXIT_STATUS_SIGNAL + r->signal : status;
    default:
        return status;
    }
}

static void close_machine(void *opaque)
{
    machine_wait(opaque, NULL, 0);
}

/* I/O threads first: the requests in flight of a thread that hangs are no news. */
static void name_what_hangs(struct run *r)
{
    static struct iothread_account account;
    const struct machine_config *config = &r->plan.machine;
    bool named = false;

    for (unsigned i = 0; i < config->nr_iothreads; i++) {
        struct iothread *io = machine_iothread(r->machine, i);

        if (iothread_get_account(io, WATCH_NS / 10, &account) < 0) {
            fprintf(stderr, "pollux: %s does not answer; its requests are given up\n",
                    iothread_id(io));
            named = true;
        }
    }
    for (unsigned i = 0; i < config->nr_disks && !named; i++) {
        struct virtio_blk_stats stats;

        virtio_blk_get_stats(machine_disk(r->machine, i), &stats);
        if (stats.in_flight) {
            fprintf(stderr, "pollux: %s does not answer; %" PRIu64 " requests are given up\n",
                    config->disks[i].name, stats.in_flight);
        }
    }
}

/*
 * The guest is stopped, but a thread hangs in the kernel, so nothing can be freed. Writes that were
 * acknowledged as durable are on the medium.
 */
static _Noreturn void give_up(struct run *r, int status)
{
    struct error err = {""};

    name_what_hangs(r);
    if (r->config.stats) {
        stats_print(r->machine, &r->plan.machine, stderr);
    }
    if (trace_file_write(&r->trace, &err) < 0) {
        status = command_fail(r->cmd, err.msg);
    }
    fflush(NULL);
    _exit(status);
}

/* The console is given back, and signals are seen again, before we wait for what is in flight. */
static int run_to_end(struct run *r)
{
    char message[4096] = "";
    struct error err = {.msg = ""};
    enum machine_end how;

    aio_timer_init(r->loop.ctx, &r->watch, watch, r);
    aio_timer_arm(&r->watch, aio_now(r->loop.ctx) + WATCH_NS);
    while (!r->done) {
        aio_poll(r->loop.ctx, true);
    }
    aio_timer_cancel(&r->watch);
    console_stop(&r->console);
    ending_take_signals();
    pthread_sigmask(SIG_SETMASK, &r->loop.blocked, NULL);
    how = machine_end(r->machine, message, sizeof(message));
    close_qmp(r, how);
    if (how >= MACHINE_TRIPLE_FAULT) {
        command_fail(r->cmd, message);
    }
    if (!ending_close(close_machine, r->machine)) {
        give_up(r, exit_status(r, how));
    }
    if (r->config.stats) {
        stats_print(r->machine, &r->plan.machine, stderr);
    }
    if (machine_end_records(r->machine, &err) < 0) {
        return command_fail(r->cmd, err.msg);
    }
    return exit_status(r, how);
}

static int enter_sandbox(struct run *r, struct error *err)
{
    const struct machine_config *config = &r->plan.machine;
    const struct process_sandbox p = {.configs = config->iothreads,
                                      .iothreads = r->iothreads,
                                      .nr_iothreads = config->nr_iothreads,
                                      .disks = r->disks,
                                      .nr_disks = config->nr_disks,
                                      .sockets = &r->qmp.path,
                                      .nr_sockets = 1};

    return process_sandbox_enter(&r->config.sandbox, &p, err);
}

static int start(struct run *r, struct error *err)
{
    int ret = console_start(&r->console, r->loop.ctx, &console_ops, r);

    if (ret < 0) {
        return error_set(err, ret, "cannot set up the console: %s", strerror(-ret));
    }
    console_attach(&r->console, r->machine);
    ret = enter_sandbox(r, err);
    if (ret == 0) {
        ret = machine_start(r->machine, err);
    }
    if (ret < 0) {
        console_stop(&r->console);
        console_destroy(&r->console);
    }
    thread_confine(THREAD_MAIN, NULL);
    return ret;
}

static void free_machine(void *opaque)
{
    machine_free(opaque);
}

/* An image on another machine may not close while its server does not answer. */
static void close_all(struct run *r, int status)
{
    struct error err = {""};

    qmp_socket_close(&r->qmp);
    if (r->machine) {
        aio_handler_remove(&r->end);
        if (!ending_close(free_machine, r->machine)) {
            fprintf(stderr, "pollux: a disk does not close; it is given up\n");
            if (trace_file_write(&r->trace, &err) < 0) {
                status = command_fail(r->cmd, err.msg);
            }
            fflush(NULL);
            _exit(status);
        }
    }
    main_loop_close(&r->loop);
}

static int run_main(const struct command *cmd, int argc, char **argv)
{
    struct run *r = calloc(1, sizeof(*r));
    char *storage = NULL;
    struct error err = {""};
    int status;

    if (!r) {
        return command_fail(cmd, "out of memory");
    }
    r->cmd = cmd;
    r->qmp.fd = -1;
    run_config_init(&r->config);
    status = command_parse(cmd, argc, argv, &r->config, &storage);
    if (status >= 0) {
        goto out;
    }
    status = EXIT_STATUS_FAILURE;
    if (run_plan_init(&r->plan, &r->config, &err) < 0 ||
        main_loop_open(&r->loop, on_signal, r, &err) < 0 ||
        trace_file_open(&r->trace, r->config.trace, TRACE_EVENTS_DEFAULT, &err) < 0 ||
        open_machine(r, &err) < 0 || open_qmp(r, &err) < 0 || start(r, &err) < 0) {
        command_fail(cmd, err.msg);
        goto out;
    }
    status = run_to_end(r);
    console_destroy(&r->console);
out:
    close_all(r, status);
    if (trace_file_close(&r->trace, &err) < 0) {
        status = command_fail(cmd, err.msg);
    }
    free(storage);
    free(r);
    return status;
}

const struct command command_run = {
    .name = "run",
    .summary = "boot a guest; its console is this terminal",
    .usage = "--kernel FILE [options]",
    .options = run_options,
    .notes =
        "console:\n"
        "  Ctrl-A p presses the power button, Ctrl-A x ends the machine, Ctrl-A h helps, Ctrl-A\n"
        "  Ctrl-A sends Ctrl-A.\n"
        "\n"
        "signals:\n"
        "  SIGUSR1 prints the figures of --stats and goes on.\n"
        "  SIGHUP looks at the sizes of the disks' images again and tells the guest; when the\n"
        "  terminal has gone away it ends the machine.\n"
        "  SIGCONT ends the pause that a failed disk has begun (rerror, werror).\n"
        "\n"
        "exit status:\n"
        "  0      the guest powered off or reset the machine, or Ctrl-A x\n"
        "  1      wrong usage, or something could not be set up\n"
        "  2      triple fault\n"
        "  3      KVM internal error\n"
        "  4      KVM could not enter the guest\n"
        "  5      the host failed to run a vCPU\n"
        "  128+N  ended by signal N (SIGINT, SIGTERM, or SIGHUP of a terminal that went away)\n"
        "\n"
        "example:\n"
        "  pollux run --kernel vmlinuz --initrd initrd.img --append console=ttyS0 \\\n"
        "      --cpus 2 --memory 1G --iothread id=io0,poll-cpu-max=50 \\\n"
        "      --disk file=disk.img,iothread=io0\n",
    .main = run_main,
};

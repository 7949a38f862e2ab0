// SPDX-License-Identifier: MIT
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/bus-error.h"
#include "cli/terminal.h"

#define CTRL_A 0x01

/*
 * What ends a process if nobody takes it. Left out: SIGKILL, which nobody can; those that a program
 * takes or ignores (SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE, SIGXFSZ); SIGPROF, which belongs to
 * profilers.
 */
static const int fatal_signals[] = {SIGABRT, SIGALRM, SIGBUS,  SIGFPE,    SIGILL,
                                    SIGIO,   SIGPWR,  SIGQUIT, SIGSEGV,   SIGSYS,
                                    SIGTRAP, SIGUSR2, SIGXCPU, SIGVTALRM, SIGSTKFLT};
#define NR_FATAL (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

/*
 * The state of the terminal that a handler of a fatal signal restores. A signal handler has no
 * argument for it, so it is static; all but @raw is written only while no handler is installed.
 */
static struct {
    int fd;
    volatile sig_atomic_t raw; /* else a background job would stop (SIGTTOU) */
    struct termios saved;
    struct sigaction old[NR_FATAL];
} emergency;

static bool in_foreground(int fd)
{
    return tcgetpgrp(fd) == getpgrp();
}

/* Then the signal goes where it would have gone: a sanitizer's report, a debugger, a core dump. */
static void restore_and_die(int sig, siginfo_t *info, void *context)
{
    if (sig == SIGBUS && bus_error_recover(info, context)) {
        return;
    }
    if (emergency.raw && in_foreground(emergency.fd)) {
        tcsetattr(emergency.fd, TCSANOW, &emergency.saved);
    }
    for (unsigned i = 0; i < NR_FATAL; i++) {
        if (fatal_signals[i] == sig) {
            sigaction(sig, &emergency.old[i], NULL);
        }
    }
    raise(sig);
}

static void make_raw(struct terminal *t)
{
    struct termios raw = t->saved;

    cfmakeraw(&raw);
    raw.c_oflag = t->saved.c_oflag; /* our own lines still end at column 0 */
    t->raw = tcsetattr(t->fd, TCSANOW, &raw) == 0;
    emergency.raw = t->raw;
}

void terminal_take(struct terminal *t, int fd)
{
    struct sigaction sa = {.sa_sigaction = restore_and_die, .sa_flags = SA_SIGINFO};

    *t = (struct terminal){.fd = fd, .is_tty = isatty(fd)};
    if (!t->is_tty || tcgetattr(fd, &t->saved) < 0) {
        return;
    }
    emergency.fd = fd;
    emergency.raw = false;
    emergency.saved = t->saved;
    for (unsigned i = 0; i < NR_FATAL; i++) {
        sigaction(fatal_signals[i], &sa, &emergency.old[i]);
        if (emergency.old[i].sa_handler == SIG_IGN) {
            sigaction(fatal_signals[i], &emergency.old[i], NULL);
        }
    }
    if (in_foreground(fd)) {
        make_raw(t);
    }
}

void terminal_continue(struct terminal *t)
{
    t->raw = false;
    if (t->is_tty && in_foreground(t->fd)) {
        make_raw(t);
    }
}

bool terminal_usable(const struct terminal *t)
{
    return !t->is_tty || in_foreground(t->fd);
}

void terminal_release(struct terminal *t)
{
    if (!t->is_tty) {
        return;
    }
    if (t->raw && in_foreground(t->fd)) {
        tcsetattr(t->fd, TCSANOW, &t->saved);
    }
    for (unsigned i = 0; i < NR_FATAL; i++) {
        sigaction(fatal_signals[i], &emergency.old[i], NULL);
    }
    *t = (struct terminal){.fd = t->fd};
}

enum terminal_command terminal_filter(struct terminal *t, char *buf, size_t *len)
{
    enum terminal_command command = TERMINAL_NONE;
    size_t kept = 0;

    if (!t->is_tty) {
        return TERMINAL_NONE;
    }
    for (size_t i = 0; i < *len; i++) {
        if (!t->escape) {
            t->escape = buf[i] == CTRL_A;
            if (!t->escape) {
                buf[kept++] = buf[i];
            }
            continue;
        }
        t->escape = false;
        switch (buf[i]) {
        case 'x':
            command = TERMINAL_QUIT;
            break;
        case 'p':
            command = TERMINAL_POWERDOWN;
            break;
        case 'h':
            command = TERMINAL_HELP;
            break;
        case CTRL_A:
            buf[kept++] = CTRL_A;
            break;
        }
    }
    *len = kept;
    return command;
}

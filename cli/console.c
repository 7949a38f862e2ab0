// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/barrier.h"
#include "cli/console.h"

/* A full FIFO of the serial port notifies the guest when it has room, not the console: it is tried
 * again. */
#define RETRY_NS  2000000
#define RETRY_MAX 500 /* failed attempts in a row */

#define ROOM_MS 1 /* between two writes to a terminal that has some room, but too little */

static const char help[] = "\n"
                           "Ctrl-A x      end the virtual machine\n"
                           "Ctrl-A p      press the power button\n"
                           "Ctrl-A h      this help\n"
                           "Ctrl-A Ctrl-A send Ctrl-A to the guest\n";

static void in_ready(void *opaque, int revents);

static const struct aio_handler_ops in_ops = {.ready = in_ready};

static void unwatch(struct console *c)
{
    if (c->watching) {
        aio_handler_remove(&c->in);
        c->watching = false;
    }
}

/* Without a machine, with bytes that do not fit, or as a background job: not now. */
static void watch(struct console *c)
{
    if (!c->watching && c->machine && c->len == 0 && terminal_usable(&c->term)) {
        c->watching = aio_handler_add(c->loop, &c->in, STDIN_FILENO, POLLIN, &in_ops, c, "console",
                                      NULL) == 0;
    }
}

static void offer(void *opaque)
{
    struct console *c = opaque;
    size_t taken = machine_console_in(c->machine, c->pending, c->len);

    c->len -= taken;
    memmove(c->pending, c->pending + taken, c->len);
    c->retries = taken ? 0 : c->retries + 1;
    /* A guest that has stopped reading must not keep Ctrl-A x from being seen. */
    if (c->term.is_tty && c->retries > RETRY_MAX) {
        c->len = 0;
    }
    if (c->len > 0) {
        unwatch(c);
        aio_timer_arm(&c->retry, aio_now(c->loop) + RETRY_NS);
    } else {
        watch(c);
    }
}

static void in_ready(void *opaque, int revents)
{
    struct console *c = opaque;
    ssize_t n;

    if (!terminal_usable(&c->term)) {
        unwatch(c);
        return;
    }
    n = read(STDIN_FILENO, c->pending, sizeof(c->pending));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (n <= 0) {
        unwatch(c); /* end of file: the guest goes on without */
        return;
    }
    c->len = (size_t)n;
    switch (terminal_filter(&c->term, c->pending, &c->len)) {
    case TERMINAL_QUIT:
        c->len = 0;
        c->ops->quit(c->opaque);
        return;
    case TERMINAL_POWERDOWN:
        c->ops->powerdown(c->opaque);
        break;
    case TERMINAL_HELP:
        fputs(help, stderr);
        break;
    case TERMINAL_NONE:
        break;
    }
    offer(c);
}

/*
 * POLLOUT promises room for one byte on a terminal, where a line feed may become two, and a pipe's
 * room may go to another writer: only a write with O_NONBLOCK never waits. The flag belongs to the
 * open file, which the shell shares, so the terminal or pipe is opened a second time.
 */
static int open_output(void)
{
    struct stat st;
    int fd = -1;

    if (isatty(STDOUT_FILENO) || (fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))) {
        fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    return fd < 0 ? STDOUT_FILENO : fd;
}

int console_start(struct console *c, AioContext *loop, const struct console_ops *ops, void *opaque)
{
    *c = (struct console){.loop = loop, .ops = ops, .opaque = opaque};
    c->abandon_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->abandon_fd < 0) {
        return -errno;
    }
    c->out_fd = open_output();
    aio_timer_init(loop, &c->retry, offer, c);
    terminal_take(&c->term, STDIN_FILENO);
    return 0;
}

void console_attach(struct console *c, struct machine *m)
{
    c->machine = m;
    watch(c);
}

void console_continue(struct console *c)
{
    terminal_continue(&c->term);
    watch(c);
}

void console_check(struct console *c)
{
    if (c->term.is_tty && !c->term.raw) {
        console_continue(c);
    }
}

void console_stop(struct console *c)
{
    unwatch(c);
    aio_timer_cancel(&c->retry);
    terminal_release(&c->term);
}

void console_destroy(struct console *c)
{
    if (c->out_fd != STDOUT_FILENO) {
        close(c->out_fd);
    }
    close(c->abandon_fd);
}

void console_abandon(struct console *c)
{
    eventfd_write(c->abandon_fd, 1);
}

/* Standard output may be a terminal that was stopped, or a pipe that is full. */
static bool wait_writable(struct console *c)
{
    struct pollfd fds[] = {
        {.fd = c->abandon_fd, .events = POLLIN},
        {.fd = c->out_fd, .events = POLLOUT},
    };

    do {
        poll(fds, 2, -1);
    } while (!fds[0].revents && !fds[1].revents);
    return fds[1].revents;
}

/*
 * POLLOUT is set, yet a line feed does not fit: poll() would return at once. Return: true if the
 * output is abandoned.
 */
static bool wait_for_room(struct console *c)
{
    struct pollfd pfd = {.fd = c->abandon_fd, .events = POLLIN};

    return poll(&pfd, 1, ROOM_MS) == 1;
}

bool console_is_silent(const struct console *c)
{
    return !load_relaxed(&c->out_seen) && isatty(STDOUT_FILENO);
}

void console_out(struct console *c, const void *data, size_t len)
{
    store_relaxed(&c->out_seen, true);
    while (len > 0 && !load_relaxed(&c->out_closed) && wait_writable(c)) {
        ssize_t n = write(c->out_fd, data, len < PIPE_BUF ? len : PIPE_BUF);

        if (n > 0) {
            data = (const char *)data + n;
            len -= (size_t)n;
        } else if (n == 0 || errno == EAGAIN) {
            if (wait_for_room(c)) {
                return;
            }
        } else if (errno != EINTR) {
            store_relaxed(&c->out_closed, true);
            machine_stop(c->machine, MACHINE_STOPPED);
        }
    }
}

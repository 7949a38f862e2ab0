// SPDX-License-Identifier: MIT
/*
 * The guest's console on standard input and output.
 *
 * Input is read in the caller's loop, as fast as the serial port takes it. Output is written by
 * the machine's thread that has it.
 */
#ifndef POLLUX_CLI_CONSOLE_H
#define POLLUX_CLI_CONSOLE_H

#include "aio/aio.h"
#include "cli/terminal.h"
#include "kvm/machine.h"

/* What the user typed. Context: owner of the loop. */
struct console_ops {
    void (*quit)(void *opaque);      /* Ctrl-A x */
    void (*powerdown)(void *opaque); /* Ctrl-A p */
};

struct console {
    AioContext *loop;
    struct machine *machine;
    struct terminal term;
    struct aio_handler in;
    bool watching;
    struct aio_timer retry; /* armed while @pending waits for room in the serial port */
    char pending[4096];
    size_t len;
    unsigned retries; /* since the serial port took something */
    int abandon_fd;   /* eventfd, readable when output need not be waited for any more */
    int out_fd;       /* standard output, opened again with O_NONBLOCK where possible */
    bool out_closed;  /* nobody reads standard output any more; set by the writing thread */
    bool out_seen;    /* the guest has sent something; set by the writing thread */
    const struct console_ops *ops;
    void *opaque;
};

/**
 * console_start - take the terminal and begin to read
 * @c:    memory of the caller until console_stop(); @c->machine is set later, by console_attach()
 * Context: owner of @loop.
 * Return: 0 or -errno; then nothing happened.
 */
int console_start(struct console *c, AioContext *loop, const struct console_ops *ops, void *opaque);
void console_attach(struct console *c, struct machine *m);

/**
 * console_stop - stop reading and put the terminal back; output goes on
 */
void console_stop(struct console *c);

/**
 * console_destroy - after console_stop() and the machine's end
 */
void console_destroy(struct console *c);

/**
 * console_abandon - the user wants the end: what standard output does not take now is dropped
 */
void console_abandon(struct console *c);

/**
 * console_continue - after SIGCONT
 */
void console_continue(struct console *c);

/**
 * console_check - now and then: a shell that brings a running job to the foreground sends nothing
 */
void console_check(struct console *c);

/**
 * console_is_silent - has the guest sent nothing so far, while a person waits for it?
 * Standard output that is no terminal has nobody who waits.
 */
bool console_is_silent(const struct console *c);

/**
 * console_out - what a guest sends, to standard output
 * Ends the machine if nobody reads it any more.
 * Context: one thread of the machine.
 */
void console_out(struct console *c, const void *data, size_t len);

#endif

// SPDX-License-Identifier: MIT
/*
 * The terminal on standard input while a guest has it: raw, so that every key reaches the guest,
 * but for the escapes that begin with Ctrl-A.
 *
 * It is put back on every way out: terminal_release(), and the signals that end a process. Without
 * a terminal everything here passes bytes through unchanged.
 */
#ifndef POLLUX_CLI_TERMINAL_H
#define POLLUX_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

enum terminal_command {
    TERMINAL_NONE,
    TERMINAL_QUIT,      /* Ctrl-A x */
    TERMINAL_POWERDOWN, /* Ctrl-A p */
    TERMINAL_HELP,      /* Ctrl-A h */
};

struct terminal {
    int fd;
    bool is_tty;
    bool raw;
    bool escape; /* Ctrl-A was the last byte */
    struct termios saved;
};

/**
 * terminal_take - if @fd is a terminal, and the process is in its foreground, make it raw
 * One at a time in a process. terminal_release() undoes it.
 */
void terminal_take(struct terminal *t, int fd);
void terminal_release(struct terminal *t);

/**
 * terminal_continue - after SIGCONT: make the terminal raw again, if the process is in its foreground
 */
void terminal_continue(struct terminal *t);

/**
 * terminal_usable - may it be read? Not by a background job, which the kernel would stop
 */
bool terminal_usable(const struct terminal *t);

/**
 * terminal_filter - take the escapes out of typed bytes, in place
 * @len: in: bytes in @buf; out: bytes for the guest
 * Return: the last command among them.
 */
enum terminal_command terminal_filter(struct terminal *t, char *buf, size_t *len);

#endif

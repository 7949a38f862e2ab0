// SPDX-License-Identifier: MIT
/*
 * Images of other formats than raw: qemu-nbd, which has the code for them, runs as a child process and
 * serves the image on a socket that nobody else can reach: its name is removed before qemu-nbd starts,
 * and Pollux connects through /proc/self/fd.
 */
#ifndef POLLUX_ENGINE_FORMAT_HELPER_H
#define POLLUX_ENGINE_FORMAT_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct format_helper {
    pid_t pid;     /* 0: it has ended, and was waited for */
    int log_fd;    /* what it says */
    int socket_fd; /* O_PATH, of the listening socket, which has no name any more */
    char uri[64];  /* for export_open() in this process */
};

struct format_helper_config {
    const char *path;
    const char *format; /* as qemu-nbd -f takes it */
    bool readonly;
    bool direct, writethrough;
    bool discard; /* discards free blocks of the image */
};

/**
 * helper_start - start qemu-nbd
 * It has its socket from the beginning, so a connection waits until qemu-nbd has opened the image. It
 * ends with the calling thread.
 * Context: a thread that lives as long as the image is used.
 * Return: 0; or -errno and @err. helper_stop() releases. A program that is missing, or does not
 *         take the image, is seen when the connection ends: helper_last_line() says why.
 */
int helper_start(struct format_helper *h, const struct format_helper_config *config,
                 struct error *err);

/* helper_stop - end qemu-nbd, and wait until it has closed the image */
void helper_stop(struct format_helper *h);
void helper_destroy(struct format_helper *h);

/* helper_has_ended - Context: any thread. */
bool helper_has_ended(const struct format_helper *h);

/* helper_last_line - the last line of what it said; "" if it was silent. Context: any thread. */
void helper_last_line(const struct format_helper *h, char *line, size_t size);

#endif

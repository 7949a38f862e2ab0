// SPDX-License-Identifier: MIT
/* The loop of the main thread, which gets the signals of the process. It never polls. */
#ifndef POLLUX_CLI_MAIN_LOOP_H
#define POLLUX_CLI_MAIN_LOOP_H

#include <signal.h>
#include <sys/signalfd.h>

#include "aio/aio.h"
#include "blk/disk.h"

struct main_loop {
    AioContext *ctx;
    struct aio_handler handler;
    int signal_fd;
    bool ignores_hangup; /* SIGHUP was ignored at start, as by nohup(1) */
    sigset_t blocked;    /* the mask at start */
    void (*signal)(void *opaque, const struct signalfd_siginfo *info);
    void (*images_changed)(void *opaque);
    struct aio_bh images;
    void *opaque;
};

/**
 * main_loop_open - block signals and watch them: SIGINT and SIGTERM unless they are ignored, SIGHUP,
 * SIGCONT and SIGUSR1
 * To be called before any thread is made, so that all of them leave these signals to the loop.
 * SIGPIPE is ignored.
 * @signal: called in the loop for each of them
 * Return: 0, or -errno and @err; then the signals stay blocked, and nothing else has to be released.
 */
int main_loop_open(struct main_loop *l,
                   void (*signal)(void *opaque, const struct signalfd_siginfo *info), void *opaque,
                   struct error *err);

/**
 * main_loop_watch_images - have servers of disk images say that an image has another size
 * @changed: called in the loop, with the opaque of main_loop_open()
 * To be called before the images are opened. They are closed before main_loop_close().
 */
void main_loop_watch_images(struct main_loop *l, struct disk_config *disks, unsigned nr,
                            void (*changed)(void *opaque));

/**
 * main_loop_set_up - until @on is false, SIGINT and SIGTERM end the process at once
 * For a set-up that may have to wait for a server, and leaves nothing behind.
 */
void main_loop_set_up(const struct main_loop *l, bool on);

/**
 * main_loop_close - free the loop. A loop that is all zeroes is allowed.
 */
void main_loop_close(struct main_loop *l);

#endif

// SPDX-License-Identifier: MIT
/* The sandbox of a process that serves disks, from its I/O threads, disks and sockets. */
#ifndef POLLUX_CLI_PROCESS_SANDBOX_H
#define POLLUX_CLI_PROCESS_SANDBOX_H

#include "base/thread-guard.h"
#include "blk/disk.h"
#include "cli/sandbox-options.h"

struct process_sandbox {
    const struct iothread_config *configs;
    struct iothread *const *iothreads; /* as @configs */
    unsigned nr_iothreads;
    struct disk *const *disks; /* NULL: not virtio-blk */
    unsigned nr_disks;
    const char *const *sockets; /* their paths, which are removed at the end */
    unsigned nr_sockets;
};

/**
 * process_sandbox_enter - drop root if --user says so, and begin the sandbox
 * I/O threads are confined when this returns, threads that start later are confined as they start,
 * and the main thread is by thread_confine(THREAD_MAIN, NULL).
 * Context: the main thread, when all is open, before it makes threads that serve a guest.
 * Return: 0, or -errno and @err.
 */
int process_sandbox_enter(const struct sandbox_args *args, const struct process_sandbox *p,
                          struct error *err);

#endif

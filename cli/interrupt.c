// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/interrupt.h"

bool interrupt_ignored(int sig)
{
    struct sigaction sa;

    return sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

void interrupt_add(sigset_t *set, int sig)
{
    if (!interrupt_ignored(sig)) {
        sigaddset(set, sig);
    }
}

int interrupt_watch(struct error *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    interrupt_add(&set, SIGINT);
    interrupt_add(&set, SIGTERM);
    interrupt_add(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? error_set(err, -errno, "cannot watch signals: %s", strerror(errno)) : fd;
}

int interrupt_status(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof(info)) == sizeof(info) ? EXIT_STATUS_SIGNAL + (int)info.ssi_signo
                                                         : EXIT_STATUS_FAILURE;
}

// SPDX-License-Identifier: MIT
/* A process has one handler for SIGBUS, which all functions that recover from SIGBUS share. */
#include <errno.h>
#include <pthread.h>

#include "base/barrier.h"
#include "base/bus-error.h"

#define RECOVER_MAX 4

static bus_error_recover_fn *recoverers[RECOVER_MAX];
static struct sigaction before;
static bool installed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_fault(const siginfo_t *info)
{
    return info->si_code > 0;
}

bool bus_error_recover(const siginfo_t *info, void *context)
{
    for (unsigned i = 0; i < RECOVER_MAX && is_fault(info); i++) {
        bus_error_recover_fn *fn = load_acquire(&recoverers[i]);

        if (fn && fn(info, context)) {
            return true;
        }
    }
    return false;
}

/* The kernel does not let a fault be ignored. */
static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    if (bus_error_recover(info, context) || (!is_fault(info) && before.sa_handler == SIG_IGN)) {
        return;
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(sig, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(sig);
    } else {
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

static int add(bus_error_recover_fn *fn)
{
    for (unsigned i = 0; i < RECOVER_MAX; i++) {
        if (recoverers[i] == fn) {
            return 0;
        }
        if (!recoverers[i]) {
            store_release(&recoverers[i], fn);
            return 0;
        }
    }
    return -ENOSPC;
}

int bus_error_catch(bus_error_recover_fn *fn)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    int ret = 0;

    pthread_mutex_lock(&lock);
    if (!installed) {
        ret = sigaction(SIGBUS, &action, &before) < 0 ? -errno : 0;
        installed = ret == 0;
    }
    if (ret == 0) {
        ret = add(fn);
    }
    pthread_mutex_unlock(&lock);
    return ret;
}

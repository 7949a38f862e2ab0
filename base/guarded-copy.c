// SPDX-License-Identifier: MIT
/*
 * The copy is one instruction, which counts down what is left in a register, so a fault needs no
 * more than to go on after it. Where that instruction is, and what follows it, stands in a table
 * that the linker gathers; as in the kernel's exception tables, addresses are relative to their own
 * place.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/guarded-copy.h"

struct fixup {
    int32_t at, next;
};

extern const struct fixup __start_guarded_copies[], __stop_guarded_copies[];

size_t guarded_copy(void *to, const void *from, size_t n)
{
    __asm__ volatile("1: rep movsb\n"
                     "2:\n"
                     ".pushsection guarded_copies, \"a\"\n"
                     "3: .long 1b - 3b\n"
                     "4: .long 2b - 4b\n"
                     ".popsection\n"
                     : "+D"(to), "+S"(from), "+c"(n)
                     :
                     : "memory");
    return n;
}

bool guarded_copy_recover(void *context)
{
    greg_t *ip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    for (const struct fixup *f = __start_guarded_copies; f < __stop_guarded_copies; f++) {
        if (*ip == (greg_t)&f->at + f->at) {
            *ip = (greg_t)&f->next + f->next;
            return true;
        }
    }
    return false;
}

/* A handler is the process's, and so is what it falls back to. */
static struct sigaction before;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int install_result;

/* A fault can't be ignored; the kernel does not let it be, either. */
static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0;

    if (guarded_copy_recover(context) || (sent && before.sa_handler == SIG_IGN)) {
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

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

    install_result = sigaction(SIGBUS, &action, &before) < 0 ? -errno : 0;
}

int guarded_copy_install(void)
{
    pthread_once(&once, install);
    return install_result;
}

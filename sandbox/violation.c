// SPDX-License-Identifier: MIT
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/violation.h"

#define CALL_NUMBERS 512
#define NAME_MAX_LEN 24
#define NO_CALL      0x3fffffff /* in no set */

/* Of the process, as its handler is: libseccomp's own look-up is not for a signal handler. */
static char names[CALL_NUMBERS][NAME_MAX_LEN];
static _Thread_local char thread_name[48];

static char *append(char *to, const char *end, const char *text)
{
    while (*text && to < end) {
        *to++ = *text++;
    }
    return to;
}

static char *append_number(char *to, const char *end, unsigned n)
{
    char digits[12], *at = &digits[sizeof(digits) - 1];

    *at = '\0';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return append(to, end, at);
}

/* The kernel kills the process at the second forbidden call, as SIGSYS is blocked here. */
static void on_violation(int sig, siginfo_t *info, void *context)
{
    char line[160], *to = line;
    const char *end = line + sizeof(line) - 1;
    unsigned nr = (unsigned)info->si_syscall;

    to = append(to, end, "pollux: sandbox: ");
    to = append(to, end, thread_name[0] ? thread_name : "a thread");
    to = append(to, end, " may not call ");
    to = append(to, end, nr < CALL_NUMBERS && names[nr][0] ? names[nr] : "system call");
    to = append(to, end, " (");
    to = append_number(to, end, nr);
    to = append(to, end, ")");
    *to++ = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)(to - line));
    syscall(NO_CALL);
}

int violation_catch(struct error *err)
{
    struct sigaction action = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};

    for (int i = 0; i < CALL_NUMBERS; i++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

        snprintf(names[i], sizeof(names[i]), "%s", name ? name : "");
        free(name);
    }
    return sigaction(SIGSYS, &action, NULL) < 0
               ? error_set(err, -errno, "cannot catch SIGSYS: %s", strerror(errno))
               : 0;
}

void violation_name_thread(const char *kind, const char *name)
{
    snprintf(thread_name, sizeof(thread_name), "%s%s%s", kind, name ? " " : "", name ? name : "");
}

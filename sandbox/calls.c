// SPDX-License-Identifier: MIT
/*
 * A set is the union of lists: what every thread needs, what its kind needs, and for an I/O thread
 * what its monitor and its engines need. The engines of an I/O thread are open when it is confined,
 * so the calls that open one are in no set.
 */
#include <seccomp.h>
#include <string.h>

#include "sandbox/calls.h"

#define END INT32_MIN /* of a list; pseudo numbers of libseccomp are negative, too */

#define LIST(...) ((const int[]){__VA_ARGS__, END})
#define C(name)   SCMP_SYS(name)

struct named_list {
    const char *name;
    const int *calls;
};

/* Locks, memory, the clock where the vDSO has none, eventfds and lines to standard error, signals to
 * other threads, abort() and the end of a thread. */
static const int every_thread[] = {
    C(futex),        C(write),   C(clock_gettime), C(mmap),   C(munmap),
    C(mprotect),     C(madvise), C(brk),           C(getpid), C(rt_sigprocmask),
    C(rt_sigreturn), C(gettid),  C(tgkill),        C(exit),   END};

/* Calls that go on after SIGSTOP and SIGCONT, of threads that wait with a time limit. */
static const int waits_for_time[] = {C(restart_syscall), END};

static const int transfers[] = {C(pread64), C(pwritev2), C(preadv), C(fdatasync), END};

static const int new_thread[] = {C(clone), C(clone3), C(set_robust_list), C(rseq), END};

/* --- I/O threads --- */

static const struct named_list monitors[] = {
    {"ppoll", LIST(C(ppoll))},
    {"epoll", LIST(C(epoll_wait), C(epoll_ctl), C(ppoll))},
    {"io_uring", LIST(C(io_uring_enter), C(io_uring_register))},
    {"auto", LIST(C(ppoll), C(epoll_wait), C(epoll_ctl), C(epoll_create1))},
    {NULL, NULL},
};

static const struct named_list engines[] = {
    {"linux-aio", LIST(C(io_submit), C(io_getevents), C(io_destroy))},
    {"io_uring", LIST(C(io_uring_enter), C(io_uring_register))},
    {"threads", LIST(END)},
    {"mmap", transfers},
    {"sync", transfers},
    {"in memory", transfers},
    {"faults", LIST(C(access))}, /* asks for the file that switches them on */
    {"null", LIST(C(timerfd_settime))},
    {"nbd", LIST(C(recvfrom), C(sendto), C(shutdown))},
    {"nbd tls", LIST(C(recvfrom), C(sendto), C(shutdown), C(sendmsg), C(getrandom))},
    {NULL, NULL},
};

/* pread64: its run delay. */
static const int io_thread[] = {C(read), C(close), C(pread64), END};

/* --- the other kinds --- */

/* A block device discards by ioctl(); pwrite() writes zeroes where the host has no call for it. */
static const int worker[] = {C(fallocate), C(ioctl), C(pwrite64), END};

static const int recorder[] = {C(lseek), C(close), C(fstat), C(newfstatat), END};

/* KVM_RUN; a driver that starts or resets a device moves its descriptors. */
static const int vcpu[] = {C(ioctl),     C(read),        C(close), C(eventfd2),
                           C(fdatasync), C(sched_yield), C(poll),  END};

static const int console[] = {C(poll), C(ioctl), END};

static const int server[] = {
    C(poll),   C(dup3),       C(rt_sigaction), C(sysinfo),      C(recvmsg),   C(sendmsg),
    C(sendto), C(read),       C(close),        C(accept4),      C(eventfd2),  C(fcntl),
    C(fstat),  C(newfstatat), C(ioctl),        C(memfd_create), C(ftruncate), C(readlink),
    C(lseek),  C(shutdown),   C(fdatasync),    C(pread64),      END};

/* Clients of the control socket, the terminal, sizes of images, and all that frees what is open. */
static const int main_thread[] = {C(ppoll),      C(read),           C(close),
                                  C(poll),       C(accept4),        C(recvfrom),
                                  C(sendto),     C(ioctl),          C(fstat),
                                  C(newfstatat), C(ftruncate),      C(pread64),
                                  C(lseek),      C(fcntl),          C(rt_sigaction),
                                  C(unlink),     C(rmdir),          C(epoll_wait),
                                  C(epoll_ctl),  C(io_uring_enter), C(io_uring_register),
                                  C(getpgrp),    C(shutdown),       C(fdatasync),
                                  C(eventfd2),   C(mremap),         C(sysinfo),
                                  C(setsockopt), C(exit_group),     END};

static const int main_with_children[] = {C(kill), C(wait4), C(waitid), END};

/* Makes helpers, and each helper sets its name and its filter. */
static const int spawner[] = {C(sched_getaffinity), C(sched_setaffinity),      C(prctl),
                              C(seccomp),           C(landlock_restrict_self), END};

static const int connector[] = {
    C(poll),    C(socket), C(connect),    C(getsockopt),  C(setsockopt),  C(recvfrom),
    C(sendto),  C(fcntl),  C(read),       C(close),       C(shutdown),    C(waitid),
    C(pread64), C(fstat),  C(newfstatat), C(getsockname), C(getpeername), END};

/* Names of hosts: files of /etc, modules of the resolver, datagrams. */
static const int connector_tcp[] = {
    C(openat), C(lseek),  C(bind),   C(recvmsg),  C(sendmsg), C(uname),   C(sendmmsg), C(getrandom),
    C(ioctl),  C(access), C(statfs), C(readlink), C(ppoll),   C(geteuid), C(getuid),   END};

/* Keys: gnutls reads files. */
static const int connector_tls[] = {C(openat),     C(lseek),    C(recvmsg), C(sendmsg),
                                    C(getrandom),  C(access),   C(getuid),  C(geteuid),
                                    C(getdents64), C(readlink), C(uname),   END};

/* --- sets --- */

bool calls_have(const struct calls *calls, int call)
{
    for (unsigned i = 0; i < calls->nr; i++) {
        if (calls->call[i] == call) {
            return true;
        }
    }
    return false;
}

static void add(struct calls *calls, const int *list)
{
    for (; *list != END; list++) {
        if (!calls_have(calls, *list)) {
            calls->call[calls->nr++] = *list;
        }
    }
}

static void add_named(struct calls *calls, const struct named_list *lists, const char *name)
{
    for (; lists->name; lists++) {
        if (strcmp(lists->name, name) == 0) {
            add(calls, lists->calls);
        }
    }
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_tls(const char *uri)
{
    return begins(uri, "nbds");
}

static bool is_tcp(const char *uri)
{
    return begins(uri, "nbd://") || begins(uri, "nbds://");
}

bool calls_tcp(const struct sandbox_config *config)
{
    bool tcp = false;

    for (unsigned i = 0; i < config->nr_uris; i++) {
        tcp |= is_tcp(config->uris[i]);
    }
    return tcp;
}

static void add_connector(struct calls *calls, const struct sandbox_config *config)
{
    for (unsigned i = 0; i < config->nr_uris; i++) {
        add(calls, connector);
        if (is_tcp(config->uris[i])) {
            add(calls, connector_tcp);
        }
        if (is_tls(config->uris[i])) {
            add(calls, connector_tls);
        }
    }
}

void calls_of_iothread(const struct sandbox_iothread *thread, struct calls *out)
{
    *out = (struct calls){.nr = 0};
    for (unsigned i = 0; i < thread->nr_engines; i++) {
        add_named(out, engines, thread->engines[i]);
    }
    add_named(out, monitors, thread->fdmon ? thread->fdmon : "auto");
    add(out, io_thread);
    add(out, every_thread);
}

void calls_of(enum thread_kind kind, const struct sandbox_config *config, struct calls *out)
{
    *out = (struct calls){.nr = 0};
    switch (kind) {
    case THREAD_MAIN:
        add(out, main_thread);
        add(out, new_thread);
        if (config->children) {
            add(out, main_with_children);
        }
        break;
    case THREAD_WORKER:
        add(out, transfers);
        add(out, worker);
        break;
    case THREAD_CONNECTOR:
        add_connector(out, config);
        break;
    case THREAD_RECORDER:
        add(out, recorder);
        break;
    case THREAD_VCPU:
        add(out, vcpu);
        break;
    case THREAD_CONSOLE:
        add(out, console);
        break;
    case THREAD_SERVER:
        add(out, server);
        break;
    case THREAD_SPAWNER:
        add(out, new_thread);
        add(out, spawner);
        add(out, transfers);
        add(out, worker);
        add_connector(out, config);
        break;
    case THREAD_IO:
    case THREAD_KINDS:
        break;
    }
    add(out, every_thread);
    add(out, waits_for_time);
}

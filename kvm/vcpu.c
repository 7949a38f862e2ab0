// SPDX-License-Identifier: MIT
/*
 * To stop a vCPU, another thread sets @stop and immediate_exit, then sends a signal. The signal
 * ends a KVM_RUN in progress, halted or not; immediate_exit ends the next KVM_RUN. A pause does the
 * same with @pause, and the thread then waits outside KVM_RUN; vcpu_resume() clears immediate_exit.
 * The signal handler is empty and has no state, so that several machines can share it.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/pinned-thread.h"
#include "base/thread-guard.h"
#include "base/thread-mask.h"
#include "kvm/cpu-state.h"
#include "kvm/cpuid.h"
#include "kvm/crash.h"
#include "kvm/vcpu.h"
#include "trace/trace.h"

#define STOP_SIGNAL SIGRTMIN

static void ignore_signal(int signal)
{
}

static int fail(struct error *err, const char *what)
{
    return error_set(err, -errno, "/dev/kvm: %s: %s", what, strerror(errno));
}

static int map_run(struct vcpu *v, struct error *err)
{
    void *run = mmap(NULL, (size_t)v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);

    if (run == MAP_FAILED) {
        return fail(err, "mapping kvm_run");
    }
    v->run = run;
    return 0;
}

static int set_cpuid(const struct vcpu *v, const struct vm *vm, unsigned cpus, struct error *err)
{
    int deadline = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    struct kvm_cpuid2 *cpuid;
    int ret = cpuid_query(vm->kvm_fd, &cpuid, err);

    if (ret < 0) {
        return ret;
    }
    cpuid_adapt(cpuid, v->index, cpus, deadline);
    if (ioctl(v->fd, KVM_SET_CPUID2, cpuid) < 0) {
        ret = fail(err, "KVM_SET_CPUID2");
    }
    free(cpuid);
    return ret;
}

int vcpu_init(struct vcpu *v, const struct vm *vm, unsigned index, unsigned cpus,
              const struct boot_entry *entry, const struct ram *ram, const struct vcpu_ops *ops,
              void *opaque, struct error *err)
{
    int ret;

    *v = (struct vcpu){
        .index = index, .run_size = vm->run_size, .ram = ram, .ops = ops, .opaque = opaque};
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->changed, NULL);
    v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
    ret = v->fd < 0 ? fail(err, "KVM_CREATE_VCPU") : map_run(v, err);
    if (ret == 0) {
        ret = set_cpuid(v, vm, cpus, err);
    }
    if (ret == 0) {
        ret = cpu_state_msrs(v->fd);
        if (ret == 0 && entry) {
            ret = cpu_state_boot(v->fd, entry);
        }
        if (ret < 0) {
            error_set(err, ret, "/dev/kvm: setting registers: %s", strerror(-ret));
        }
    }
    if (ret < 0) {
        vcpu_destroy(v);
        error_prefix(err, ret, "vCPU %u: ", index);
    }
    return ret;
}

static void end_with_report(struct vcpu *v, enum machine_end why, const char *cause)
{
    char message[CRASH_MESSAGE_MAX];

    crash_report(message, sizeof(message), v->fd, v->index, v->ram, cause);
    v->ops->ended(v->opaque, why, message);
}

static void port_exit(struct vcpu *v)
{
    struct kvm_run *run = v->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    for (uint32_t i = 0; i < run->io.count; i++) {
        v->ops->port(v->opaque, run->io.port, data, run->io.size,
                     run->io.direction == KVM_EXIT_IO_OUT);
        data += run->io.size;
    }
}

static void system_event(struct vcpu *v)
{
    char cause[64];

    switch (v->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        v->ops->ended(v->opaque, MACHINE_POWEROFF, "");
        break;
    case KVM_SYSTEM_EVENT_RESET:
        v->ops->ended(v->opaque, MACHINE_RESET, "");
        break;
    default:
        snprintf(cause, sizeof(cause), "KVM system event %u", v->run->system_event.type);
        end_with_report(v, MACHINE_HOST_ERROR, cause);
        break;
    }
}

static void handle_exit(struct vcpu *v)
{
    struct kvm_run *run = v->run;
    char cause[CRASH_CAUSE_MAX];

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        port_exit(v);
        break;
    case KVM_EXIT_MMIO:
        v->ops->mmio(v->opaque, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
                     run->mmio.is_write);
        break;
    case KVM_EXIT_INTR:
        break;
    case KVM_EXIT_SYSTEM_EVENT:
        system_event(v);
        break;
    case KVM_EXIT_SHUTDOWN:
        end_with_report(v, MACHINE_TRIPLE_FAULT, "triple fault");
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        crash_internal_error(cause, sizeof(cause), run);
        end_with_report(v, MACHINE_INTERNAL_ERROR, cause);
        break;
    case KVM_EXIT_FAIL_ENTRY:
        crash_entry_failure(cause, sizeof(cause), run);
        end_with_report(v, MACHINE_ENTRY_FAILURE, cause);
        break;
    default:
        snprintf(cause, sizeof(cause), "KVM exit %u, which Pollux does not handle",
                 run->exit_reason);
        end_with_report(v, MACHINE_HOST_ERROR, cause);
        break;
    }
}

static const char *exit_name(const struct vcpu *v, int ret)
{
    if (ret < 0) {
        return "interrupted";
    }
    switch (v->run->exit_reason) {
    case KVM_EXIT_IO:
        return "port I/O";
    case KVM_EXIT_MMIO:
        return "MMIO";
    default:
        return "other exit";
    }
}

/* The guest's watchdogs then ignore the time in which the vCPU did not run. The ioctl fails with
 * EINVAL in a guest without kvmclock. */
static void mark_clock_paused(struct vcpu *v)
{
    ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
}

static void wait_for_resume(struct vcpu *v)
{
    mark_clock_paused(v);
    pthread_mutex_lock(&v->lock);
    while (v->pause && !v->stop) {
        pthread_cond_wait(&v->changed, &v->lock);
    }
    pthread_mutex_unlock(&v->lock);
}

static void *vcpu_thread(void *opaque)
{
    char cause[CRASH_CAUSE_MAX];
    struct vcpu *v = opaque;
    struct timespec ts;
    char name[16];
    sigset_t set;

    snprintf(name, sizeof(name), "vcpu%u", v->index);
    pthread_setname_np(pthread_self(), name);
    sigemptyset(&set);
    sigaddset(&set, STOP_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    store_relaxed(&v->tid, gettid());
    if (pthread_getcpuclockid(pthread_self(), &v->clock) == 0) {
        store_release(&v->clock_valid, 1); /* pairs with vcpu_cpu_ns() */
    }
    thread_confine(THREAD_VCPU, NULL);
    while (!load_relaxed(&v->stop)) {
        int ret;

        if (load_relaxed(&v->pause)) {
            wait_for_resume(v);
            continue;
        }

        trace_vcpu_entry(v->trace, v->index);
        ret = ioctl(v->fd, KVM_RUN, 0);
        trace_vcpu_exit(v->trace, v->index, exit_name(v, ret), v->run->exit_reason);
        stat_add(&v->exits, 1);
        if (ret == 0) {
            handle_exit(v);
        } else if (errno == EINTR) {
            mark_clock_paused(v); /* SIGSTOP and freezers of control groups interrupt KVM_RUN */
        } else if (errno != EAGAIN) {
            snprintf(cause, sizeof(cause), "KVM_RUN: %s", strerror(errno));
            end_with_report(v, MACHINE_HOST_ERROR, cause);
        }
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    store_relaxed(&v->cpu_ns, (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
    store_release(&v->clock_valid, 0);
    return NULL;
}

int vcpu_start(struct vcpu *v, struct error *err)
{
    struct sigaction act = {.sa_handler = ignore_signal};
    sigset_t old;
    int num;

    sigaction(STOP_SIGNAL, &act, NULL);
    thread_mask_enter(&old);
    num = pinned_thread_create(&v->thread, &v->cpus, vcpu_thread, v);
    thread_mask_leave(&old);
    if (num) {
        return error_set(err, -num, "thread for vCPU %u: %s", v->index, strerror(num));
    }
    v->created = true;
    return 0;
}

/* Called under @lock, which orders stop, pause and resume: the last one sets immediate_exit. */
static void leave_guest(struct vcpu *v)
{
    store_relaxed(&v->run->immediate_exit, 1);
    pthread_cond_signal(&v->changed);
    if (v->created) {
        pthread_kill(v->thread, STOP_SIGNAL);
    }
}

void vcpu_stop(struct vcpu *v)
{
    pthread_mutex_lock(&v->lock);
    store_relaxed(&v->stop, true);
    leave_guest(v);
    pthread_mutex_unlock(&v->lock);
}

void vcpu_pause(struct vcpu *v)
{
    pthread_mutex_lock(&v->lock);
    store_relaxed(&v->pause, true);
    leave_guest(v);
    pthread_mutex_unlock(&v->lock);
}

void vcpu_resume(struct vcpu *v)
{
    pthread_mutex_lock(&v->lock);
    store_relaxed(&v->pause, false);
    store_relaxed(&v->run->immediate_exit, v->stop);
    pthread_cond_signal(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

void vcpu_join(struct vcpu *v)
{
    if (v->created) {
        pthread_join(v->thread, NULL);
        v->created = false;
    }
}

void vcpu_destroy(struct vcpu *v)
{
    if (v->run) {
        munmap(v->run, (size_t)v->run_size);
    }
    if (v->fd >= 0) {
        close(v->fd);
    }
    v->run = NULL;
    v->fd = -1;
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
}

uint64_t vcpu_cpu_ns(const struct vcpu *v)
{
    struct timespec ts;

    /* If the thread ends between the two calls, clock_gettime() fails and cpu_ns is final. */
    if (load_acquire(&v->clock_valid) && clock_gettime(v->clock, &ts) == 0) {
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
    }
    return load_relaxed(&v->cpu_ns);
}

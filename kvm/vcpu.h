// SPDX-License-Identifier: MIT
/* A vCPU and the thread that runs it. */
#ifndef POLLUX_KVM_VCPU_H
#define POLLUX_KVM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "kvm/boot.h"
#include "kvm/machine-end.h"
#include "kvm/vm.h"

struct kvm_run;

/* Exits that KVM leaves to user space. Context: the vCPU's thread. */
struct vcpu_ops {
    void (*port)(void *opaque, uint16_t port, void *data, unsigned size, bool write);
    void (*mmio)(void *opaque, uint64_t gpa, void *data, unsigned size, bool write);

    /* The vCPU cannot run any more, or KVM reports that the guest ends the machine. @message is
     * empty for a power-off or reset. */
    void (*ended)(void *opaque, enum machine_end why, const char *message);
};

struct vcpu {
    int fd; /* -1: none */
    unsigned index;
    struct kvm_run *run;
    int run_size;
    const struct ram *ram;
    const struct vcpu_ops *ops;
    void *opaque;
    struct trace_track *trace; /* NULL: none; set before vcpu_start() */
    cpu_set_t cpus;            /* where the thread runs; empty: anywhere; likewise */

    pthread_t thread;
    bool created; /* a thread that has not been joined */
    bool stop;    /* atomic; set under @lock */
    bool pause;   /* atomic; set under @lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* stop or pause */
    clockid_t clock;        /* of the thread, valid while @clock_valid is 1 */
    int clock_valid;        /* atomic */
    uint64_t cpu_ns;        /* atomic; final, when the thread has ended */
    uint64_t exits;         /* atomic; one writer */
    int tid;                /* atomic; of the thread, 0 before it runs */
};

/**
 * vcpu_init - create a vCPU
 * @entry: its entry state; NULL: it waits until another vCPU starts it
 * Return: 0, or -errno and @err; vcpu_destroy() releases.
 */
int vcpu_init(struct vcpu *v, const struct vm *vm, unsigned index, unsigned cpus,
              const struct boot_entry *entry, const struct ram *ram, const struct vcpu_ops *ops,
              void *opaque, struct error *err);

/**
 * vcpu_start - start the thread, named "vcpu" and the index
 * Return: 0, or -errno and @err.
 */
int vcpu_start(struct vcpu *v, struct error *err);

/**
 * vcpu_stop - make the thread leave the guest and end soon; does not wait for it
 * Context: any thread, not at the same time as vcpu_start() or after vcpu_join().
 */
void vcpu_stop(struct vcpu *v);

/**
 * vcpu_pause - make the thread leave the guest soon and wait for vcpu_resume() or vcpu_stop()
 * Context: any thread; pause and resume not at the same time as each other, vcpu_start(), or after
 *          vcpu_join().
 */
void vcpu_pause(struct vcpu *v);
void vcpu_resume(struct vcpu *v);

/**
 * vcpu_join - wait for the end of the thread, if there is one
 */
void vcpu_join(struct vcpu *v);
void vcpu_destroy(struct vcpu *v);

/**
 * vcpu_cpu_ns - CPU time of the thread, ns. Context: any thread.
 */
uint64_t vcpu_cpu_ns(const struct vcpu *v);

#endif

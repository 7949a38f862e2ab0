// SPDX-License-Identifier: MIT
/*
 * Detection of a KVM without virtualisation hardware, which emulates guest kernel code instruction
 * by instruction. The probe times a few instructions in a small VM.
 */
#ifndef POLLUX_KVM_PROBE_H
#define POLLUX_KVM_PROBE_H

#include <stdbool.h>

#include "base/error.h"

/* The limit for hardware: an instruction takes 0.1 to 3 ns there and 300 ns when emulated. */
#define KVM_PROBE_EMULATED_NS 50

struct kvm_probe {
    double kernel_ns;    /* per instruction at CPL 0 */
    double user_ns;      /* per instruction at CPL 3 */
    bool int3;           /* works at CPL 0; Linux patches its code with it during boot */
    bool cmpxchg16b;     /* works at CPL 0; the memory allocator of Linux uses it */
    bool can_boot_linux; /* all of the above are as on hardware */
};

/**
 * kvm_probe - run the probe, some tens of ms
 * Return: 0 and @out, or -errno and @err: no KVM, no permission, ...
 */
int kvm_probe(struct kvm_probe *out, struct error *err);

#endif

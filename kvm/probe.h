// SPDX-License-Identifier: MIT
/*
 * What kind of KVM this host has: hardware behind it, or kernel code emulated one instruction after
 * the other. Found out by running a few instructions in a machine of their own.
 */
#ifndef POLLUX_KVM_PROBE_H
#define POLLUX_KVM_PROBE_H

#include <stdbool.h>

#include "base/error.h"

/* An instruction that takes longer is emulated; real ones take 0.1 to 3 ns, emulated ones 300. */
#define KVM_PROBE_EMULATED_NS 50

struct kvm_probe {
    double kernel_ns;    /* per instruction at CPL 0 */
    double user_ns;      /* per instruction at CPL 3 */
    bool int3;           /* works at CPL 0; Linux patches its code with it while it boots */
    bool cmpxchg16b;     /* works at CPL 0; Linux uses it for its memory allocator */
    bool can_boot_linux; /* all of this is as on hardware */
};

/**
 * kvm_probe - run the probe, some tens of ms
 * Return: 0 and @out, or -errno and @err: no KVM, no permission, ...
 */
int kvm_probe(struct kvm_probe *out, struct error *err);

#endif

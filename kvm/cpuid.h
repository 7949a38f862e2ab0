// SPDX-License-Identifier: MIT
/* The guest's CPUID: the leaves that KVM supports, with the topology of this machine. */
#ifndef POLLUX_KVM_CPUID_H
#define POLLUX_KVM_CPUID_H

#include <linux/kvm.h>

#include "base/error.h"

/**
 * cpuid_query - get the leaves that KVM supports on this host
 * Return: 0 and *@out, which the caller frees, or -errno and @err.
 */
int cpuid_query(int kvm_fd, struct kvm_cpuid2 **out, struct error *err);

/**
 * cpuid_adapt - set the fields of vCPU @index of @cpus
 * One package, one core per vCPU, one thread per core; the APIC id is @index.
 * @tsc_deadline: the in-kernel local APIC has a TSC deadline timer
 */
void cpuid_adapt(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus, int tsc_deadline);

#endif

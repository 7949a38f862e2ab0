// SPDX-License-Identifier: MIT
/* Initial registers of vCPUs. */
#ifndef POLLUX_KVM_CPU_STATE_H
#define POLLUX_KVM_CPU_STATE_H

#include "kvm/boot.h"

/**
 * cpu_state_boot - set the registers of the first vCPU as the boot protocol requires
 * Return: 0 or -errno.
 */
int cpu_state_boot(int vcpu_fd, const struct boot_entry *entry);

/**
 * cpu_state_msrs - set the MSRs that firmware sets on every CPU
 * Return: 0 or -errno.
 */
int cpu_state_msrs(int vcpu_fd);

#endif

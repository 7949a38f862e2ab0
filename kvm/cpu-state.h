// SPDX-License-Identifier: MIT
/* The registers with which the first vCPU begins. */
#ifndef POLLUX_KVM_CPU_STATE_H
#define POLLUX_KVM_CPU_STATE_H

#include "kvm/boot.h"

/**
 * cpu_state_boot - set registers as the boot protocol asks for
 * Return: 0 or -errno.
 */
int cpu_state_boot(int vcpu_fd, const struct boot_entry *entry);

/**
 * cpu_state_msrs - what firmware would have set on every CPU
 * Return: 0 or -errno.
 */
int cpu_state_msrs(int vcpu_fd);

#endif

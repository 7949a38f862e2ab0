// SPDX-License-Identifier: MIT
/* Crash reports: why a vCPU stopped, its registers, the instruction bytes. */
#ifndef POLLUX_KVM_CRASH_H
#define POLLUX_KVM_CRASH_H

#include <stddef.h>

#include "kvm/ram.h"

#define CRASH_MESSAGE_MAX 4096
#define CRASH_CAUSE_MAX   512

struct kvm_run;

/**
 * crash_internal_error - describe KVM_EXIT_INTERNAL_ERROR: suberror, data, instruction bytes
 */
void crash_internal_error(char *out, size_t size, const struct kvm_run *run);

/**
 * crash_entry_failure - describe KVM_EXIT_FAIL_ENTRY
 */
void crash_entry_failure(char *out, size_t size, const struct kvm_run *run);

/**
 * crash_report - write cause, registers, and the instruction bytes at rip if they are readable
 * Context: the vCPU's thread, outside KVM_RUN.
 */
void crash_report(char *out, size_t size, int vcpu_fd, unsigned index, const struct ram *ram,
                  const char *cause);

#endif

// SPDX-License-Identifier: MIT
/* What a person is told when a vCPU can't go on. */
#ifndef POLLUX_KVM_CRASH_H
#define POLLUX_KVM_CRASH_H

#include <stddef.h>

#include "kvm/ram.h"

#define CRASH_MESSAGE_MAX 4096
#define CRASH_CAUSE_MAX   512

struct kvm_run;

/**
 * crash_internal_error - KVM_EXIT_INTERNAL_ERROR in words: suberror, data, instruction bytes
 */
void crash_internal_error(char *out, size_t size, const struct kvm_run *run);

/**
 * crash_entry_failure - KVM_EXIT_FAIL_ENTRY in words
 */
void crash_entry_failure(char *out, size_t size, const struct kvm_run *run);

/**
 * crash_report - cause, registers, and the instruction bytes at rip if they can be read
 * Context: the vCPU's thread, outside KVM_RUN.
 */
void crash_report(char *out, size_t size, int vcpu_fd, unsigned index, const struct ram *ram,
                  const char *cause);

#endif

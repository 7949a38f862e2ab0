// SPDX-License-Identifier: MIT
/* Why a machine ended. */
#ifndef POLLUX_KVM_MACHINE_END_H
#define POLLUX_KVM_MACHINE_END_H

enum machine_end {
    MACHINE_RUNNING,
    MACHINE_POWEROFF, /* by the guest: ACPI S5, or machine_stop() from its ports */
    MACHINE_RESET,    /* by the guest: ACPI reset, 0xfe to port 0x64, port 0xcf9 */
    MACHINE_STOPPED,  /* by the host: machine_stop() */
    MACHINE_TRIPLE_FAULT,
    MACHINE_INTERNAL_ERROR, /* KVM_EXIT_INTERNAL_ERROR */
    MACHINE_ENTRY_FAILURE,  /* KVM_EXIT_FAIL_ENTRY */
    MACHINE_HOST_ERROR,     /* KVM_RUN itself failed */
};

#endif

// SPDX-License-Identifier: MIT
/* The host that something was measured on. */
#ifndef POLLUX_CLI_HOST_INFO_H
#define POLLUX_CLI_HOST_INFO_H

#include "kvm/probe.h"

struct host_info {
    char system[128];        /* "Debian GNU/Linux 12 (bookworm)" */
    char kernel[128];        /* "6.1.0-18-amd64" */
    char processor[128];     /* the model */
    unsigned processors;     /* that this process may use */
    const char *kvm_kind;    /* "hardware", "emulated" (see struct kvm_probe) or "none" */
    struct kvm_probe timing; /* unless there is none */
};

/**
 * host_info_get - takes some tens of ms; what cannot be found out is empty
 */
void host_info_get(struct host_info *h);

#endif

// SPDX-License-Identifier: MIT
/*
 * The MSI routes of a machine: which message KVM sends for a GSI. KVM takes the whole table at a
 * time, so that all devices share this one.
 */
#ifndef POLLUX_KVM_MSI_ROUTES_H
#define POLLUX_KVM_MSI_ROUTES_H

#include <pthread.h>

#include "kvm/vm-events.h"

struct msi_routes {
    const struct vm *vm;
    pthread_mutex_t lock;
    unsigned nr_gsis;            /* given out */
    struct vm_msi_route *routes; /* of the GSIs that have one; room for all */
    unsigned nr;
};

void msi_routes_init(struct msi_routes *r, const struct vm *vm);

/**
 * msi_routes_destroy - after the last device; the routes stay in KVM
 */
void msi_routes_destroy(struct msi_routes *r);

/**
 * msi_routes_reserve - give out @nr GSIs that have no route yet; before the vCPUs run
 * Return: the first, or -ENOMEM.
 */
int msi_routes_reserve(struct msi_routes *r, unsigned nr);

/**
 * msi_routes_set - set the routes of @nr GSIs by one ioctl
 * Context: any thread.
 * Return: 0 or -errno; then all routes are as before.
 */
int msi_routes_set(struct msi_routes *r, const struct vm_msi_route *changes, unsigned nr);

#endif

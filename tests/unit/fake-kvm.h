// SPDX-License-Identifier: MIT
/*
 * KVM's part in events of a PCI device, in place of kvm/vm-events.c: which eventfds are irqfds, the
 * routes, the doorbells. Only for programs that include this header once.
 */
#ifndef POLLUX_TESTS_UNIT_FAKE_KVM_H
#define POLLUX_TESTS_UNIT_FAKE_KVM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kvm/vm-events.h"

#define FAKE_GSIS      64
#define FAKE_DOORBELLS 16

static struct fake_kvm {
    int irqfd[FAKE_GSIS]; /* -1: none */
    bool routed[FAKE_GSIS];
    struct vm_msi_route route[FAKE_GSIS];
    unsigned set_routes_calls;
    struct {
        int fd; /* -1: unused */
        uint64_t gpa;
    } doorbell[FAKE_DOORBELLS];
    unsigned ioeventfds; /* vm_ioeventfd(): bit i for value i */
    bool refuse_doorbells, refuse_routes, refuse_irqfds;
    struct vm_msi_route sent[FAKE_GSIS]; /* messages, oldest first */
    unsigned nr_sent;
} kvm;

static inline void fake_kvm_init(void)
{
    memset(&kvm, 0, sizeof(kvm));
    for (unsigned i = 0; i < FAKE_GSIS; i++) {
        kvm.irqfd[i] = -1;
    }
    for (unsigned i = 0; i < FAKE_DOORBELLS; i++) {
        kvm.doorbell[i].fd = -1;
    }
}

/* Sends the message of a GSI whose eventfd is readable. */
static inline void fake_kvm_look(unsigned gsi)
{
    eventfd_t n;

    if (kvm.irqfd[gsi] >= 0 && eventfd_read(kvm.irqfd[gsi], &n) == 0 && kvm.routed[gsi] &&
        kvm.nr_sent < FAKE_GSIS) {
        kvm.sent[kvm.nr_sent++] = kvm.route[gsi];
    }
}

/* What a real KVM does within the write to an eventfd. Return: messages sent since the last call. */
static inline unsigned fake_kvm_sent(void)
{
    unsigned n;

    for (unsigned i = 0; i < FAKE_GSIS; i++) {
        fake_kvm_look(i);
    }
    n = kvm.nr_sent;
    kvm.nr_sent = 0;
    return n;
}

static inline unsigned fake_kvm_irqfds(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAKE_GSIS; i++) {
        n += kvm.irqfd[i] >= 0;
    }
    return n;
}

/* Return: the descriptor that a write to @gpa signals, or -1. */
static inline int fake_kvm_doorbell(uint64_t gpa)
{
    for (unsigned i = 0; i < FAKE_DOORBELLS; i++) {
        if (kvm.doorbell[i].fd >= 0 && kvm.doorbell[i].gpa == gpa) {
            return kvm.doorbell[i].fd;
        }
    }
    return -1;
}

static inline unsigned fake_kvm_doorbells(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAKE_DOORBELLS; i++) {
        n += kvm.doorbell[i].fd >= 0;
    }
    return n;
}

/* --- kvm/vm-events.h --- */

int vm_irqfd(const struct vm *vm, int fd, unsigned gsi)
{
    if (gsi >= FAKE_GSIS || kvm.irqfd[gsi] >= 0 || kvm.refuse_irqfds) {
        return -EBUSY;
    }
    kvm.irqfd[gsi] = fd;
    fake_kvm_look(gsi);
    return 0;
}

int vm_irqfd_remove(const struct vm *vm, int fd, unsigned gsi)
{
    if (gsi >= FAKE_GSIS || kvm.irqfd[gsi] != fd) {
        return -ENOENT;
    }
    fake_kvm_look(gsi);
    kvm.irqfd[gsi] = -1;
    return 0;
}

int vm_ioeventfd(const struct vm *vm, int fd, uint64_t gpa, uint32_t value)
{
    kvm.ioeventfds |= 1u << value;
    return 0;
}

int vm_doorbell(const struct vm *vm, int fd, uint64_t gpa)
{
    if (kvm.refuse_doorbells || fake_kvm_doorbell(gpa) >= 0) {
        return -EEXIST;
    }
    for (unsigned i = 0; i < FAKE_DOORBELLS; i++) {
        if (kvm.doorbell[i].fd < 0) {
            kvm.doorbell[i].fd = fd;
            kvm.doorbell[i].gpa = gpa;
            return 0;
        }
    }
    return -ENOSPC;
}

int vm_doorbell_remove(const struct vm *vm, int fd, uint64_t gpa)
{
    for (unsigned i = 0; i < FAKE_DOORBELLS; i++) {
        if (kvm.doorbell[i].fd == fd && kvm.doorbell[i].gpa == gpa) {
            kvm.doorbell[i].fd = -1;
            return 0;
        }
    }
    return -ENOENT;
}

int vm_set_routes(const struct vm *vm, const struct vm_msi_route *routes, unsigned nr)
{
    kvm.set_routes_calls++;
    if (kvm.refuse_routes) {
        return -EINVAL;
    }
    memset(kvm.routed, 0, sizeof(kvm.routed));
    for (unsigned i = 0; i < nr; i++) {
        kvm.routed[routes[i].gsi] = true;
        kvm.route[routes[i].gsi] = routes[i];
    }
    return 0;
}

#endif

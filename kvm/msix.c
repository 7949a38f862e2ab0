// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm/msix.h"

/* Messages to another address are no interrupts. */
#define LAPIC_MESSAGES 0xfee00000u
#define LAPIC_MASK     0xfff00000u

enum { ADDRESS_LOW, ADDRESS_HIGH, DATA, CONTROL };

int msix_init(struct msix *m, const struct vm *vm, struct msi_routes *routes, unsigned nr)
{
    int gsi = msi_routes_reserve(routes, nr);

    *m = (struct msix){.vm = vm, .routes = routes};
    if (gsi < 0) {
        return gsi;
    }
    m->vectors = calloc(nr, sizeof(m->vectors[0]));
    if (!m->vectors) {
        return -ENOMEM;
    }
    for (; m->nr < nr; m->nr++) {
        struct msix_vector *v = &m->vectors[m->nr];

        v->route.gsi = (uint32_t)gsi + m->nr;
        v->entry[CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
        v->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (v->eventfd < 0) {
            return -errno;
        }
    }
    return 0;
}

void msix_destroy(struct msix *m)
{
    for (unsigned i = 0; i < m->nr; i++) {
        close(m->vectors[i].eventfd);
    }
    free(m->vectors);
    *m = (struct msix){0};
}

int msix_eventfd(const struct msix *m, unsigned i)
{
    return i < m->nr ? m->vectors[i].eventfd : -1;
}

static bool unmasked(const struct msix *m, const struct msix_vector *v)
{
    return (m->control & PCI_MSIX_FLAGS_ENABLE) && !(m->control & PCI_MSIX_FLAGS_MASKALL) &&
           !(v->entry[CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) &&
           (v->entry[ADDRESS_LOW] & LAPIC_MASK) == LAPIC_MESSAGES && v->entry[ADDRESS_HIGH] == 0;
}

static bool needs_route(const struct msix *m, const struct msix_vector *v)
{
    return unmasked(m, v) && (!v->routed || v->route.address != v->entry[ADDRESS_LOW] ||
                              v->route.data != v->entry[DATA]);
}

/* The routes of vectors @first to @end that have changed, by one ioctl. */
static void update_routes(struct msix *m, unsigned first, unsigned end)
{
    struct vm_msi_route changes[MSIX_VECTORS_MAX];
    unsigned n = 0;
    int ret;

    for (unsigned i = first; i < end; i++) {
        struct msix_vector *v = &m->vectors[i];

        if (needs_route(m, v)) {
            v->route.address = v->entry[ADDRESS_LOW];
            v->route.data = v->entry[DATA];
            v->routed = false;
            changes[n++] = v->route;
        }
    }
    ret = n ? msi_routes_set(m->routes, changes, n) : 0;
    for (unsigned i = first; ret == 0 && i < end; i++) {
        m->vectors[i].routed |= unmasked(m, &m->vectors[i]);
    }
}

/* KVM sends what its irqfd has seen but, before Linux 5.11, leaves the eventfd readable, which would
 * be a pending bit later. */
static void drain(const struct msix_vector *v)
{
    eventfd_t n;

    eventfd_read(v->eventfd, &n);
}

static void connect_vector(struct msix *m, struct msix_vector *v)
{
    v->connected = vm_irqfd(m->vm, v->eventfd, v->route.gsi) == 0;
    if (v->connected) {
        drain(v);
    }
}

static void disconnect_vector(struct msix *m, struct msix_vector *v)
{
    drain(v);
    vm_irqfd_remove(m->vm, v->eventfd, v->route.gsi);
    v->connected = false;
}

/* After a change of the table or of message control. */
static void update(struct msix *m, unsigned first, unsigned end)
{
    update_routes(m, first, end);
    for (unsigned i = first; i < end; i++) {
        struct msix_vector *v = &m->vectors[i];
        bool connect = v->routed && unmasked(m, v);

        if (connect && !v->connected) {
            connect_vector(m, v);
        } else if (!connect && v->connected) {
            disconnect_vector(m, v);
        }
    }
}

void msix_set_control(struct msix *m, uint16_t control)
{
    if (control != m->control) {
        m->control = control;
        update(m, 0, m->nr);
    }
}

void msix_clear_pending(struct msix *m)
{
    for (unsigned i = 0; i < m->nr; i++) {
        drain(&m->vectors[i]);
    }
}

static bool is_aligned(unsigned offset, unsigned size)
{
    return (size == 4 || size == 8) && offset % size == 0;
}

void msix_table_access(struct msix *m, unsigned offset, void *data, unsigned size, bool write)
{
    unsigned i = offset / PCI_MSIX_ENTRY_SIZE, word = offset % PCI_MSIX_ENTRY_SIZE / 4;

    if (!is_aligned(offset, size) || i >= m->nr) {
        if (!write) {
            memset(data, 0xff, size);
        }
        return;
    }
    if (write) {
        memcpy(&m->vectors[i].entry[word], data, size);
        m->vectors[i].entry[CONTROL] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
        update(m, i, i + 1);
    } else {
        memcpy(data, &m->vectors[i].entry[word], size);
    }
}

static bool is_pending(const struct msix_vector *v)
{
    struct pollfd p = {.fd = v->eventfd, .events = POLLIN};

    return !v->connected && poll(&p, 1, 0) == 1;
}

void msix_pending_read(const struct msix *m, unsigned offset, void *data, unsigned size)
{
    uint64_t bits = 0;

    if (!is_aligned(offset, size) || offset * 8 >= m->nr) {
        memset(data, 0xff, size);
        return;
    }
    for (unsigned i = offset * 8; i < m->nr && i < (offset + size) * 8; i++) {
        bits |= (uint64_t)is_pending(&m->vectors[i]) << (i - offset * 8);
    }
    memcpy(data, &bits, size);
}

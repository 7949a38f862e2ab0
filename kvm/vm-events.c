// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "kvm/vm-events.h"

#define PIC_PINS      8 /* of each 8259 */
#define CHIP_ROUTES   (2 * PIC_PINS + VM_FIRST_MSI_GSI)
#define ROUTES_MAX    4096 /* KVM_MAX_IRQ_ROUTES */
#define PIC_OF(input) ((input) < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE)

static int irqfd(const struct vm *vm, int eventfd, unsigned gsi, unsigned flags)
{
    struct kvm_irqfd irqfd = {.fd = (unsigned)eventfd, .gsi = gsi, .flags = flags};

    return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int vm_irqfd(const struct vm *vm, int eventfd, unsigned gsi)
{
    return irqfd(vm, eventfd, gsi, 0);
}

int vm_irqfd_remove(const struct vm *vm, int eventfd, unsigned gsi)
{
    return irqfd(vm, eventfd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}

int vm_ioeventfd(const struct vm *vm, int eventfd, uint64_t gpa, uint32_t value)
{
    struct kvm_ioeventfd ioev = {
        .datamatch = value,
        .addr = gpa,
        .len = 4,
        .fd = eventfd,
        .flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
    };

    return ioctl(vm->fd, KVM_IOEVENTFD, &ioev) < 0 ? -errno : 0;
}

/* Length 0: KVM matches the address without decoding the instruction. */
static int doorbell(const struct vm *vm, int eventfd, uint64_t gpa, unsigned flags)
{
    struct kvm_ioeventfd ioev = {.addr = gpa, .len = 0, .fd = eventfd, .flags = flags};

    return ioctl(vm->fd, KVM_IOEVENTFD, &ioev) < 0 ? -errno : 0;
}

int vm_doorbell(const struct vm *vm, int eventfd, uint64_t gpa)
{
    return doorbell(vm, eventfd, gpa, 0);
}

int vm_doorbell_remove(const struct vm *vm, int eventfd, uint64_t gpa)
{
    return doorbell(vm, eventfd, gpa, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static struct kvm_irq_routing_entry chip_route(unsigned gsi, unsigned chip, unsigned pin)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = {.irqchip = chip, .pin = pin},
    };
}

/* KVM's own routes: GSI n is input n of the I/O APIC and, below 16, of the two 8259s. */
static unsigned chip_routes(struct kvm_irq_routing_entry *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 2 * PIC_PINS; i++) {
        out[n++] = chip_route(i, PIC_OF(i), i % PIC_PINS);
    }
    for (unsigned i = 0; i < VM_FIRST_MSI_GSI; i++) {
        out[n++] = chip_route(i, KVM_IRQCHIP_IOAPIC, i);
    }
    return n;
}

int vm_set_routes(const struct vm *vm, const struct vm_msi_route *routes, unsigned nr)
{
    struct kvm_irq_routing *table;
    int ret;

    if (nr > ROUTES_MAX - CHIP_ROUTES) {
        return -ENOSPC;
    }
    table = calloc(1, sizeof(*table) + (CHIP_ROUTES + nr) * sizeof(table->entries[0]));
    if (!table) {
        return -ENOMEM;
    }
    table->nr = chip_routes(table->entries);
    for (unsigned i = 0; i < nr; i++) {
        table->entries[table->nr++] = (struct kvm_irq_routing_entry){
            .gsi = routes[i].gsi,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi = {.address_lo = routes[i].address, .data = routes[i].data},
        };
    }
    ret = ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
    free(table);
    return ret;
}

// SPDX-License-Identifier: MIT
/* Creation of the VM; the order of the ioctls is the one that KVM requires. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm/layout.h"
#include "kvm/vm.h"

static const struct vm_capability capabilities[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest memory", true},
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "interrupt controllers in the kernel", true},
    {KVM_CAP_PIT2, "KVM_CAP_PIT2", "interval timer in the kernel", true},
    {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", "guest memory layout", true},
    {KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR", "guest memory layout", true},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "kicks without an exit", true},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "interrupts without an exit", true},
    {KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH",
     "kicks of virtio-pci without an exit", true},
    {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING", "interrupts of virtio-pci", true},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "CPUID", true},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stopping a vCPU", true},
    {KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK", "kvmclock", true},
    {KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER", "the guest's timer", false},
    {KVM_CAP_X2APIC_API, "KVM_CAP_X2APIC_API", "x2APIC", false},
};

#define NR_CAPABILITIES (sizeof(capabilities) / sizeof(capabilities[0]))

const struct vm_capability *vm_capability_at(unsigned i)
{
    return i < NR_CAPABILITIES ? &capabilities[i] : NULL;
}

int vm_open_kvm(struct error *err)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int version;

    if (fd < 0) {
        switch (errno) {
        case ENOENT:
        case ENXIO:
        case ENODEV:
            return error_set(err, -errno,
                             "/dev/kvm: no KVM on this host; switch virtualisation on in the "
                             "firmware and load kvm_intel or kvm_amd");
        case EACCES:
        case EPERM:
            return error_set(err, -errno,
                             "/dev/kvm: no permission; add yourself to its group (usually: "
                             "usermod -aG kvm USER) and log in again");
        default:
            return error_set(err, -errno, "/dev/kvm: %s", strerror(errno));
        }
    }
    version = ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version < 0) {
        close(fd);
        return error_set(err, -ENODEV, "/dev/kvm: not a KVM device");
    }
    if (version != KVM_API_VERSION) {
        close(fd);
        return error_set(err, -ENOTSUP, "/dev/kvm: API version %d, Pollux needs %d", version,
                         KVM_API_VERSION);
    }
    return fd;
}

static int check_capabilities(int kvm_fd, unsigned cpus, struct error *err)
{
    int max;

    for (unsigned i = 0; i < NR_CAPABILITIES; i++) {
        const struct vm_capability *c = &capabilities[i];

        if (c->required && ioctl(kvm_fd, KVM_CHECK_EXTENSION, c->number) <= 0) {
            return error_set(err, -ENOTSUP,
                             "/dev/kvm: %s is missing (needed for: %s); use Linux 5.10 or later",
                             c->name, c->why);
        }
    }
    max = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
    if (max <= 0) {
        max = 4; /* the default of the KVM API */
    }
    if (cpus > (unsigned)max) {
        return error_set(err, -EINVAL, "/dev/kvm: %u vCPUs requested, this host allows %d", cpus,
                         max);
    }
    return 0;
}

static int add_slot(int fd, unsigned slot, uint64_t gpa, uint64_t size, const void *hva)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uintptr_t)hva,
    };

    return ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/*
 * KVM's 8259s start with no input masked and vector base 0. A guest that uses only the I/O APIC
 * would get every interrupt below 16 twice, the second time as an exception vector. A guest that
 * uses the 8259s initialises and unmasks them.
 */
static int mask_8259(int fd)
{
    static const unsigned chips[] = {KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE};

    for (unsigned i = 0; i < 2; i++) {
        struct kvm_irqchip chip = {.chip_id = chips[i]};

        if (ioctl(fd, KVM_GET_IRQCHIP, &chip) < 0) {
            return -1;
        }
        chip.chip.pic.imr = 0xff;
        if (ioctl(fd, KVM_SET_IRQCHIP, &chip) < 0) {
            return -1;
        }
    }
    return 0;
}

static int check_ioctl(const char *what, int rc, struct error *err)
{
    return rc < 0 ? error_set(err, -errno, "/dev/kvm: %s: %s", what, strerror(errno)) : 0;
}

static int set_up(struct vm *vm, const struct ram *ram, struct error *err)
{
    uint64_t identity = LAYOUT_IDENTITY_MAP;
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
    int ret;

    ret = check_ioctl("KVM_SET_IDENTITY_MAP_ADDR",
                      ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity), err);
    if (ret == 0) {
        ret = check_ioctl("KVM_SET_TSS_ADDR", ioctl(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_TSS), err);
    }
    if (ret == 0) {
        ret = check_ioctl("KVM_CREATE_IRQCHIP", ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), err);
    }
    if (ret == 0) {
        ret = check_ioctl("KVM_CREATE_PIT2", ioctl(vm->fd, KVM_CREATE_PIT2, &pit), err);
    }
    if (ret == 0) {
        ret = check_ioctl("KVM_SET_IRQCHIP", mask_8259(vm->fd), err);
    }
    if (ret == 0) {
        ret = check_ioctl("guest memory", add_slot(vm->fd, 0, 0, ram->low, ram->hva), err);
    }
    if (ret == 0 && ram->high) {
        ret =
            check_ioctl("guest memory above 4 GiB",
                        add_slot(vm->fd, 1, LAYOUT_HOLE_END, ram->high, ram->hva + ram->low), err);
    }
    return ret;
}

int vm_init(struct vm *vm, unsigned cpus, const struct ram *ram, struct error *err)
{
    int ret;

    vm->fd = -1;
    vm->kvm_fd = vm_open_kvm(err);
    if (vm->kvm_fd < 0) {
        return vm->kvm_fd;
    }
    ret = check_capabilities(vm->kvm_fd, cpus, err);
    if (ret < 0) {
        goto fail;
    }
    vm->run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    do {
        vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
    } while (vm->fd < 0 && errno == EINTR);
    if (vm->fd < 0 || vm->run_size <= 0) {
        ret = error_set(err, -errno, "/dev/kvm: KVM_CREATE_VM: %s%s", strerror(errno),
                        errno == EBUSY ? "; another hypervisor may be using the CPU" : "");
        goto fail;
    }
    ret = set_up(vm, ram, err);
    if (ret < 0) {
        goto fail;
    }
    return 0;
fail:
    vm_destroy(vm);
    return ret;
}

void vm_destroy(struct vm *vm)
{
    if (vm->fd >= 0) {
        close(vm->fd);
    }
    if (vm->kvm_fd >= 0) {
        close(vm->kvm_fd);
    }
    vm->fd = vm->kvm_fd = -1;
}

void vm_irq_line(const struct vm *vm, unsigned gsi, bool level)
{
    struct kvm_irq_level line = {.irq = gsi, .level = level};

    ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

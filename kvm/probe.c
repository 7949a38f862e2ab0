// SPDX-License-Identifier: MIT
/* The probe's guest is a loop and single instructions, run at CPL 0 and CPL 3. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kvm/cpuid.h"
#include "kvm/probe.h"
#include "kvm/vm.h"

/* The machine: one 2 MiB page mapped onto itself for kernel and user, the first 64 KiB are RAM. */
#define RAM_SIZE  0x10000
#define PML4      0x1000
#define PDPT      0x2000
#define PD        0x3000
#define GDT       0x4000
#define IDT       0x5000
#define TSS       0x6000
#define CODE      0x8000
#define STACK_TOP 0xf000
#define TSS_SIZE  0x67

/* Three pages that some CPUs need to run real-mode code. */
#define TSS_ADDR 0xfffbd000

/* A write to this address exits to user space at any privilege level; the value is the result. */
#define EXIT_ADDR   0x100000
#define RESULT_DONE 1

/* The selectors of Linux. */
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_DS   0x2b
#define USER_CS   0x33
#define TSS_SEL   0x40

#define SPINS_FEW  1000
#define SPINS_MANY 21000
#define ROUNDS     3

enum {
    VECTOR_INT3 = 3,
    VECTORS = 32,
};

/*
 * Copied to CODE as a whole. rcx: loop count; rbx: EXIT_ADDR; rsi: 16 aligned bytes.
 */
__asm__(".pushsection .rodata\n"
        ".globl probe_code, probe_user, probe_int3, probe_cmpxchg16b, probe_done, probe_fault\n"
        ".globl probe_code_end\n"
        "probe_code:\n"
        "1: dec %rcx\n"
        "   jnz 1b\n"
        "probe_done:\n"
        "   movl $1, (%rbx)\n"
        "   jmp probe_done\n"
        "probe_fault:\n"
        "   movl $2, (%rbx)\n" /* anything but RESULT_DONE */
        "   jmp probe_fault\n"
        "probe_user:\n" /* rdi: address to continue at, at CPL 3 */
        "   pushq $0x2b\n"
        "   pushq $0xe000\n"
        "   pushq $2\n"
        "   pushq $0x33\n"
        "   pushq %rdi\n"
        "   iretq\n"
        "probe_int3:\n"
        "   int3\n"
        "   jmp probe_fault\n"
        "probe_cmpxchg16b:\n"
        "   lock cmpxchg16b (%rsi)\n"
        "   jmp probe_done\n"
        "probe_code_end:\n"
        ".popsection\n");

extern const char probe_code[], probe_user[], probe_int3[], probe_cmpxchg16b[], probe_done[],
    probe_fault[], probe_code_end[];

static uint64_t guest_address(const char *label)
{
    return CODE + (uint64_t)(label - probe_code);
}

struct probe {
    int kvm, vm, vcpu;
    uint8_t *ram;
    struct kvm_run *run;
    int run_size;
};

static void put64(struct probe *p, unsigned at, uint64_t value)
{
    memcpy(p->ram + at, &value, sizeof(value));
}

static void set_gate(struct probe *p, unsigned vector, uint64_t handler)
{
    put64(p, IDT + vector * 16, (handler & 0xffff) | KERNEL_CS << 16 | 0x8e00ull << 32);
    put64(p, IDT + vector * 16 + 8, 0);
}

static void fill_ram(struct probe *p)
{
    memset(p->ram, 0, RAM_SIZE);
    put64(p, PML4, PDPT | 7);
    put64(p, PDPT, PD | 7);
    put64(p, PD, 0x80 | 7);
    put64(p, GDT + KERNEL_CS, 0x00af9b000000ffff);
    put64(p, GDT + KERNEL_DS, 0x00cf93000000ffff);
    put64(p, GDT + (USER_DS & ~7), 0x00cff3000000ffff);
    put64(p, GDT + (USER_CS & ~7), 0x00affb000000ffff);
    put64(p, GDT + TSS_SEL, 0x00008b0000000000 | (uint64_t)TSS << 16 | TSS_SIZE);
    put64(p, TSS + 4, STACK_TOP);
    for (unsigned i = 0; i < VECTORS; i++) {
        set_gate(p, i, guest_address(i == VECTOR_INT3 ? probe_done : probe_fault));
    }
    memcpy(p->ram + CODE, probe_code, (size_t)(probe_code_end - probe_code));
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
    return (struct kvm_segment){
        .limit = 0xffffffff,
        .selector = selector,
        .type = type,
        .present = 1,
        .dpl = selector & 3,
        .db = !code,
        .s = 1,
        .l = code,
        .g = 1,
    };
}

static int set_registers(struct probe *p, uint64_t rip, uint64_t rcx, uint64_t rdi)
{
    struct kvm_regs regs = {
        .rip = rip,
        .rsp = STACK_TOP,
        .rflags = 2,
        .rbx = EXIT_ADDR,
        .rcx = rcx,
        .rsi = STACK_TOP,
        .rdi = rdi,
    };
    struct kvm_sregs s;

    if (ioctl(p->vcpu, KVM_GET_SREGS, &s) < 0) {
        return -errno;
    }
    s.cs = segment(KERNEL_CS, 0xb, true);
    s.ss = s.ds = s.es = s.fs = s.gs = segment(KERNEL_DS, 3, false);
    s.tr = (struct kvm_segment){
        .base = TSS, .limit = TSS_SIZE, .selector = TSS_SEL, .type = 0xb, .present = 1};
    s.gdt = (struct kvm_dtable){.base = GDT, .limit = TSS_SEL + 15};
    s.idt = (struct kvm_dtable){.base = IDT, .limit = VECTORS * 16 - 1};
    s.cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
    s.cr3 = PML4;
    s.cr4 = 0x20;   /* PAE */
    s.efer = 0x500; /* LMA LME */
    if (ioctl(p->vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(p->vcpu, KVM_SET_REGS, &regs) < 0) {
        return -errno;
    }
    return 0;
}

/* Return: 1 if the guest wrote RESULT_DONE, 0 after any other exit, or -errno. */
static int run(struct probe *p, uint64_t rip, uint64_t rcx, uint64_t rdi)
{
    int ret = set_registers(p, rip, rcx, rdi);

    if (ret < 0) {
        return ret;
    }
    do {
        ret = ioctl(p->vcpu, KVM_RUN, 0);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0) {
        return -errno;
    }
    return p->run->exit_reason == KVM_EXIT_MMIO && p->run->mmio.is_write &&
           p->run->mmio.phys_addr == EXIT_ADDR && p->run->mmio.data[0] == RESULT_DONE;
}

/* KVM completes the write of an MMIO exit in the next KVM_RUN. */
static void finish_exit(struct probe *p)
{
    p->run->immediate_exit = 1;
    ioctl(p->vcpu, KVM_RUN, 0);
    p->run->immediate_exit = 0;
}

/* Return: the shortest time of ROUNDS runs, ns; -ENOTSUP if a run did not finish. */
static int64_t time_spins(struct probe *p, bool user, uint64_t spins)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < ROUNDS; i++) {
        struct timespec a, b;
        int64_t ns;
        int ret;

        clock_gettime(CLOCK_MONOTONIC, &a);
        ret = user ? run(p, guest_address(probe_user), spins, CODE) : run(p, CODE, spins, 0);
        clock_gettime(CLOCK_MONOTONIC, &b);
        if (ret <= 0) {
            return ret < 0 ? ret : -ENOTSUP;
        }
        finish_exit(p);
        ns = (b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec;
        if (ns < best) {
            best = ns;
        }
    }
    return best;
}

/* The difference of two loop counts cancels the cost of guest entry and exit. */
static int time_instruction(struct probe *p, bool user, double *ns, struct error *err)
{
    int64_t few = time_spins(p, user, SPINS_FEW);
    int64_t many = few < 0 ? few : time_spins(p, user, SPINS_MANY);

    if (many < 0) {
        return error_set(err, (int)many, "/dev/kvm: a loop at CPL %d did not run: %s", user ? 3 : 0,
                         strerror((int)-many));
    }
    *ns = many > few ? (double)(many - few) / (2.0 * (SPINS_MANY - SPINS_FEW)) : 0;
    return 0;
}

static int make_vcpu(struct probe *p)
{
    struct kvm_userspace_memory_region region = {
        .memory_size = RAM_SIZE,
        .userspace_addr = (uintptr_t)p->ram,
    };

    p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
    if (p->vm < 0 || ioctl(p->vm, KVM_SET_TSS_ADDR, TSS_ADDR) < 0 ||
        ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0) {
        return -errno;
    }
    p->run_size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
    if (p->run_size < 0 || p->vcpu < 0) {
        return -errno;
    }
    p->run = mmap(NULL, (size_t)p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
    return p->run == MAP_FAILED ? -errno : 0;
}

/* KVM_SET_SREGS checks EFER against the CPUID of the vCPU: without CPUID long mode is refused. */
static int set_cpuid(struct probe *p, struct error *err)
{
    struct kvm_cpuid2 *cpuid;
    int ret = cpuid_query(p->kvm, &cpuid, err);

    if (ret < 0) {
        return ret;
    }
    ret = ioctl(p->vcpu, KVM_SET_CPUID2, cpuid) < 0 ? -errno : 0;
    free(cpuid);
    return ret < 0 ? error_set(err, ret, "/dev/kvm: KVM_SET_CPUID2: %s", strerror(-ret)) : 0;
}

static void close_probe(struct probe *p)
{
    if (p->run != MAP_FAILED) {
        munmap(p->run, (size_t)p->run_size);
    }
    if (p->vcpu >= 0) {
        close(p->vcpu);
    }
    if (p->vm >= 0) {
        close(p->vm);
    }
    if (p->kvm >= 0) {
        close(p->kvm);
    }
    if (p->ram != MAP_FAILED) {
        munmap(p->ram, RAM_SIZE);
    }
}

static int open_probe(struct probe *p, struct error *err)
{
    int ret;

    *p = (struct probe){.vm = -1, .vcpu = -1, .ram = MAP_FAILED, .run = MAP_FAILED};
    p->kvm = vm_open_kvm(err);
    if (p->kvm < 0) {
        return p->kvm;
    }
    p->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ret = p->ram == MAP_FAILED ? -errno : make_vcpu(p);
    if (ret < 0) {
        error_set(err, ret, "/dev/kvm: cannot create a VM: %s", strerror(-ret));
    } else {
        ret = set_cpuid(p, err);
    }
    if (ret < 0) {
        close_probe(p);
        return ret;
    }
    fill_ram(p);
    return 0;
}

/* In a VM of its own: a vCPU cannot be used after an internal error. */
static int try_instruction(const char *label, bool *works, struct error *err)
{
    struct probe p;
    int ret = open_probe(&p, err);

    if (ret == 0) {
        *works = run(&p, guest_address(label), 0, 0) == 1;
        close_probe(&p);
    }
    return ret;
}

static int time_levels(struct kvm_probe *out, struct error *err)
{
    struct probe p;
    int ret = open_probe(&p, err);

    if (ret == 0) {
        ret = time_instruction(&p, false, &out->kernel_ns, err);
        if (ret == 0) {
            ret = time_instruction(&p, true, &out->user_ns, err);
        }
        close_probe(&p);
    }
    return ret;
}

int kvm_probe(struct kvm_probe *out, struct error *err)
{
    int ret;

    *out = (struct kvm_probe){.kernel_ns = 0};
    ret = time_levels(out, err);
    if (ret == 0) {
        ret = try_instruction(probe_int3, &out->int3, err);
    }
    if (ret == 0) {
        ret = try_instruction(probe_cmpxchg16b, &out->cmpxchg16b, err);
    }
    out->can_boot_linux =
        ret == 0 && out->int3 && out->cmpxchg16b && out->kernel_ns < KVM_PROBE_EMULATED_NS;
    return ret;
}

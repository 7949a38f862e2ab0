// SPDX-License-Identifier: MIT
/* Formatting of crash reports. */
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/crash.h"

#define CODE_BYTES 16

/* A text buffer; text past its end is dropped. */
struct text {
    char *out;
    size_t size, len;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->out + t->len, t->size - t->len, fmt, ap);
    va_end(ap);
    if (n > 0) {
        t->len += (size_t)n < t->size - t->len ? (size_t)n : t->size - t->len - 1;
    }
}

static const char *suberror_name(uint32_t suberror)
{
    switch (suberror) {
    case KVM_INTERNAL_ERROR_EMULATION:
        return "an instruction that KVM cannot emulate";
    case KVM_INTERNAL_ERROR_SIMUL_EX:
        return "two exceptions at once";
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
        return "an exit while an event was being delivered";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
        return "an exit of the CPU that KVM does not know";
    default:
        return "unknown";
    }
}

void crash_internal_error(char *out, size_t size, const struct kvm_run *run)
{
    struct text t = {.out = out, .size = size};
    uint32_t n = run->internal.ndata < 16 ? run->internal.ndata : 16;

    add(&t, "KVM internal error, suberror %" PRIu32 " (%s)", run->internal.suberror,
        suberror_name(run->internal.suberror));
    if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && n >= 1 &&
        run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
        uint8_t len = run->emulation_failure.insn_size;

        add(&t, ", instruction");
        for (unsigned i = 0; i < len && i < sizeof(run->emulation_failure.insn_bytes); i++) {
            add(&t, " %02x", run->emulation_failure.insn_bytes[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        add(&t, "%s 0x%" PRIx64, i ? "" : ", data", (uint64_t)run->internal.data[i]);
    }
}

void crash_entry_failure(char *out, size_t size, const struct kvm_run *run)
{
    snprintf(out, size, "KVM could not enter the guest, hardware reason 0x%" PRIx64,
             (uint64_t)run->fail_entry.hardware_entry_failure_reason);
}

static void add_segment(struct text *t, const char *name, const struct kvm_segment *s)
{
    add(t,
        "%-3s sel %04x base %016" PRIx64 " limit %08x type %x dpl %u p %u s %u l %u db %u g %u\n",
        name, s->selector, (uint64_t)s->base, s->limit, s->type, s->dpl, s->present, s->s, s->l,
        s->db, s->g);
}

static void add_registers(struct text *t, const struct kvm_regs *r)
{
    const struct {
        const char *name;
        uint64_t value;
    } list[] = {
        {"rax", r->rax}, {"rbx", r->rbx}, {"rcx", r->rcx},    {"rdx", r->rdx}, {"rsi", r->rsi},
        {"rdi", r->rdi}, {"rsp", r->rsp}, {"rbp", r->rbp},    {"r8", r->r8},   {"r9", r->r9},
        {"r10", r->r10}, {"r11", r->r11}, {"r12", r->r12},    {"r13", r->r13}, {"r14", r->r14},
        {"r15", r->r15}, {"rip", r->rip}, {"rfl", r->rflags},
    };
    const unsigned nr = sizeof(list) / sizeof(list[0]);

    for (unsigned i = 0; i < nr; i++) {
        add(t, "%-3s %016" PRIx64 "%s", list[i].name, list[i].value,
            i % 4 == 3 || i + 1 == nr ? "\n" : "  ");
    }
}

static void add_system_registers(struct text *t, const struct kvm_sregs *s)
{
    add_segment(t, "cs", &s->cs);
    add_segment(t, "ds", &s->ds);
    add_segment(t, "es", &s->es);
    add_segment(t, "fs", &s->fs);
    add_segment(t, "gs", &s->gs);
    add_segment(t, "ss", &s->ss);
    add_segment(t, "tr", &s->tr);
    add(t, "gdt %016" PRIx64 " limit %04x  idt %016" PRIx64 " limit %04x\n", (uint64_t)s->gdt.base,
        s->gdt.limit, (uint64_t)s->idt.base, s->idt.limit);
    add(t,
        "cr0 %08" PRIx64 "  cr2 %016" PRIx64 "  cr3 %016" PRIx64 "  cr4 %08" PRIx64
        "  efer %" PRIx64 "\n",
        (uint64_t)s->cr0, (uint64_t)s->cr2, (uint64_t)s->cr3, (uint64_t)s->cr4, (uint64_t)s->efer);
}

/* One byte at a time: the instruction may cross into a page that is not mapped. */
static bool read_byte(int vcpu_fd, const struct ram *ram, uint64_t linear, uint8_t *out)
{
    struct kvm_translation tr = {.linear_address = linear};
    const uint8_t *p;

    if (ioctl(vcpu_fd, KVM_TRANSLATE, &tr) < 0 || !tr.valid) {
        return false;
    }
    p = guest_memory_at(&ram->mem, tr.physical_address, 1);
    if (!p) {
        return false;
    }
    *out = *p;
    return true;
}

static void add_code(struct text *t, int vcpu_fd, const struct ram *ram, uint64_t rip)
{
    unsigned n;

    add(t, "code at rip:");
    for (n = 0; n < CODE_BYTES; n++) {
        uint8_t b;

        if (!read_byte(vcpu_fd, ram, rip + n, &b)) {
            break;
        }
        add(t, " %02x", b);
    }
    add(t, "%s\n", n == 0 ? " not in guest memory" : "");
}

void crash_report(char *out, size_t size, int vcpu_fd, unsigned index, const struct ram *ram,
                  const char *cause)
{
    struct text t = {.out = out, .size = size};
    struct kvm_sregs sregs;
    struct kvm_regs regs;

    add(&t, "vCPU %u: %s\n", index, cause);
    if (ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0 || ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0) {
        add(&t, "its registers cannot be read\n");
        return;
    }
    if (regs.rip == 0xfff0 && sregs.cs.base == 0xffff0000) {
        add(&t,
            "(this CPU resets its registers on a triple fault: the values are those of a reset)\n");
    }
    add_registers(&t, &regs);
    add_system_registers(&t, &sregs);
    add_code(&t, vcpu_fd, ram, sregs.cs.base + regs.rip);
}

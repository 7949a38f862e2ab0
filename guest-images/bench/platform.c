// SPDX-License-Identifier: MIT
/*
 * platform.c - start at CPL 0, exceptions, interrupt controllers, marks and exit
 */
#include "guest-images/bench/clock.h"
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/platform.h"

#define IOAPIC_BASE   0xfec00000
#define IOAPIC2_BASE  0xfec10000 /* QEMU's microvm has a second one for interrupts from 24 on */
#define IOAPIC_PINS   24
#define IOAPIC_INDEX  0x00
#define IOAPIC_DATA   0x10
#define IOAPIC_REDTBL 0x10

#define LAPIC_ID           0x20
#define LAPIC_SPURIOUS     0xf0
#define LAPIC_ENABLE       0x100
#define LAPIC_LVT_TIMER    0x320
#define LAPIC_LVT_LINT0    0x350
#define LAPIC_LVT_MASKED   0x10000
#define LAPIC_LVT_PERIODIC 0x20000
#define LAPIC_TIMER_COUNT  0x380
#define LAPIC_TIMER_DIVIDE 0x3e0
#define LAPIC_DIVIDE_BY_16 0x3
#define LAPIC_TIMER_ONE_SEC                                                                        \
    (1000 * 1000 * 1000 /                                                                          \
     16) /* KVM's and QEMU's APIC bus runs at 1 GHz                           \
                               */

#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

struct trap_frame {
    uint64_t cr2, rax, vector, error, rip, cs, rflags, rsp, ss;
};

void cpl0_init(void);
void trap_report(const struct trap_frame *frame) __attribute__((noreturn));

static bool control_in_use = true;

/* All set-up at CPL 0. On some KVMs every instruction here costs 0.36 us. */
void cpl0_init(void)
{
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    mmio_write32(LAPIC_BASE + LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
    mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_ENABLE | VECTOR_SPURIOUS);
    clock_detect();
}

void trap_report(const struct trap_frame *frame)
{
    fail(BENCH_EXIT_TRAP,
         "exception %lu at 0x%lx, error code 0x%lx, cr2 0x%lx, rflags 0x%lx, rsp 0x%lx, cs 0x%lx",
         frame->vector, frame->rip, frame->error, frame->cr2, frame->rflags, frame->rsp, frame->cs);
}

void control_enable(bool enable)
{
    control_in_use = enable;
}

void mark_begin(void)
{
    if (control_in_use) {
        outl(BENCH_PORT_CTL, BENCH_CTL_BEGIN << 16);
    } else {
        say("mark=begin\n");
    }
}

void mark_end(void)
{
    if (control_in_use) {
        outl(BENCH_PORT_CTL, BENCH_CTL_END << 16);
    } else {
        say("mark=end\n");
    }
}

static void triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt;

    __asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}

/* Each exit port is written in turn; a write to a port without a device has no effect. */
void leave(int code)
{
    if (control_in_use) {
        outl(BENCH_PORT_CTL, BENCH_CTL_EXIT << 16 | (uint32_t)code);
    } else {
        say("exit=%u\n", (unsigned)code);
        outb(BENCH_PORT_QEMU_EXIT, (uint8_t)code);
    }
    outb(0x64, 0xfe);
    call_cpl0(triple_fault);
    __builtin_unreachable();
}

uint64_t ram_end(const struct hvm_start_info *info)
{
    const struct {
        uint64_t address, size;
        uint32_t type, reserved;
    } *map = (const void *)info->memmap_paddr;
    const uint64_t image = 0x200000;

    if (info->version < 1) {
        return 0;
    }
    for (uint32_t i = 0; i < info->memmap_entries; i++) {
        if (map[i].type == 1 && map[i].address <= image && image - map[i].address < map[i].size) {
            return map[i].address + map[i].size;
        }
    }
    return 0;
}

void irq_connect(unsigned index, uint64_t mmio, unsigned irq)
{
    uint64_t ioapic = irq < IOAPIC_PINS ? IOAPIC_BASE : IOAPIC2_BASE;
    uint32_t entry = IOAPIC_REDTBL + 2 * (irq < IOAPIC_PINS ? irq : irq - IOAPIC_PINS);

    irq_mmio[index] = mmio;
    mmio_write32(ioapic + IOAPIC_INDEX, entry + 1);
    mmio_write32(ioapic + IOAPIC_DATA, mmio_read32(LAPIC_BASE + LAPIC_ID));
    mmio_write32(ioapic + IOAPIC_INDEX, entry);
    mmio_write32(ioapic + IOAPIC_DATA, VECTOR_DISK + index);
}

void timer_start(void)
{
    mmio_write32(LAPIC_BASE + LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_BY_16);
    mmio_write32(LAPIC_BASE + LAPIC_LVT_TIMER, LAPIC_LVT_PERIODIC | VECTOR_TIMER);
    mmio_write32(LAPIC_BASE + LAPIC_TIMER_COUNT, LAPIC_TIMER_ONE_SEC);
}

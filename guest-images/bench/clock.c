// SPDX-License-Identifier: MIT
/*
 * clock.c - the frequency of the TSC
 */
#include "guest-images/bench/clock.h"
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/platform.h"

#define CPUID_HYPERVISOR    0x40000000
#define CPUID_KVM_FEATURES  0x40000001
#define CPUID_TIMING        0x40000010
#define KVM_CLOCKSOURCE2    (1u << 3)
#define MSR_KVM_SYSTEM_TIME 0x4b564d01
#define SIGNATURE_KVMK      0x4b4d564b /* the first four letters of KVMKVMKVM */
#define PIT_CHANNEL0        0x40
#define PIT_MODE            0x43
#define PIT_HZ              1193182
#define PIT_CALIBRATION     23864 /* 20 ms */

/* The structure KVM fills at the address given to MSR_KVM_SYSTEM_TIME. */
static volatile struct {
    uint32_t version;
    uint32_t pad;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t mul;
    int8_t shift;
    uint8_t flags;
    uint8_t pad2[2];
} kvmclock __attribute__((aligned(32)));

static const char *source;
static uint64_t cpuid_khz;
static uint64_t khz;

void clock_detect(void)
{
    uint32_t max, regs[4];

    cpuid(CPUID_HYPERVISOR, regs);
    max = regs[0];
    if (regs[1] == SIGNATURE_KVMK) {
        cpuid(CPUID_KVM_FEATURES, regs);
        if (regs[0] & KVM_CLOCKSOURCE2) {
            wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&kvmclock | 1);
            return;
        }
    }
    if (max >= CPUID_TIMING && max < CPUID_HYPERVISOR + 0x100) {
        cpuid(CPUID_TIMING, regs);
        cpuid_khz = regs[0];
        return;
    }
    cpuid(0, regs);
    if (regs[0] >= 0x15) {
        cpuid(0x15, regs);
        if (regs[0] && regs[1] && regs[2]) {
            cpuid_khz = mul_div(regs[2], regs[1], regs[0]) / 1000;
        }
    }
}

static uint16_t pit_read(void)
{
    uint8_t low;

    outb(PIT_MODE, 0); /* latch channel 0 */
    low = inb(PIT_CHANNEL0);
    return (uint16_t)(inb(PIT_CHANNEL0) << 8 | low);
}

/* TSC ticks in PIT_CALIBRATION steps of channel 0, counting down from 65536. */
static uint64_t khz_from_pit(void)
{
    uint64_t begin, ticks;
    uint16_t first, steps;

    outb(PIT_MODE, 0x34); /* channel 0, both bytes, rate generator */
    outb(PIT_CHANNEL0, 0);
    outb(PIT_CHANNEL0, 0);
    first = pit_read();
    begin = rdtsc();
    do {
        steps = (uint16_t)(first - pit_read());
        ticks = rdtsc() - begin;
    } while (steps < PIT_CALIBRATION && ticks < 1ull << 36);
    if (steps < PIT_CALIBRATION) {
        fail(BENCH_EXIT_DEVICE, "no clock: neither kvmclock, nor CPUID, nor a PIT that counts");
    }
    return mul_div(ticks, PIT_HZ, (uint64_t)steps * 1000);
}

void clock_init(void)
{
    uint32_t version, mul;
    int8_t shift;

    if (kvmclock.mul) {
        do {
            version = kvmclock.version & ~1u;
            mul = kvmclock.mul;
            shift = kvmclock.shift;
        } while (kvmclock.version != version);
        /* ns = (ticks << shift) * mul >> 32, so a millisecond takes 10^6 * 2^32 / mul ticks */
        khz = mul_div(1000000, 1ull << 32, mul);
        khz = shift < 0 ? khz << -shift : khz >> shift;
        source = "kvmclock";
    } else if (cpuid_khz) {
        khz = cpuid_khz;
        source = "cpuid";
    } else {
        khz = khz_from_pit();
        source = "pit";
    }
}

uint64_t ticks_to_ns(uint64_t ticks)
{
    return mul_div(ticks, 1000000, khz);
}

uint64_t ns_to_ticks(uint64_t ns)
{
    return mul_div(ns, khz, 1000000);
}

const char *clock_source(void)
{
    return source;
}

uint64_t clock_tsc_khz(void)
{
    return khz;
}

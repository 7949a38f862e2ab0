// SPDX-License-Identifier: MIT
/*
 * clock.h - nanoseconds from the TSC
 *
 * The measured part only reads the TSC; ticks become nanoseconds at the end, with a factor
 * from kvmclock, from the CPUID frequency leaves if there is no kvmclock, or else from the PIT.
 */
#ifndef GUEST_IMAGES_BENCH_CLOCK_H
#define GUEST_IMAGES_BENCH_CLOCK_H

#include <stdint.h>

/* At CPL 0, once: looks for kvmclock and for frequency leaves. */
void clock_detect(void);

/* Once, before anything below: takes the factor, measuring it against the PIT if it must. */
void clock_init(void);

uint64_t ticks_to_ns(uint64_t ticks);
uint64_t ns_to_ticks(uint64_t ns);

/* "kvmclock", "cpuid" or "pit". */
const char *clock_source(void);
uint64_t clock_tsc_khz(void);

#endif

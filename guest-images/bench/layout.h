/* SPDX-License-Identifier: MIT */
/* Constants that assembly and C share inside the guest. */
#ifndef GUEST_IMAGES_BENCH_LAYOUT_H
#define GUEST_IMAGES_BENCH_LAYOUT_H

#include "guest-images/bench/bench-guest.h"

#define SEL_KERNEL_CS 0x10
#define SEL_KERNEL_DS 0x18
#define SEL_USER_DS   0x2b
#define SEL_USER_CS   0x33
#define SEL_TSS       0x40

#define RFLAGS_FIXED 0x2

#define TSS_BYTES       104
#define IO_BITMAP_BYTES 0x80 /* for ports up to 0x3ff */

#define VECTOR_UNDEFINED 6
#define VECTOR_DISK      0x40 /* one for each disk from here on */
#define VECTOR_TIMER     0x50
#define VECTOR_SPURIOUS  0xff

#define LAPIC_BASE 0xfee00000

#endif

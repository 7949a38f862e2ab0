/* SPDX-License-Identifier: MIT */
/*
 * bench-guest.h - the interface between the bench guest and the program that runs it
 *
 * The guest is an ELF64 image with a PVH entry. It takes options from its command line (see
 * README.md), writes `key=value` lines to the debug port, marks the measured part and ends
 * through the control port. Both sides and assembly include this file.
 */
#ifndef GUEST_IMAGES_BENCH_BENCH_GUEST_H
#define GUEST_IMAGES_BENCH_BENCH_GUEST_H

/* Increased when a key changes its meaning or is removed; the guest prints it as `abi=`. */
#define BENCH_ABI_VERSION 2

/* Text: one byte per outb, lines end in '\n'. With `console=serial` it goes to COM1 instead. */
#define BENCH_PORT_DEBUG 0xe9

/*
 * Control: one outl of a BENCH_CTL_ word. Not used with `ctl=0`; then the guest only prints
 * `mark=begin`, `mark=end` and, as its last line, `exit=CODE`, and leaves by BENCH_PORT_QEMU_EXIT
 * and by a reset.
 */
#define BENCH_PORT_CTL 0xec

/* The range that holds both. */
#define BENCH_PORT_FIRST BENCH_PORT_DEBUG
#define BENCH_PORT_COUNT (BENCH_PORT_CTL + 4 - BENCH_PORT_FIRST)

/* The word is command << 16 | argument. */
#define BENCH_CTL_COMMAND(word)  ((word) >> 16)
#define BENCH_CTL_ARGUMENT(word) ((word)&0xffff)
#define BENCH_CTL_BEGIN          1 /* the next request submitted is the first one measured */
#define BENCH_CTL_END            2 /* the last one measured has completed; none is in flight */
#define BENCH_CTL_EXIT           3 /* power off; argument: a BENCH_EXIT_ code */

/* QEMU's isa-debug-exit at its usual place: code c makes QEMU exit with (c << 1) | 1. */
#define BENCH_PORT_QEMU_EXIT 0xf4

/* Exit codes. With any but the first an `error=` line says why. */
#define BENCH_EXIT_OK     0 /* the report is complete and no request failed */
#define BENCH_EXIT_USAGE  1 /* an option is wrong, or does not fit the disk or the memory */
#define BENCH_EXIT_DEVICE 2 /* a disk refused its set-up, broke the ring, or failed requests */
#define BENCH_EXIT_TRAP   3 /* the guest took an exception */
#define BENCH_EXIT_STALLED                                                                         \
    4 /* no completion for BENCH_STALL_S seconds: a lost kick or interrupt                         \
       */

#define BENCH_STALL_S 10

/* Limits the options are checked against. */
#define BENCH_MAX_DISKS  4
#define BENCH_MAX_QUEUES 4 /* of a disk */
#define BENCH_MAX_DEPTH  128
#define BENCH_MIN_BS     512
#define BENCH_MAX_BS     (1024 * 1024)

/* The image ends below. Data buffers, disks * queues * depth * bs rounded up to pages, begin here.
 */
#define BENCH_BUFFERS_START 0x400000

#ifndef __ASSEMBLER__
#include <stdint.h>

/* With `verify=1` every sector of 512 bytes begins with this, and ends with its complement. */
static inline uint64_t bench_verify_word(uint64_t sector)
{
    return (sector + 1) * 0x9e3779b97f4a7c15;
}

/* The ELF image inside libpollux: bench_guest_end - bench_guest_start bytes, page aligned. */
extern const unsigned char bench_guest_start[];
extern const unsigned char bench_guest_end[];
#endif

#endif

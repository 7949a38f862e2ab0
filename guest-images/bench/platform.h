// SPDX-License-Identifier: MIT
/*
 * platform.h - the machine without the ring: text output, marks, exit, memory, interrupts
 *
 * Everything runs on the one vCPU, at CPL 3.
 */
#ifndef GUEST_IMAGES_BENCH_PLATFORM_H
#define GUEST_IMAGES_BENCH_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-images/bench/layout.h"

struct hvm_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};

/* Where the text goes; the first line printed must come after this was set. */
void console_use_serial(void);

/* A small printf: %s, %u, %x, %lu, %lx and %%. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print `error=...` and leave with @code. */
void fail(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Marks and exit go to the control port only while it is in use (default: yes). */
void control_enable(bool enable);
void mark_begin(void);
void mark_end(void);
void leave(int code) __attribute__((noreturn));

/* The end of the RAM range that holds the image, or 0 if it is not in the map. */
uint64_t ram_end(const struct hvm_start_info *info);

/* Run @fn at CPL 0. It costs an exception, so it is not for the hot path. */
void call_cpl0(void (*fn)(void));

/* For call_cpl0(): enables interrupts and halts the vCPU until one has been handled. */
void cpl0_wait(void);

/*
 * Enable the interrupt of disk @index: global interrupt @irq becomes vector VECTOR_DISK + index, edge
 * triggered. @mmio is where the handler finds InterruptStatus and InterruptACK.
 */
void irq_connect(unsigned index, uint64_t mmio, unsigned irq);

/* Start the timer that ends a hlt about once a second. */
void timer_start(void);

/* Written by the handlers in boot.S. */
extern volatile uint64_t irq_count[BENCH_MAX_DISKS];
extern volatile uint64_t timer_ticks;
extern uint64_t irq_mmio[BENCH_MAX_DISKS];

extern char image_end[];

#endif

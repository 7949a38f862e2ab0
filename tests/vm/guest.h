// SPDX-License-Identifier: MIT
/*
 * Small guests for the VM tests: a few instructions of 32-bit code, written in the test itself,
 * wrapped into an ELF file with a PVH note and run in a machine.
 */
#ifndef POLLUX_TESTS_VM_GUEST_H
#define POLLUX_TESTS_VM_GUEST_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/machine.h"

#define GUEST_BASE     0x100000 /* where the code runs, and begins */
#define GUEST_ELF_MAX  65536
#define GUEST_PORT     0x500 /* what the guest writes here comes back in guest_run.values */
#define GUEST_VALUES   256
#define GUEST_CONSOLE  8192
#define GUEST_POWEROFF "movw $0x600, %dx; movb $0x34, %al; outb %al, %dx; "

/* Code as position-independent 32-bit assembly; ebx holds the start info's address. */
#define GUEST_CODE(name, text)                                                                     \
    extern const uint8_t name##_begin[], name##_end[];                                             \
    __asm__(".pushsection .rodata\n.code32\n" #name "_begin:\n" text "\n" #name                    \
            "_end:\n.code64\n.popsection\n")

#define GUEST_CODE_RUN(run, name) guest_run(run, name##_begin, (size_t)(name##_end - name##_begin))

/* One run of a guest: what goes in is set by guest_init() and the test, what came out by the run.
 */
struct guest_run {
    struct machine_config config;
    struct machine_ports ports;
    const char *input; /* typed before the start; NULL: nothing */

    enum machine_end end;
    char message[4096];
    char console[GUEST_CONSOLE];
    size_t console_len;
    uint32_t values[GUEST_VALUES];
    unsigned nr_values;
    uint64_t exits;
};

/**
 * guest_elf - make an ELF file with a PVH note around @code
 * Return: bytes of @elf that were filled.
 */
size_t guest_elf(uint8_t elf[GUEST_ELF_MAX], const uint8_t *code, size_t len);

/* One vCPU, 16 MiB, no disk. */
void guest_init(struct guest_run *run);
void guest_run(struct guest_run *run, const uint8_t *code, size_t len);

/**
 * guest_main - run a test program's cases; without /dev/kvm says so and returns 77
 */
int guest_main(Suite *suite);

#endif

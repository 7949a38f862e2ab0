/* SPDX-License-Identifier: MIT */
/* Embeds the bench guest's ELF file in libpollux.a. bench.mk defines BENCH_ELF, its path. */
    .section .rodata
    .balign 4096
    .globl bench_guest_start, bench_guest_end
    .type bench_guest_start, @object
    .type bench_guest_end, @object
bench_guest_start:
    .incbin BENCH_ELF
bench_guest_end:
    .byte 0
    .size bench_guest_start, bench_guest_end - bench_guest_start

    .section .note.GNU-stack, "", @progbits

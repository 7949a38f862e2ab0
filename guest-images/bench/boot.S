/* SPDX-License-Identifier: MIT */
/*
 * boot.S - PVH entry, descriptor tables, page tables, interrupt stubs
 *
 * All tables are built by the assembler. Some KVMs emulate code at CPL 0 instruction by
 * instruction, which is slow, so only little code runs there: switch to long mode, cpl0_init(), and
 * out by iretq to CPL 3, with selectors that Linux uses for user mode; later the handlers, and hlt.
 */
#include "guest-images/bench/layout.h"

#define PTE_TABLE   0x07        /* present, writable, user */
#define PTE_PAGE_2M 0x87
#define CR0_BITS    0x80000033  /* PG, NE, ET, MP, PE */
#define CR4_PAE     0x20
#define MSR_EFER    0xc0000080
#define EFER_LME    0x100

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad pvh_start

    .text
    .code32
    .globl pvh_start
pvh_start:                      /* %ebx: hvm_start_info; flat segments, paging off */
    cli
    cld
    movl $page_map, %eax
    movl %eax, %cr3
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $MSR_EFER, %ecx
    movl $EFER_LME, %eax
    xorl %edx, %edx
    wrmsr
    movl $CR0_BITS, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $SEL_KERNEL_CS, $start64

    .code64
start64:
    movl $SEL_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl $kernel_stack_top, %esp
    movl $SEL_TSS, %eax
    ltr %ax
    lidt idt_pointer
    movl %ebx, start_info
    call cpl0_init

    pushq $SEL_USER_DS
    pushq $user_stack_top
    pushq $RFLAGS_FIXED
    pushq $SEL_USER_CS
    pushq $user_start
    iretq

user_start:
    xorl %ebp, %ebp
    movl start_info, %edi
    call bench_main
    ud2

/*
 * call_cpl0(fn): run fn at CPL 0, on the kernel stack. An undefined instruction is the gate: `int n`
 * at CPL 3 never arrives where user mode runs on the host's own interrupt table.
 */
    .globl call_cpl0
call_cpl0:
    ud2
    ret

undefined_entry:
    cmpq $call_cpl0, 16(%rsp)
    jne trap_entry
    cld
    call *%rdi
    addq $2, 16(%rsp)           /* past the ud2 */
    addq $16, %rsp
    iretq

/* sti blocks interrupts until hlt has begun, so that no interrupt is lost between the two. */
    .globl cpl0_wait
cpl0_wait:
    sti
    hlt
    cli
    ret

/* Exceptions: save what the report prints, in the order of struct trap_frame. */
trap_entry:
    cld
    pushq %rax
    movq %cr2, %rax
    pushq %rax
    movq %rsp, %rdi
    call trap_report
    ud2

/*
 * Disk interrupts. Only cpl0_wait() enables them. Acknowledge first, look
 * at the ring afterwards: what completes after the acknowledgement raises the line again.
 */
irq_entry:
    pushq %rax
    pushq %rdx
    movl 16(%rsp), %edx         /* vector */
    incq irq_count - VECTOR_DISK * 8(, %rdx, 8)
    movq irq_mmio - VECTOR_DISK * 8(, %rdx, 8), %rdx
    movl 0x60(%rdx), %eax       /* InterruptStatus */
    movl %eax, 0x64(%rdx)       /* InterruptACK */
    movl $LAPIC_BASE, %eax
    movl $0, 0xb0(%rax)         /* EOI */
    popq %rdx
    popq %rax
    addq $16, %rsp
    iretq

/* The timer only ends a hlt, so that a lost interrupt is noticed. */
timer_entry:
    pushq %rax
    incq timer_ticks
    movl $LAPIC_BASE, %eax
    movl $0, 0xb0(%rax)
    popq %rax
    addq $16, %rsp
    iretq

spurious_entry:
    addq $16, %rsp
    iretq

    .section .stubs, "ax"
    .globl isr_stubs
isr_stubs:
    vector = 0
    .rept 256
    .balign 16
    /* 8, 10-14, 17, 21, 29 and 30 come with an error code */
    .if vector >= 32
    pushq $0
    .elseif ((0x60227d00 >> vector) & 1) == 0
    pushq $0
    .endif
    pushq $vector
    .if vector >= VECTOR_DISK && vector < VECTOR_DISK + BENCH_MAX_DISKS
    jmp irq_entry
    .elseif vector == VECTOR_UNDEFINED
    jmp undefined_entry
    .elseif vector == VECTOR_TIMER
    jmp timer_entry
    .elseif vector == VECTOR_SPURIOUS
    jmp spurious_entry
    .else
    jmp trap_entry
    .endif
    vector = vector + 1
    .endr

    .section .tss, "aw"
    .balign 16
    .globl tss
tss:
    .long 0
    .quad kernel_stack_top      /* RSP0 */
    .fill 90, 1, 0
    .word TSS_BYTES             /* the I/O bitmap begins here */
    /* CPL 3 may use ports 0 to 0x3ff. Not by IOPL 3, as an emulated iretq may lose that. */
    .fill IO_BITMAP_BYTES, 1, 0
    .byte 0xff                  /* the processor wants a byte of ones at the end */

    .data
    .balign 4096
page_map:
    .quad page_directories + PTE_TABLE
    .fill 511, 8, 0
page_directories:
    .quad page_tables + PTE_TABLE
    .quad page_tables + 4096 + PTE_TABLE
    .quad page_tables + 8192 + PTE_TABLE
    .quad page_tables + 12288 + PTE_TABLE
    .fill 508, 8, 0
page_tables:                    /* 4 GiB, identity, MMIO included: KVM has the right memory types */
    address = 0
    .rept 2048
    .quad address + PTE_PAGE_2M
    address = address + 0x200000
    .endr

    .balign 16
idt:
    vector = 0
    .rept 256
    .word vector * 16, SEL_KERNEL_CS, 0x8e00, 0x20
    .quad 0
    vector = vector + 1
    .endr
idt_pointer:
    .word idt_pointer - idt - 1
    .quad idt

    .balign 16
gdt:
    .quad 0
    .quad 0
    .quad 0x00af9b000000ffff    /* 0x10 kernel code */
    .quad 0x00cf93000000ffff    /* 0x18 kernel data */
    .quad 0
    .quad 0x00cff3000000ffff    /* 0x28 user data */
    .quad 0x00affb000000ffff    /* 0x30 user code */
    .quad 0
    .quad 0x0000890000000000 + (0x210000 << 16) + TSS_BYTES + IO_BITMAP_BYTES  /* 0x40 TSS */
    .quad 0
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .quad gdt

    .bss
    .balign 64
    .globl irq_count, irq_mmio, timer_ticks
irq_count:
    .skip BENCH_MAX_DISKS * 8
irq_mmio:
    .skip BENCH_MAX_DISKS * 8
timer_ticks:
    .skip 8
start_info:
    .skip 8
    .balign 16
    .skip 16384
kernel_stack_top:
    .skip 16384
user_stack_top:

    .section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: MIT
/*
 * The guest's physical address map.
 *
 *     0x0000_0000   boot data: GDT, start info, zero page, page tables, command line
 *     0x0009_fc00   reserved up to 1 MiB; the ACPI tables lie where a BIOS would have put them
 *     0x0010_0000   kernel, then free RAM, the initrd at its end
 *     0xc000_0000   device hole: virtio-mmio, BARs, ECAM, IOAPIC, local APIC, KVM's own pages
 *     0x1_0000_0000 the RAM that did not fit below the hole
 */
#ifndef POLLUX_KVM_LAYOUT_H
#define POLLUX_KVM_LAYOUT_H

#define LAYOUT_GDT          0x1000ull
#define LAYOUT_START_INFO   0x2000ull /* hvm_start_info, its module list and memory map: one page */
#define LAYOUT_ZERO_PAGE    0x7000ull
#define LAYOUT_PAGE_TABLE   0x9000ull /* PML4, PDPT, four page directories */
#define LAYOUT_CMDLINE      0x20000ull
#define LAYOUT_CMDLINE_MAX  0x10000ull
#define LAYOUT_LOW_END      0x9fc00ull
#define LAYOUT_ACPI         0xe0000ull
#define LAYOUT_ACPI_SIZE    0x1f000ull
#define LAYOUT_RESET_VECTOR 0xffff0ull  /* F000:FFF0, where real-mode code jumps to reset a PC */
#define LAYOUT_HIGH         0x100000ull /* RAM from here on belongs to kernel and initrd */

#define LAYOUT_HOLE     0xc0000000ull
#define LAYOUT_HOLE_END 0x100000000ull

#define LAYOUT_VIRTIO_MMIO      0xd0000000ull
#define LAYOUT_VIRTIO_MMIO_SIZE 0x1000ull

#define LAYOUT_PCI_WINDOW      0xd1000000u /* for BARs, one after another in order of slots */
#define LAYOUT_PCI_WINDOW_SIZE 0x0f000000u
#define LAYOUT_ECAM            0xe0000000u
#define LAYOUT_ECAM_SIZE       0x00100000u /* one bus */

#define LAYOUT_IOAPIC       0xfec00000u
#define LAYOUT_LAPIC        0xfee00000u
#define LAYOUT_IDENTITY_MAP 0xfffbc000ull /* one page for KVM */
#define LAYOUT_TSS          0xfffbd000ull /* three pages for KVM */

#define LAYOUT_COM1     0x3f8
#define LAYOUT_COM1_IRQ 4

#define LAYOUT_POWER_BUTTON_GSI 13 /* a PC's coprocessor error, which no x86-64 kernel uses */

/* ACPI sleep and reset registers, at ports chosen here (ACPI 6.5, 4.8.3.6 and 4.8.3.7) */
#define LAYOUT_SLEEP_CONTROL 0x600
#define LAYOUT_SLEEP_STATUS  0x601
#define LAYOUT_ACPI_RESET    0x602
#define LAYOUT_RESET_VALUE   0x01
#define LAYOUT_S5_TYPE       5

#endif

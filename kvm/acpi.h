// SPDX-License-Identifier: MIT
/*
 * ACPI tables for a machine without firmware (ACPI 6.5). The tables are hardware-reduced: a guest
 * does not look for an ACPI timer or 8259s, and finds its devices in the DSDT, a power button among them.
 */
#ifndef POLLUX_KVM_ACPI_H
#define POLLUX_KVM_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Resources of a virtio-mmio device. */
struct acpi_device {
    uint32_t base, size;
    uint32_t gsi; /* edge */
};

/**
 * acpi_build - write RSDP, XSDT, FADT, MADT, DSDT and, with @pci, MCFG
 * @pci: the machine has a PCI host bridge
 * @buf:  guest memory that appears at guest address @gpa, a multiple of 16
 * @size: bytes in it
 * @cpus: 1..254; their APIC ids are 0, 1, ...
 * Return: 0 with the RSDP at @gpa, or -ENOSPC.
 */
int acpi_build(void *buf, uint64_t gpa, size_t size, unsigned cpus, bool pci,
               const struct acpi_device *devices, unsigned nr_devices);

#endif

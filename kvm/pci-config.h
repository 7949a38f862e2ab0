// SPDX-License-Identifier: MIT
/*
 * The configuration space of one PCI function (PCI Local Bus 3.0, chapter 6): 256 bytes, for each
 * of which a mask has the bits that the guest can write, a list of capabilities, and one 64-bit
 * memory BAR in registers 0 and 1. All fields are little-endian.
 */
#ifndef POLLUX_KVM_PCI_CONFIG_H
#define POLLUX_KVM_PCI_CONFIG_H

#include <stdint.h>

#define PCI_CONFIG_SIZE 256
#define PCI_BAR_NONE    UINT64_MAX

struct pci_config {
    uint8_t bytes[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE];
    unsigned end;  /* first byte after the last capability */
    unsigned link; /* where the next capability's offset is stored */
};

/* @class_code: base class, subclass and programming interface, as in 0x018000 */
void pci_config_init(struct pci_config *c, uint16_t vendor, uint16_t device, uint32_t class_code,
                     uint8_t revision);

/**
 * pci_config_set - set a field of 1, 2 or 4 bytes, and the bits of it that the guest can write
 */
void pci_config_set(struct pci_config *c, unsigned offset, unsigned size, uint32_t value,
                    uint32_t writable);

/* pci_config_get - a field of 1, 2 or 4 bytes */
uint32_t pci_config_get(const struct pci_config *c, unsigned offset, unsigned size);

/**
 * pci_config_add_capability - append a capability of @size bytes, a multiple of 4
 * Return: its offset; the bytes after id and link are 0 and read-only.
 */
unsigned pci_config_add_capability(struct pci_config *c, uint8_t id, unsigned size);

/**
 * pci_config_set_bar - make registers 0 and 1 a BAR of @size bytes, a power of 2, at @address
 */
void pci_config_set_bar(struct pci_config *c, uint64_t address, uint32_t size);

/**
 * pci_config_bar - where the BAR answers
 * Return: a guest address, or PCI_BAR_NONE while the guest has memory decoding switched off.
 */
uint64_t pci_config_bar(const struct pci_config *c);

/**
 * pci_config_read, pci_config_write - an access of the guest
 * @offset + @size may be past the end: bytes there read as 0 and ignore writes.
 */
void pci_config_read(const struct pci_config *c, unsigned offset, void *data, unsigned size);
void pci_config_write(struct pci_config *c, unsigned offset, const void *data, unsigned size);

#endif

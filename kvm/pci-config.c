// SPDX-License-Identifier: MIT
#include <assert.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "kvm/pci-config.h"

#define FIRST_CAPABILITY 0x40

void pci_config_init(struct pci_config *c, uint16_t vendor, uint16_t device, uint32_t class_code,
                     uint8_t revision)
{
    *c = (struct pci_config){.end = FIRST_CAPABILITY, .link = PCI_CAPABILITY_LIST};
    pci_config_set(c, PCI_VENDOR_ID, 2, vendor, 0);
    pci_config_set(c, PCI_DEVICE_ID, 2, device, 0);
    pci_config_set(c, PCI_CLASS_REVISION, 4, class_code << 8 | revision, 0);
}

void pci_config_set(struct pci_config *c, unsigned offset, unsigned size, uint32_t value,
                    uint32_t writable)
{
    assert(offset + size <= PCI_CONFIG_SIZE);
    memcpy(c->bytes + offset, &value, size);
    memcpy(c->writable + offset, &writable, size);
}

uint32_t pci_config_get(const struct pci_config *c, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    assert(offset + size <= PCI_CONFIG_SIZE);
    memcpy(&value, c->bytes + offset, size);
    return value;
}

unsigned pci_config_add_capability(struct pci_config *c, uint8_t id, unsigned size)
{
    unsigned at = c->end;

    assert(size % 4 == 0 && at + size <= PCI_CONFIG_SIZE);
    pci_config_set(c, at, 1, id, 0);
    pci_config_set(c, c->link, 1, at, 0);
    c->bytes[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    c->link = at + PCI_CAP_LIST_NEXT;
    c->end = at + size;
    return at;
}

void pci_config_set_bar(struct pci_config *c, uint64_t address, uint32_t size)
{
    assert((size & (size - 1)) == 0 && address % size == 0);
    pci_config_set(c, PCI_BASE_ADDRESS_0, 4, (uint32_t)address | PCI_BASE_ADDRESS_MEM_TYPE_64,
                   ~(size - 1));
    pci_config_set(c, PCI_BASE_ADDRESS_1, 4, (uint32_t)(address >> 32), UINT32_MAX);
    c->writable[PCI_COMMAND] |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
}

uint64_t pci_config_bar(const struct pci_config *c)
{
    uint64_t low = pci_config_get(c, PCI_BASE_ADDRESS_0, 4);

    if (!(c->bytes[PCI_COMMAND] & PCI_COMMAND_MEMORY)) {
        return PCI_BAR_NONE;
    }
    return (uint64_t)pci_config_get(c, PCI_BASE_ADDRESS_1, 4) << 32 |
           (low & PCI_BASE_ADDRESS_MEM_MASK);
}

void pci_config_read(const struct pci_config *c, unsigned offset, void *data, unsigned size)
{
    uint8_t *to = data;

    for (unsigned i = 0; i < size; i++) {
        to[i] = offset + i < PCI_CONFIG_SIZE ? c->bytes[offset + i] : 0;
    }
}

void pci_config_write(struct pci_config *c, unsigned offset, const void *data, unsigned size)
{
    const uint8_t *from = data;

    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_SIZE; i++) {
        uint8_t mask = c->writable[offset + i], *byte = &c->bytes[offset + i];

        *byte = (uint8_t)((*byte & ~mask) | (from[i] & mask));
    }
}

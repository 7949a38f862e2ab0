// SPDX-License-Identifier: MIT
/* The slots do not change while vCPUs run, and a function has its own lock: none is needed here. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/barrier.h"
#include "kvm/layout.h"
#include "kvm/pci-host.h"

enum {
    CONFIG_ADDRESS = 0xcf8,
    CONFIG_DATA = 0xcfc,
    CONFIG_DATA_END = 0xd00,

    /* "PCIe Host bridge", an id for virtual machines. */
    BRIDGE_VENDOR = 0x1b36,
    BRIDGE_DEVICE = 0x0008,
    BRIDGE_CLASS = 0x060000,

    ECAM_FUNCTION_SHIFT = 12,
    CF8_FUNCTION_SHIFT = 8,
};

#define CF8_ENABLE   0x80000000u
#define CF8_WRITABLE 0x80fffffcu

static void bridge_config(void *opaque, unsigned offset, void *data, unsigned size, bool write)
{
    const struct pci_host *h = opaque;

    if (!write) { /* no register of the bridge is writable */
        pci_config_read(&h->bridge, offset, data, size);
    }
}

static bool bridge_memory(void *opaque, uint64_t gpa, void *data, unsigned size, bool write)
{
    return false;
}

static const struct pci_function_ops bridge_ops = {
    .config = bridge_config,
    .memory = bridge_memory,
};

void pci_host_init(struct pci_host *h)
{
    *h = (struct pci_host){0};
    pci_config_init(&h->bridge, BRIDGE_VENDOR, BRIDGE_DEVICE, BRIDGE_CLASS, 0);
    pci_host_add(h, &bridge_ops, h);
}

int pci_host_add(struct pci_host *h, const struct pci_function_ops *ops, void *opaque)
{
    if (h->nr == PCI_HOST_SLOTS) {
        return -ENOSPC;
    }
    h->slots[h->nr].ops = ops;
    h->slots[h->nr].opaque = opaque;
    return (int)h->nr++;
}

/* @function: bus, device and function number, 8, 5 and 3 bits. A function that is not there reads
 * as ones, and so does an access that crosses a double word. */
static void access_config(struct pci_host *h, uint32_t function, unsigned offset, void *data,
                          unsigned size, bool write)
{
    unsigned slot = function >> 3;

    if (function % 8 == 0 && slot < h->nr && size <= 4 && offset % 4 + size <= 4) {
        h->slots[slot].ops->config(h->slots[slot].opaque, offset, data, size, write);
    } else if (!write) {
        memset(data, 0xff, size);
    }
}

static void access_address(struct pci_host *h, void *data, bool write)
{
    uint32_t value;

    if (write) {
        memcpy(&value, data, sizeof(value));
        store_relaxed(&h->address, value & CF8_WRITABLE);
    } else {
        value = load_relaxed(&h->address);
        memcpy(data, &value, sizeof(value));
    }
}

bool pci_host_port(struct pci_host *h, uint16_t port, void *data, unsigned size, bool write)
{
    uint32_t address = load_relaxed(&h->address);

    if (port == CONFIG_ADDRESS && size == 4) {
        access_address(h, data, write);
        return true;
    }
    if (port < CONFIG_DATA || port >= CONFIG_DATA_END || !(address & CF8_ENABLE)) {
        return false;
    }
    access_config(h, (address & ~CF8_ENABLE) >> CF8_FUNCTION_SHIFT,
                  (address & 0xfc) + (port - CONFIG_DATA), data, size, write);
    return true;
}

bool pci_host_memory(struct pci_host *h, uint64_t gpa, void *data, unsigned size, bool write)
{
    uint64_t at = gpa - LAYOUT_ECAM;

    if (at < LAYOUT_ECAM_SIZE) {
        access_config(h, (uint32_t)(at >> ECAM_FUNCTION_SHIFT), at % 4096, data, size, write);
        return true;
    }
    for (unsigned i = 0; i < h->nr; i++) {
        if (h->slots[i].ops->memory(h->slots[i].opaque, gpa, data, size, write)) {
            return true;
        }
    }
    return false;
}

// SPDX-License-Identifier: MIT
/* Options are separated by blanks; quotes are not interpreted. */
#include <string.h>

#include "kvm/cmdline.h"

#define SPACES " \t\n"

bool cmdline_has(const char *line, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = line; p && *p; p += strcspn(p, SPACES)) {
        size_t n;

        p += strspn(p, SPACES);
        n = strcspn(p, SPACES);
        if (n == 2 && !strncmp(p, "--", 2)) {
            return false;
        }
        if (n >= len && !strncmp(p, word, len) && (n == len || p[len] == ',')) {
            return true;
        }
    }
    return false;
}

/*
 * Only ACPI describes vCPUs, I/O APIC and power registers. For acpi=off boot_load() describes disks
 * by virtio_mmio.device=.
 */
static const struct {
    const char *word, *warning;
} warnings[] = {
    {"acpi=off", "acpi=off: the guest has one CPU, cannot power off, and finds disks only by "
                 "virtio_mmio.device= (Linux with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES; Debian's "
                 "kernels are without)"},
    {"acpi=noirq", "acpi=noirq: the guest gets no interrupts of its disks and its serial port"},
    {"pci=noacpi", "pci=noacpi: the guest gets no interrupts of its disks and its serial port"},
    {"noapic", "noapic: the guest gets no interrupts of its disks and its serial port"},
    {"nolapic", "nolapic: the guest gets no interrupts of its disks and its serial port"},
};

const char *cmdline_warning(const char *line)
{
    for (unsigned i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++) {
        if (cmdline_has(line, warnings[i].word)) {
            return warnings[i].warning;
        }
    }
    return NULL;
}

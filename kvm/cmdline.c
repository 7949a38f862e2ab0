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
 * Only ACPI describes vCPUs, I/O APIC and power registers. For acpi=off boot_load() describes
 * virtio-mmio disks by virtio_mmio.device=.
 */
#define NO_PIN_INTERRUPTS                                                                          \
    ": the guest gets no interrupts of its serial port and of disks with transport=mmio"

static const struct {
    const char *word, *warning;
} warnings[] = {
    {"acpi=off", "acpi=off: the guest has one CPU, cannot power off, and finds disks only with "
                 "transport=mmio, by virtio_mmio.device= (Linux with "
                 "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES; Debian's kernels are without)"},
    {"acpi=noirq", "acpi=noirq" NO_PIN_INTERRUPTS},
    {"pci=noacpi", "pci=noacpi" NO_PIN_INTERRUPTS},
    {"noapic", "noapic" NO_PIN_INTERRUPTS},
    {"nolapic", "nolapic: the guest gets no interrupts of its disks and its serial port"},
    {"pci=off", "pci=off: the guest finds only disks with transport=mmio"},
    {"pci=nomsi", "pci=nomsi: the guest gets no interrupts of disks with transport=pci"},
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

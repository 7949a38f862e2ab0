// SPDX-License-Identifier: MIT
/* The ports with which a guest ends its machine: ACPI sleep and reset registers, the keyboard
 * controller's reset line, the chipset's reset register. */
#ifndef POLLUX_KVM_POWER_H
#define POLLUX_KVM_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/machine-end.h"
#include "virtq/guest-memory.h"

/**
 * power_port - an access of one byte
 * @value: written, or to be filled
 * @end:   set if the access ends the machine
 * Return: false if it is none of these ports.
 */
bool power_port(uint16_t port, uint8_t *value, bool write, enum machine_end *end);

/**
 * power_write_bios_entry - put code that resets the machine where a PC's BIOS begins
 * Linux on hardware-reduced ACPI resets through EFI and, where there is none, by a jump to that
 * place in real mode; it never comes to try the ACPI register.
 */
void power_write_bios_entry(const struct guest_memory *mem);

#endif

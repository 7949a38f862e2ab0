// SPDX-License-Identifier: MIT
/*
 * Power-off and reset ports: the ACPI sleep and reset registers, the reset line of the keyboard
 * controller, the reset control register of the chipset.
 */
#ifndef POLLUX_KVM_POWER_PORTS_H
#define POLLUX_KVM_POWER_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/machine-end.h"
#include "virtq/guest-memory.h"

/**
 * power_port_access - the guest reads or writes one byte
 * @value: the byte written, or where to put the byte read
 * @end:   set if the access ends the machine
 * Return: false if @port is not a power-off or reset port.
 */
bool power_port_access(uint16_t port, uint8_t *value, bool write, enum machine_end *end);

/**
 * power_write_reset_vector - put code that resets the machine at the reset vector of a PC's BIOS
 * Linux on hardware-reduced ACPI resets through EFI. Without EFI it jumps to the reset vector in
 * real mode and does not use the ACPI reset register.
 */
void power_write_reset_vector(const struct guest_memory *mem);

#endif

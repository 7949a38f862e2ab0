// SPDX-License-Identifier: MIT
/* The registers have no state: a write that matches ends the machine, any other has no effect. */
#include <string.h>

#include "kvm/layout.h"
#include "kvm/power-ports.h"

enum {
    I8042_COMMAND = 0x64,
    I8042_PULSE_RESET = 0xfe,
    /* Output buffer full: a driver that probes for a controller cannot drain the buffer and gives
     * up. Input buffer empty: a guest sends the reset command without waiting. */
    I8042_STATUS = 0xfd,

    RESET_CONTROL = 0xcf9,
    RESET_CPU = 1u << 2,

    SLEEP_ENABLE = 1u << 5,
    SLEEP_TYPE_SHIFT = 2,
    SLEEP_TYPE_MASK = 7,
};

static void write_port(uint16_t port, uint8_t value, enum machine_end *end)
{
    switch (port) {
    case I8042_COMMAND:
        if (value == I8042_PULSE_RESET) {
            *end = MACHINE_RESET;
        }
        break;
    case RESET_CONTROL:
        if (value & RESET_CPU) {
            *end = MACHINE_RESET;
        }
        break;
    case LAYOUT_ACPI_RESET:
        if (value == LAYOUT_RESET_VALUE) {
            *end = MACHINE_RESET;
        }
        break;
    case LAYOUT_SLEEP_CONTROL:
        if (value & SLEEP_ENABLE &&
            (value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == LAYOUT_S5_TYPE) {
            *end = MACHINE_POWEROFF;
        }
        break;
    default:
        break;
    }
}

bool power_port_access(uint16_t port, uint8_t *value, bool write, enum machine_end *end)
{
    switch (port) {
    case I8042_COMMAND:
    case RESET_CONTROL:
    case LAYOUT_SLEEP_CONTROL:
    case LAYOUT_SLEEP_STATUS:
    case LAYOUT_ACPI_RESET:
        break;
    default:
        return false;
    }
    if (write) {
        write_port(port, *value, end);
    } else {
        *value = port == I8042_COMMAND ? I8042_STATUS : 0;
    }
    return true;
}

void power_write_reset_vector(const struct guest_memory *mem)
{
    static const uint8_t code[] = {
        0xb0, I8042_PULSE_RESET, /* mov $0xfe, %al */
        0xe6, I8042_COMMAND,     /* out %al, $0x64 */
        0xf4,                    /* hlt */
        0xeb, 0xfd,              /* jmp to hlt */
    };

    memcpy(guest_memory_at(mem, LAYOUT_RESET_VECTOR, sizeof(code)), code, sizeof(code));
}

// SPDX-License-Identifier: MIT
/*
 * A guest's memory for the loaders, small and with nothing mapped around it, and what must hold of
 * boot_load() whatever the file is.
 */
#ifndef POLLUX_TESTS_FUZZ_LOADER_H
#define POLLUX_TESTS_FUZZ_LOADER_H

#include "kvm/boot.h"

#define LOADER_LOW    (2ull << 20)
#define LOADER_HIGH   (64ull << 10)
#define LOADER_APPEND "console=ttyS0 acpi=off"

/**
 * loader_load - load a kernel into memory that is all zero
 * Checks the message, and that nothing but boot data is below 1 MiB.
 * Return: as boot_load(). loader_written() and the entry say the rest.
 */
int loader_load(const uint8_t *kernel, size_t size, struct boot_entry *entry);

/**
 * loader_expect - @len bytes at @gpa may have been written
 */
void loader_expect(uint64_t gpa, uint64_t len);

/**
 * loader_bytes - what is at @gpa now; NULL if not all of it is memory
 */
const uint8_t *loader_bytes(uint64_t gpa, uint64_t len);

/**
 * loader_check_rest - all from 1 MiB on that was not expected is zero; then all of it is
 */
void loader_check_rest(void);

#endif

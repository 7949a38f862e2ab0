// SPDX-License-Identifier: MIT
/*
 * An encoder of ACPI machine language (ACPI 6.5, chapter 20), limited to the terms of a device
 * table. Terms are appended in order; a term with a body is opened with aml_*_begin() and closed
 * with aml_end(), which inserts its length. A term that does not fit is dropped and sets @overflow,
 * so that a caller checks once, at the end.
 */
#ifndef POLLUX_KVM_AML_H
#define POLLUX_KVM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH_MAX 8

struct aml {
    uint8_t *buf;
    size_t len, size;
    bool overflow;
    unsigned depth;
    size_t open[AML_DEPTH_MAX]; /* offsets at which the lengths of open terms are inserted */
};

void aml_init(struct aml *a, void *buf, size_t size);
void aml_raw(struct aml *a, const void *data, size_t len);

/* @name: a path such as "\\_SB" or "COM1", each segment four characters or fewer */
void aml_scope_begin(struct aml *a, const char *name);
void aml_device_begin(struct aml *a, const char *name);
void aml_method_begin(struct aml *a, const char *name, unsigned args); /* of 0 to 7 arguments */
void aml_end(struct aml *a);

/* Notify (@name, @value), in a method; @name is found in the scopes around it */
void aml_notify(struct aml *a, const char *name, uint8_t value);

void aml_name_integer(struct aml *a, const char *name, uint64_t value);
void aml_name_string(struct aml *a, const char *name, const char *value);

/* @id: a PNP id such as "PNP0501", stored in its compressed form */
void aml_name_eisaid(struct aml *a, const char *name, const char *id);

/* Statements of a method. A method that creates names is serialized: add this to its @args. */
#define AML_SERIALIZED 8u
/* If (LEqual (Arg@arg, ...)), closed by aml_end(); @uuid in the order of its bytes in memory */
void aml_if_arg_is_uuid(struct aml *a, unsigned arg, const uint8_t uuid[16]);
void aml_if_arg_is(struct aml *a, unsigned arg, uint64_t value);
void aml_return_arg(struct aml *a, unsigned arg);
void aml_return_integer(struct aml *a, uint64_t value);
void aml_return_byte(struct aml *a, uint8_t byte); /* a buffer of one byte */
/* CreateDWordField (Arg@arg, 0, @field), Or (@field, @bits, @field) */
void aml_set_bits(struct aml *a, unsigned arg, const char *field, uint32_t bits);

/* Name (@name, Package () { values... }), the form of _S5; @count at most 8 */
void aml_name_package(struct aml *a, const char *name, const uint8_t *values, unsigned count);

/* Resource descriptors (ACPI 6.5, 6.4), between begin and end. */
void aml_crs_begin(struct aml *a);
void aml_crs_io(struct aml *a, uint16_t base, uint8_t len);
void aml_crs_memory(struct aml *a, uint32_t base, uint32_t len);
/* What a PCI host bridge forwards to its bus: bus numbers, addresses below 4 GiB. */
void aml_crs_bus_range(struct aml *a, uint8_t first, uint8_t last);
void aml_crs_memory_window(struct aml *a, uint32_t base, uint32_t len);
void aml_crs_edge_irq(struct aml *a, uint32_t gsi); /* active high, exclusive */
void aml_crs_end(struct aml *a);

#endif

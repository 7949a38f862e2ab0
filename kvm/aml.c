// SPDX-License-Identifier: MIT
/* Section numbers are those of ACPI 6.5. */
#include <assert.h>
#include <string.h>

#include "kvm/aml.h"

enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    PREFIX_BYTE = 0x0a,
    PREFIX_WORD = 0x0b,
    PREFIX_DWORD = 0x0c,
    PREFIX_STRING = 0x0d,
    PREFIX_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    PREFIX_EXT = 0x5b,
    OP_ARG0 = 0x68,
    OP_OR = 0x7d,
    OP_CREATE_DWORD_FIELD = 0x8a,
    OP_LEQUAL = 0x93,
    OP_IF = 0xa0,
    OP_RETURN = 0xa4,
    OP_EXT_DEVICE = 0x82,
    OP_NOTIFY = 0x86,

    /* resource descriptors */
    RES_IO = 0x47,
    RES_END_TAG = 0x79,
    RES_MEMORY32_FIXED = 0x86,
    RES_DWORD_SPACE = 0x87,
    RES_WORD_SPACE = 0x88,
    RES_EXTENDED_IRQ = 0x89,

    SPACE_MEMORY = 0,
    SPACE_BUS = 2,
    SPACE_FIXED = 0x0c, /* of an address space: minimum and maximum do not move */
};

void aml_init(struct aml *a, void *buf, size_t size)
{
    *a = (struct aml){.buf = buf, .size = size};
}

void aml_raw(struct aml *a, const void *data, size_t len)
{
    if (len > a->size - a->len) {
        a->overflow = true;
        return;
    }
    memcpy(a->buf + a->len, data, len);
    a->len += len;
}

static void byte(struct aml *a, uint8_t b)
{
    aml_raw(a, &b, 1);
}

/* A name segment is four characters, padded with '_' (20.2.2). */
static void name_string(struct aml *a, const char *name)
{
    if (*name == '\\') {
        byte(a, '\\');
        name++;
    }
    for (unsigned i = 0; i < 4; i++) {
        byte(a, (uint8_t)(*name ? *name++ : '_'));
    }
    assert(!*name);
}

static void integer(struct aml *a, uint64_t value)
{
    if (value <= 1) {
        byte(a, value ? OP_ONE : OP_ZERO);
    } else if (value <= UINT8_MAX) {
        byte(a, PREFIX_BYTE);
        aml_raw(a, &value, 1);
    } else if (value <= UINT16_MAX) {
        byte(a, PREFIX_WORD);
        aml_raw(a, &value, 2);
    } else if (value <= UINT32_MAX) {
        byte(a, PREFIX_DWORD);
        aml_raw(a, &value, 4);
    } else {
        byte(a, PREFIX_QWORD);
        aml_raw(a, &value, 8);
    }
}

static void open_term(struct aml *a)
{
    assert(a->depth < AML_DEPTH_MAX);
    a->open[a->depth++] = a->len;
}

/*
 * The length of a term (20.2.4) counts its own bytes. One byte holds up to 63; else the first
 * holds the lowest four bits and, in bits 7:6, how many bytes with eight bits each follow.
 */
void aml_end(struct aml *a)
{
    uint8_t enc[4];
    unsigned n = 1;
    size_t start, len;

    assert(a->depth > 0);
    start = a->open[--a->depth];
    if (a->overflow) {
        return;
    }
    len = a->len - start;
    if (len + 1 <= 0x3f) {
        enc[0] = (uint8_t)(len + 1);
    } else {
        n = len + 2 <= 0xfff ? 2 : len + 3 <= 0xfffff ? 3 : 4;
        len += n;
        enc[0] = (uint8_t)((n - 1) << 6 | (len & 0xf));
        for (unsigned i = 1; i < n; i++) {
            enc[i] = (uint8_t)(len >> (4 + 8 * (i - 1)));
        }
    }
    if (n > a->size - a->len) {
        a->overflow = true;
        return;
    }
    memmove(a->buf + start + n, a->buf + start, a->len - start);
    memcpy(a->buf + start, enc, n);
    a->len += n;
}

void aml_scope_begin(struct aml *a, const char *name)
{
    byte(a, OP_SCOPE);
    open_term(a);
    name_string(a, name);
}

void aml_device_begin(struct aml *a, const char *name)
{
    byte(a, PREFIX_EXT);
    byte(a, OP_EXT_DEVICE);
    open_term(a);
    name_string(a, name);
}

void aml_method_begin(struct aml *a, const char *name, unsigned args)
{
    byte(a, OP_METHOD);
    open_term(a);
    name_string(a, name);
    byte(a, (uint8_t)args);
}

void aml_notify(struct aml *a, const char *name, uint8_t value)
{
    byte(a, OP_NOTIFY);
    name_string(a, name);
    integer(a, value);
}

static void name_op(struct aml *a, const char *name)
{
    byte(a, OP_NAME);
    name_string(a, name);
}

void aml_name_integer(struct aml *a, const char *name, uint64_t value)
{
    name_op(a, name);
    integer(a, value);
}

void aml_name_string(struct aml *a, const char *name, const char *value)
{
    name_op(a, name);
    byte(a, PREFIX_STRING);
    aml_raw(a, value, strlen(value) + 1);
}

/* Three letters of five bits each, four hexadecimal digits, most significant byte first (19.6.38).
 */
void aml_name_eisaid(struct aml *a, const char *name, const char *id)
{
    uint32_t v = 0;
    uint8_t bytes[4];

    for (unsigned i = 0; i < 3; i++) {
        v = v << 5 | (uint32_t)(id[i] - '@');
    }
    for (unsigned i = 3; i < 7; i++) {
        v = v << 4 | (uint32_t)(id[i] <= '9' ? id[i] - '0' : id[i] - 'A' + 10);
    }
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(v >> (24 - 8 * i));
    }
    name_op(a, name);
    byte(a, PREFIX_DWORD);
    aml_raw(a, bytes, sizeof(bytes));
}

void aml_name_package(struct aml *a, const char *name, const uint8_t *values, unsigned count)
{
    name_op(a, name);
    byte(a, OP_PACKAGE);
    open_term(a);
    byte(a, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        integer(a, values[i]);
    }
    aml_end(a);
}

static void arg(struct aml *a, unsigned n)
{
    byte(a, (uint8_t)(OP_ARG0 + n));
}

static void buffer(struct aml *a, const void *data, size_t len)
{
    byte(a, OP_BUFFER);
    open_term(a);
    integer(a, len);
    aml_raw(a, data, len);
    aml_end(a);
}

static void if_arg_equals(struct aml *a, unsigned n)
{
    byte(a, OP_IF);
    open_term(a);
    byte(a, OP_LEQUAL);
    arg(a, n);
}

void aml_if_arg_is_uuid(struct aml *a, unsigned n, const uint8_t uuid[16])
{
    if_arg_equals(a, n);
    buffer(a, uuid, 16);
}

void aml_if_arg_is(struct aml *a, unsigned n, uint64_t value)
{
    if_arg_equals(a, n);
    integer(a, value);
}

void aml_return_arg(struct aml *a, unsigned n)
{
    byte(a, OP_RETURN);
    arg(a, n);
}

void aml_return_integer(struct aml *a, uint64_t value)
{
    byte(a, OP_RETURN);
    integer(a, value);
}

void aml_return_byte(struct aml *a, uint8_t value)
{
    byte(a, OP_RETURN);
    buffer(a, &value, 1);
}

void aml_set_bits(struct aml *a, unsigned n, const char *field, uint32_t bits)
{
    byte(a, OP_CREATE_DWORD_FIELD);
    arg(a, n);
    integer(a, 0);
    name_string(a, field);
    byte(a, OP_OR);
    name_string(a, field);
    integer(a, bits);
    name_string(a, field);
}

/*
 * The size of the _CRS buffer precedes its bytes. The size is a term of its own, always encoded as
 * a word, so that aml_crs_end() can fill it in.
 */
void aml_crs_begin(struct aml *a)
{
    static const uint8_t size[3] = {PREFIX_WORD, 0, 0};

    name_op(a, "_CRS");
    byte(a, OP_BUFFER);
    open_term(a);
    aml_raw(a, size, sizeof(size));
}

void aml_crs_io(struct aml *a, uint16_t base, uint8_t len)
{
    const uint8_t res[] = {
        RES_IO,
        1, /* decodes 16 bits */
        (uint8_t)base,
        (uint8_t)(base >> 8),
        (uint8_t)base,
        (uint8_t)(base >> 8),
        1,
        len,
    };

    aml_raw(a, res, sizeof(res));
}

void aml_crs_memory(struct aml *a, uint32_t base, uint32_t len)
{
    const uint8_t head[] = {RES_MEMORY32_FIXED, 9, 0, 1 /* writable */};

    aml_raw(a, head, sizeof(head));
    aml_raw(a, &base, sizeof(base));
    aml_raw(a, &len, sizeof(len));
}

/* The head of an address space descriptor (6.4.3.5): both ends are fixed. */
static void space(struct aml *a, uint8_t tag, uint8_t len, uint8_t type, uint8_t type_flags)
{
    const uint8_t head[] = {tag, len, 0, type, SPACE_FIXED, type_flags};

    aml_raw(a, head, sizeof(head));
}

void aml_crs_bus_range(struct aml *a, uint8_t first, uint8_t last)
{
    /* granularity, minimum, maximum, translation, length */
    const uint16_t range[] = {0, first, last, 0, (uint16_t)(last - first + 1)};

    space(a, RES_WORD_SPACE, 3 + sizeof(range), SPACE_BUS, 0);
    aml_raw(a, range, sizeof(range));
}

void aml_crs_memory_window(struct aml *a, uint32_t base, uint32_t len)
{
    const uint32_t range[] = {0, base, base + len - 1, 0, len};

    space(a, RES_DWORD_SPACE, 3 + sizeof(range), SPACE_MEMORY, 1 /* writable */);
    aml_raw(a, range, sizeof(range));
}

void aml_crs_edge_irq(struct aml *a, uint32_t gsi)
{
    const uint8_t head[] = {RES_EXTENDED_IRQ, 6, 0, 0x03 /* consumer, edge, high, exclusive */, 1};

    aml_raw(a, head, sizeof(head));
    aml_raw(a, &gsi, sizeof(gsi));
}

void aml_crs_end(struct aml *a)
{
    const uint8_t end[] = {RES_END_TAG, 0 /* no checksum */};
    uint16_t len;

    aml_raw(a, end, sizeof(end));
    if (!a->overflow) {
        size_t at = a->open[a->depth - 1] + 1;

        len = (uint16_t)(a->len - at - sizeof(len));
        memcpy(a->buf + at, &len, sizeof(len));
    }
    aml_end(a);
}

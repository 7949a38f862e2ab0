// SPDX-License-Identifier: MIT
/* ACPI tables as a guest reads them: reachable from the RSDP, with correct checksums, and with the
 * devices of the machine. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "kvm/acpi.h"
#include "kvm/aml.h"
#include "kvm/layout.h"
#include "tests/unit/suite.h"

#define GPA LAYOUT_ACPI

static uint8_t buf[LAYOUT_ACPI_SIZE];
static const struct acpi_device devices[] = {{0xd0000000, 0x1000, 5}, {0xd0001000, 0x1000, 16}};

static uint32_t u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
    uint8_t s = 0;

    while (len--) {
        s = (uint8_t)(s + *p++);
    }
    return s;
}

static const uint8_t *at(uint64_t gpa)
{
    ck_assert_uint_ge(gpa, GPA);
    ck_assert_uint_lt(gpa, GPA + sizeof(buf) - 36);
    return buf + (gpa - GPA);
}

/* A table with the right signature, inside the buffer, whose bytes sum up to zero. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
    const uint8_t *t = at(gpa);

    ck_assert_msg(memcmp(t, signature, 4) == 0, "%s", signature);
    ck_assert_uint_ge(u32(t + 4), 36);
    ck_assert_uint_le(u32(t + 4), (size_t)(buf + sizeof(buf) - t));
    ck_assert_msg(sum(t, u32(t + 4)) == 0, "checksum of %s", signature);
    return t;
}

static const uint8_t *xsdt(void)
{
    ck_assert(memcmp(buf, "RSD PTR ", 8) == 0);
    ck_assert_uint_eq(sum(buf, 20), 0);
    ck_assert_uint_eq(sum(buf, 36), 0);
    ck_assert_uint_eq(buf[15], 2);
    return table(u64(buf + 24), "XSDT");
}

static const uint8_t *fadt(void)
{
    return table(u64(xsdt() + 36), "FACP");
}

static bool contains(const uint8_t *t, const void *what, size_t len)
{
    return memmem(t, u32(t + 4), what, len);
}

static void set_up(void)
{
    memset(buf, 0, sizeof(buf));
    ck_assert_int_eq(acpi_build(buf, GPA, sizeof(buf), 3, false, devices, 2), 0);
}

START_TEST(tables_are_reached_from_the_root_pointer)
{
    const uint8_t *x = xsdt();

    ck_assert_uint_eq(u32(x + 4), 36 + 2 * 8);
    table(u64(x + 36), "FACP");
    table(u64(x + 44), "APIC");
    table(u64(fadt() + 140), "DSDT");
    ck_assert_uint_eq(u32(fadt() + 40), u64(fadt() + 140));
}
END_TEST

START_TEST(fadt_is_hardware_reduced_with_sleep_and_reset_registers)
{
    static const uint8_t reset[] = {1, 8, 0, 1, 0x02, 0x06, 0, 0, 0, 0, 0, 0};
    static const uint8_t control[] = {1, 8, 0, 1, 0x00, 0x06, 0, 0, 0, 0, 0, 0};
    static const uint8_t status[] = {1, 8, 0, 1, 0x01, 0x06, 0, 0, 0, 0, 0, 0};
    const uint8_t *f = fadt();

    ck_assert_uint_eq(u32(f + 4), 276);
    ck_assert_uint_eq(u32(f + 112) & (1u << 20 | 1u << 10), 1u << 20 | 1u << 10);
    ck_assert_mem_eq(f + 116, reset, sizeof(reset));
    ck_assert_uint_eq(f[128], LAYOUT_RESET_VALUE);
    ck_assert_mem_eq(f + 244, control, sizeof(control));
    ck_assert_mem_eq(f + 256, status, sizeof(status));
}
END_TEST

START_TEST(madt_lists_every_cpu_and_the_ioapic)
{
    const uint8_t *m = table(u64(xsdt() + 44), "APIC");
    const uint8_t *end = m + u32(m + 4);
    unsigned cpus = 0, ioapics = 0;

    ck_assert_uint_eq(u32(m + 36), LAYOUT_LAPIC);
    for (const uint8_t *e = m + 44; e < end; e += e[1]) {
        ck_assert_uint_ge(e[1], 2);
        if (e[0] == 0) {
            ck_assert_uint_eq(e[3], cpus);
            ck_assert_uint_eq(u32(e + 4), 1);
            cpus++;
        } else if (e[0] == 1) {
            ck_assert_uint_eq(u32(e + 4), LAYOUT_IOAPIC);
            ioapics++;
        }
    }
    ck_assert_uint_eq(cpus, 3);
    ck_assert_uint_eq(ioapics, 1);
}
END_TEST

START_TEST(dsdt_declares_serial_port_and_disks)
{
    /* EisaId ("PNP0501"), IO (0x3f8, 8), Memory32Fixed and Interrupt (edge, high, exclusive) */
    static const uint8_t pnp0501[] = {0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01};
    static const uint8_t io[] = {0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8};
    static const uint8_t irq4[] = {0x89, 6, 0, 3, 1, 4, 0, 0, 0};
    static const uint8_t mem1[] = {0x86, 9, 0, 1, 0, 0x10, 0, 0xd0, 0, 0x10, 0, 0};
    static const uint8_t irq16[] = {0x89, 6, 0, 3, 1, 16, 0, 0, 0};
    static const uint8_t s5[] = {0x08, '\\', '_', 'S', '5', '_', 0x12, 7, 4, 0x0a, 5};
    const uint8_t *d = table(u64(fadt() + 140), "DSDT");

    ck_assert(contains(d, pnp0501, sizeof(pnp0501)));
    ck_assert(contains(d, io, sizeof(io)));
    ck_assert(contains(d, irq4, sizeof(irq4)));
    ck_assert(contains(d, "VR00", 4));
    ck_assert(contains(d, "VR01", 4));
    ck_assert(!contains(d, "VR02", 4));
    ck_assert(contains(d, "\x0dLNRO0005", 10));
    ck_assert(contains(d, mem1, sizeof(mem1)));
    ck_assert(contains(d, irq16, sizeof(irq16)));
    ck_assert(contains(d, s5, sizeof(s5)));
}
END_TEST

START_TEST(dsdt_declares_a_power_button_and_its_interrupt)
{
    static const uint8_t pnp0c0c[] = {0x0c, 0x41, 0xd0, 0x0c, 0x0c};
    static const uint8_t irq[] = {0x89, 6, 0, 3, 1, LAYOUT_POWER_BUTTON_GSI, 0, 0, 0};
    /* Method (_EVT, 1) { Notify (PWRB, 0x80) } */
    static const uint8_t method[] = {0x14, 13,  '_', 'E', 'V', 'T',  1,
                                     0x86, 'P', 'W', 'R', 'B', 0x0a, 0x80};
    const uint8_t *d = table(u64(fadt() + 140), "DSDT");

    ck_assert(contains(d, pnp0c0c, sizeof(pnp0c0c)));
    ck_assert(contains(d,
                       "\x0d"
                       "ACPI0013",
                       10));
    ck_assert(contains(d, irq, sizeof(irq)));
    ck_assert(contains(d, method, sizeof(method)));
}
END_TEST

START_TEST(a_pci_host_bridge_is_declared_with_its_windows)
{
    /* EisaId ("PNP0A08"), bus 0 to 0, memory from 0xd1000000 to 0xdfffffff, ECAM of 1 MiB */
    static const uint8_t pnp0a08[] = {0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08};
    static const uint8_t bus[] = {0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t memory[] = {0x87, 23,   0,    0,    0x0c, 1, 0, 0, 0, 0, 0, 0, 0,
                                     0xd1, 0xff, 0xff, 0xff, 0xdf, 0, 0, 0, 0, 0, 0, 0, 0x0f};
    static const uint8_t ecam[] = {0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0};
    /* If (LEqual (Arg2, 5)) { Return (0) } */
    static const uint8_t keep_bars[] = {0xa0, 7, 0x93, 0x6a, 0x0a, 5, 0xa4, 0};
    const uint8_t *d, *m;

    ck_assert_int_eq(acpi_build(buf, GPA, sizeof(buf), 3, true, devices, 2), 0);
    ck_assert_uint_eq(u32(xsdt() + 4), 36 + 3 * 8);
    m = table(u64(xsdt() + 52), "MCFG");
    ck_assert_uint_eq(u32(m + 4), 60);
    ck_assert_uint_eq(u64(m + 44), LAYOUT_ECAM);
    ck_assert_uint_eq(u32(m + 52), 0); /* segment 0, bus 0 to 0 */
    d = table(u64(fadt() + 140), "DSDT");
    ck_assert(contains(d, pnp0a08, sizeof(pnp0a08)));
    ck_assert(contains(d, bus, sizeof(bus)));
    ck_assert(contains(d, memory, sizeof(memory)));
    ck_assert(contains(d, ecam, sizeof(ecam)));
    ck_assert(contains(d, "_OSC\x0c", 5)); /* four arguments, serialized */
    ck_assert(contains(d, "_DSM\x0c", 5));
    ck_assert(contains(d, keep_bars, sizeof(keep_bars)));
    ck_assert(contains(d, "VR01", 4));
}
END_TEST

START_TEST(a_machine_without_pci_declares_none)
{
    const uint8_t *d = table(u64(fadt() + 140), "DSDT");

    ck_assert(!contains(d, "PCI0", 4));
    ck_assert(!contains(d, "ECAM", 4));
}
END_TEST

/* One assertion for all bytes: Check records each assertion, which is slow. */
static bool is_all(const uint8_t *p, size_t n, uint8_t value)
{
    while (n && p[n - 1] == value) {
        n--;
    }
    return n == 0;
}

START_TEST(tables_that_do_not_fit_are_refused)
{
    size_t need = sizeof(buf);

    /* The smallest sufficient buffer works, and no smaller one is overrun. */
    for (size_t size = 0; size < 2048; size++) {
        memset(buf, 0xee, sizeof(buf));
        if (acpi_build(buf, GPA, size, 3, true, devices, 2) == 0) {
            need = size;
            break;
        }
        ck_assert_msg(is_all(buf + size, 2048 - size, 0xee), "room of %zu bytes", size);
    }
    ck_assert_uint_lt(need, 2048);
    xsdt();
    fadt();
}
END_TEST

/* --- the writer of machine language --- */

START_TEST(integers_take_the_shortest_form)
{
    static const uint8_t want[] = {
        8,    'A', '_', '_', '_', 0,   8,   'B',  '_',  '_', '_', 1,   8,   'C', '_', '_',  '_',
        0x0a, 2,   8,   'D', '_', '_', '_', 0x0b, 0,    1,   8,   'E', '_', '_', '_', 0x0c, 0,
        0,    1,   0,   8,   'F', '_', '_', '_',  0x0e, 0,   0,   0,   0,   1,   0,   0,    0};
    uint8_t out[64];
    struct aml a;

    aml_init(&a, out, sizeof(out));
    aml_name_integer(&a, "A", 0);
    aml_name_integer(&a, "B", 1);
    aml_name_integer(&a, "C", 2);
    aml_name_integer(&a, "D", 0x100);
    aml_name_integer(&a, "E", 0x10000);
    aml_name_integer(&a, "F", 0x100000000);
    ck_assert(!a.overflow);
    ck_assert_uint_eq(a.len, sizeof(want));
    ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

/* The length counts its own bytes: 63 is the most that one byte can say (20.2.4). */
START_TEST(term_lengths_grow_with_the_body)
{
    static const struct {
        size_t body;
        uint8_t want[4];
        unsigned bytes;
    } rows[] = {
        {58, {63}, 1},
        {59, {0x40 | (65 & 0xf), 65 >> 4}, 2},
        {4089, {0x4f, 0xff}, 2},
        {4090, {0x80 | (4097 & 0xf), (4097 >> 4) & 0xff, 4097 >> 12}, 3},
    };
    static uint8_t out[8192], fill[8192];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aml a;

        aml_init(&a, out, sizeof(out));
        aml_scope_begin(&a, "_SB"); /* four bytes of the body */
        aml_raw(&a, fill, rows[i].body);
        aml_end(&a);
        ck_assert(!a.overflow);
        ck_assert_uint_eq(a.len, 1 + rows[i].bytes + 4 + rows[i].body);
        ck_assert_mem_eq(out + 1, rows[i].want, rows[i].bytes);
        ck_assert_mem_eq(out + 1 + rows[i].bytes, "_SB_", 4);
    }
}
END_TEST

START_TEST(overflow_is_remembered_and_nothing_is_written_past_the_end)
{
    uint8_t out[16];
    struct aml a;

    memset(out, 0xee, sizeof(out));
    aml_init(&a, out, 8);
    aml_device_begin(&a, "DEV0");
    aml_name_string(&a, "_HID", "LNRO0005");
    aml_end(&a);
    ck_assert(a.overflow);
    ck_assert_uint_eq(out[8], 0xee);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("acpi");
    TCase *tables = tcase_create("tables");
    TCase *aml = tcase_create("aml");

    tcase_add_checked_fixture(tables, set_up, NULL);
    tcase_add_test(tables, tables_are_reached_from_the_root_pointer);
    tcase_add_test(tables, fadt_is_hardware_reduced_with_sleep_and_reset_registers);
    tcase_add_test(tables, madt_lists_every_cpu_and_the_ioapic);
    tcase_add_test(tables, dsdt_declares_serial_port_and_disks);
    tcase_add_test(tables, dsdt_declares_a_power_button_and_its_interrupt);
    tcase_add_test(tables, a_pci_host_bridge_is_declared_with_its_windows);
    tcase_add_test(tables, a_machine_without_pci_declares_none);
    tcase_add_test(tables, tables_that_do_not_fit_are_refused);
    suite_add_tcase(s, tables);
    tcase_add_test(aml, integers_take_the_shortest_form);
    tcase_add_test(aml, term_lengths_grow_with_the_body);
    tcase_add_test(aml, overflow_is_remembered_and_nothing_is_written_past_the_end);
    suite_add_tcase(s, aml);
    return suite_run(s);
}

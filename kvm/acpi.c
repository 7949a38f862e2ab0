// SPDX-License-Identifier: MIT
/* The tables follow the RSDP one after another. Section numbers are those of ACPI 6.5. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kvm/acpi.h"
#include "kvm/aml.h"
#include "kvm/layout.h"

#define PACKED __attribute__((packed))

struct rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} PACKED;

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} PACKED;

struct xsdt {
    struct header h;
    uint64_t tables[3];
} PACKED;

struct gas {
    uint8_t space; /* 1: system I/O */
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t access_size; /* 1: byte */
    uint64_t address;
} PACKED;

/* Fields that hardware-reduced ACPI does not use are merged into the unused ones. */
struct fadt {
    struct header h;
    uint32_t facs;
    uint32_t dsdt;
    uint8_t unused1[65]; /* int_model to century: PM timer, GPEs, SCI */
    uint16_t iapc_boot_arch;
    uint8_t unused2;
    uint32_t flags;
    struct gas reset_reg;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor_version;
    uint64_t x_facs;
    uint64_t x_dsdt;
    uint8_t unused3[96]; /* the eight X_ register blocks */
    struct gas sleep_control;
    struct gas sleep_status;
    uint64_t hypervisor;
} PACKED;

_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.5, 5.2.5.3");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.5, 5.2.9");
_Static_assert(offsetof(struct fadt, iapc_boot_arch) == 109, "ACPI 6.5, 5.2.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "ACPI 6.5, 5.2.9");

enum {
    FADT_FLAG_WBINVD = 1u << 0,
    FADT_FLAG_RESET_REG = 1u << 10,
    FADT_FLAG_HW_REDUCED = 1u << 20,

    /* No VGA, no CMOS clock. The bit of the keyboard controller stays clear: there is none. */
    FADT_BOOT_NO_VGA = 1u << 2,
    FADT_BOOT_NO_CMOS = 1u << 5,
};

enum { NOTIFY_BUTTON_PRESSED = 0x80 };

struct madt {
    struct header h;
    uint32_t lapic;
    uint32_t flags; /* 1: the machine also has 8259s */
} PACKED;

struct madt_lapic {
    uint8_t type, length;
    uint8_t uid, apic_id;
    uint32_t flags; /* 1: enabled */
} PACKED;

struct madt_ioapic {
    uint8_t type, length;
    uint8_t id, reserved;
    uint32_t address;
    uint32_t gsi_base;
} PACKED;

struct madt_lapic_nmi {
    uint8_t type, length;
    uint8_t uid; /* 0xff: all */
    uint16_t flags;
    uint8_t lint;
} PACKED;

struct mcfg {
    struct header h;
    uint64_t reserved;
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved2;
} PACKED;

_Static_assert(sizeof(struct mcfg) == 60, "PCI Firmware 3.3, 4.1.2");

static uint8_t checksum(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint8_t sum = 0;

    while (len--) {
        sum = (uint8_t)(sum + *p++);
    }
    return (uint8_t)-sum;
}

static struct header header(const char *signature, uint8_t revision)
{
    struct header h = {.revision = revision, .oem_revision = 1, .creator_revision = 1};

    memcpy(h.signature, signature, sizeof(h.signature));
    memcpy(h.oem_id, "POLLUX", sizeof(h.oem_id));
    memcpy(h.oem_table_id, "POLLUXVM", sizeof(h.oem_table_id));
    memcpy(h.creator_id, "PLLX", sizeof(h.creator_id));
    return h;
}

/* Guest memory for the tables, filled from the start. */
struct table_area {
    uint8_t *buf;
    uint64_t gpa;
    size_t used, size;
};

/* @used is rounded up and may be past the end. */
static size_t bytes_left(const struct table_area *area)
{
    return area->used < area->size ? area->size - area->used : 0;
}

/* Sets length and checksum of the table at offset @at. Return: its guest address. */
static uint64_t finish_table(struct table_area *area, size_t at, size_t len)
{
    struct header *h = (void *)(area->buf + at);

    h->length = (uint32_t)len;
    h->checksum = 0;
    h->checksum = checksum(h, len);
    area->used = (at + len + 15) & ~(size_t)15;
    return area->gpa + at;
}

/* Copies a complete table. Return: its guest address, 0 if it does not fit. */
static uint64_t append_table(struct table_area *area, const void *table, size_t len)
{
    size_t at = area->used;

    if (len > bytes_left(area)) {
        return 0;
    }
    memcpy(area->buf + at, table, len);
    return finish_table(area, at, len);
}

static void serial_port(struct aml *a)
{
    aml_device_begin(a, "COM1");
    aml_name_eisaid(a, "_HID", "PNP0501");
    aml_name_integer(a, "_UID", 1);
    aml_crs_begin(a);
    aml_crs_io(a, LAYOUT_COM1, 8);
    aml_crs_edge_irq(a, LAYOUT_COM1_IRQ);
    aml_crs_end(a);
    aml_end(a);
}

static void virtio_mmio(struct aml *a, unsigned i, const struct acpi_device *dev)
{
    char name[8];

    snprintf(name, sizeof(name), "VR%02X", i & 0xff);
    aml_device_begin(a, name);
    aml_name_string(a, "_HID", "LNRO0005");
    aml_name_integer(a, "_UID", i);
    aml_name_integer(a, "_CCA", 1); /* cache coherent */
    aml_crs_begin(a);
    aml_crs_memory(a, dev->base, dev->size);
    aml_crs_edge_irq(a, dev->gsi);
    aml_crs_end(a);
    aml_end(a);
}

/*
 * Hardware-reduced ACPI has no fixed power button: the button is a device of its own, and an event
 * device turns the interrupt into a notification (ACPI 6.5, 4.8.2.2.1.2 and 5.6.9).
 */
static void power_button(struct aml *a)
{
    aml_device_begin(a, "PWRB");
    aml_name_eisaid(a, "_HID", "PNP0C0C");
    aml_name_integer(a, "_UID", 0);
    aml_end(a);
    aml_device_begin(a, "GED");
    aml_name_string(a, "_HID", "ACPI0013");
    aml_name_integer(a, "_UID", 0);
    aml_crs_begin(a);
    aml_crs_edge_irq(a, LAYOUT_POWER_BUTTON_GSI);
    aml_crs_end(a);
    aml_method_begin(a, "_EVT", 1);
    aml_notify(a, "PWRB", NOTIFY_BUTTON_PRESSED);
    aml_end(a);
    aml_end(a);
}

/* Bits of _DSM functions that exist: 0, this list, and 5. */
#define DSM_FUNCTIONS (1u << 0 | 1u << 5)

#define OSC_UNRECOGNIZED_UUID (1u << 2)

/*
 * PCI Firmware 3.3. _OSC gives the guest all features that it asks for (4.5): no firmware here uses
 * them. _DSM function 5 returns 0: the guest keeps the BARs as they are (4.6.5).
 */
static void pci_host_bridge(struct aml *a)
{
    static const uint8_t osc[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
                                    0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};
    static const uint8_t dsm[16] = {0xd0, 0x37, 0xc9, 0xe5, 0x53, 0x35, 0x7a, 0x4d,
                                    0x91, 0x17, 0xea, 0x4d, 0x19, 0xc3, 0x43, 0x4d};

    aml_device_begin(a, "PCI0");
    aml_name_eisaid(a, "_HID", "PNP0A08");
    aml_name_eisaid(a, "_CID", "PNP0A03");
    aml_name_integer(a, "_UID", 0);
    aml_name_integer(a, "_SEG", 0);
    aml_name_integer(a, "_BBN", 0);
    aml_name_integer(a, "_CCA", 1);
    aml_crs_begin(a);
    aml_crs_bus_range(a, 0, 0);
    aml_crs_io(a, 0xcf8, 8);
    aml_crs_memory_window(a, LAYOUT_PCI_WINDOW, LAYOUT_PCI_WINDOW_SIZE);
    aml_crs_end(a);

    aml_method_begin(a, "_OSC", 4 | AML_SERIALIZED);
    aml_if_arg_is_uuid(a, 0, osc);
    aml_return_arg(a, 3);
    aml_end(a);
    aml_set_bits(a, 3, "STAT", OSC_UNRECOGNIZED_UUID);
    aml_return_arg(a, 3);
    aml_end(a);

    aml_method_begin(a, "_DSM", 4 | AML_SERIALIZED);
    aml_if_arg_is_uuid(a, 0, dsm);
    aml_if_arg_is(a, 2, 0);
    aml_return_byte(a, DSM_FUNCTIONS);
    aml_end(a);
    aml_if_arg_is(a, 2, 5);
    aml_return_integer(a, 0);
    aml_end(a);
    aml_end(a);
    aml_return_byte(a, 0);
    aml_end(a);
    aml_end(a);
}

/* ECAM belongs to the motherboard, not to the host bridge (PCI Firmware 3.3, 4.1.2). */
static void pci_ecam(struct aml *a)
{
    aml_device_begin(a, "ECAM");
    aml_name_eisaid(a, "_HID", "PNP0C02");
    aml_name_integer(a, "_UID", 0);
    aml_crs_begin(a);
    aml_crs_memory(a, LAYOUT_ECAM, LAYOUT_ECAM_SIZE);
    aml_crs_end(a);
    aml_end(a);
}

static uint64_t add_dsdt(struct table_area *area, bool pci, const struct acpi_device *devices,
                         unsigned nr)
{
    const struct header h = header("DSDT", 2);
    const uint8_t s5[] = {LAYOUT_S5_TYPE, 0, 0, 0};
    size_t at = area->used;
    struct aml a;

    aml_init(&a, area->buf + at, bytes_left(area));
    aml_raw(&a, &h, sizeof(h));
    aml_name_package(&a, "\\_S5", s5, sizeof(s5));
    aml_scope_begin(&a, "\\_SB");
    serial_port(&a);
    power_button(&a);
    for (unsigned i = 0; i < nr; i++) {
        virtio_mmio(&a, i, &devices[i]);
    }
    if (pci) {
        pci_ecam(&a);
        pci_host_bridge(&a);
    }
    aml_end(&a);
    return a.overflow ? 0 : finish_table(area, at, a.len);
}

static uint64_t add_madt(struct table_area *area, unsigned cpus)
{
    const struct madt_ioapic ioapic = {
        .type = 1, .length = sizeof(ioapic), .address = LAYOUT_IOAPIC};
    const struct madt_lapic_nmi nmi = {.type = 4, .length = sizeof(nmi), .uid = 0xff, .lint = 1};
    const struct madt madt = {.h = header("APIC", 5), .lapic = LAYOUT_LAPIC, .flags = 1};
    size_t at = area->used;
    struct aml a; /* only for its bounded appending */

    aml_init(&a, area->buf + at, bytes_left(area));
    aml_raw(&a, &madt, sizeof(madt));
    for (unsigned i = 0; i < cpus; i++) {
        const struct madt_lapic lapic = {
            .length = sizeof(lapic), .uid = (uint8_t)i, .apic_id = (uint8_t)i, .flags = 1};

        aml_raw(&a, &lapic, sizeof(lapic));
    }
    aml_raw(&a, &ioapic, sizeof(ioapic));
    aml_raw(&a, &nmi, sizeof(nmi));
    return a.overflow ? 0 : finish_table(area, at, a.len);
}

static uint64_t add_mcfg(struct table_area *area)
{
    const struct mcfg mcfg = {.h = header("MCFG", 1), .base = LAYOUT_ECAM};

    return append_table(area, &mcfg, sizeof(mcfg));
}

static struct gas io_byte(uint16_t port)
{
    return (struct gas){.space = 1, .bit_width = 8, .access_size = 1, .address = port};
}

static uint64_t add_fadt(struct table_area *area, uint64_t dsdt)
{
    const struct fadt fadt = {
        .h = header("FACP", 6),
        .dsdt = (uint32_t)dsdt,
        .x_dsdt = dsdt,
        .iapc_boot_arch = FADT_BOOT_NO_VGA | FADT_BOOT_NO_CMOS,
        .flags = FADT_FLAG_WBINVD | FADT_FLAG_RESET_REG | FADT_FLAG_HW_REDUCED,
        .reset_reg = io_byte(LAYOUT_ACPI_RESET),
        .reset_value = LAYOUT_RESET_VALUE,
        .minor_version = 5,
        .sleep_control = io_byte(LAYOUT_SLEEP_CONTROL),
        .sleep_status = io_byte(LAYOUT_SLEEP_STATUS),
    };

    return append_table(area, &fadt, sizeof(fadt));
}

int acpi_build(void *buf, uint64_t gpa, size_t size, unsigned cpus, bool pci,
               const struct acpi_device *devices, unsigned nr_devices)
{
    struct table_area area = {
        .buf = buf, .gpa = gpa, .used = 48, .size = size}; /* RSDP, rounded up */
    struct rsdp rsdp = {.revision = 2, .length = sizeof(rsdp)};
    struct xsdt xsdt = {.h = header("XSDT", 1)};
    unsigned n = 0;
    uint64_t dsdt;

    if (size < area.used) {
        return -ENOSPC;
    }
    dsdt = add_dsdt(&area, pci, devices, nr_devices);
    xsdt.tables[n++] = dsdt ? add_fadt(&area, dsdt) : 0;
    xsdt.tables[n++] = add_madt(&area, cpus);
    if (pci) {
        xsdt.tables[n++] = add_mcfg(&area);
    }
    for (unsigned i = 0; i < n; i++) {
        if (!xsdt.tables[i]) {
            return -ENOSPC;
        }
    }
    rsdp.xsdt =
        append_table(&area, &xsdt, offsetof(struct xsdt, tables) + n * sizeof(xsdt.tables[0]));
    if (!rsdp.xsdt) {
        return -ENOSPC;
    }
    memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
    memcpy(rsdp.oem_id, "POLLUX", sizeof(rsdp.oem_id));
    rsdp.checksum = checksum(&rsdp, 20);
    rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
    memcpy(buf, &rsdp, sizeof(rsdp));
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * The Linux/x86 boot protocol, 64-bit entry (Documentation/arch/x86/boot.rst). The protected-mode
 * part of the file is loaded where the kernel prefers to run, and entered 0x200 bytes in, in long
 * mode with the first 4 GiB mapped one to one and the zero page in rsi.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "kvm/boot-memory-map.h"
#include "kvm/boot-bzimage.h"
#include "kvm/layout.h"

#define SECTOR          512ull
#define SETUP_OFFSET    offsetof(struct boot_params, hdr)
#define HEADER_MAGIC    0x53726448u /* "HdrS" */
#define BOOT_FLAG       0xaa55
#define PROTOCOL_64     0x020c /* 2.12, Linux 3.8: xloadflags */
#define LOADER_UNKNOWN  0xff
#define ENTRY_64        0x200ull
#define CMDLINE_DEFAULT 255 /* limit of a kernel whose header has 0 */

static int read_header(const struct boot_file *kernel, struct setup_header *hdr)
{
    memset(hdr, 0, sizeof(*hdr));
    return boot_file_read(kernel, SETUP_OFFSET, hdr, sizeof(*hdr));
}

static uint64_t payload_offset(const struct setup_header *hdr)
{
    return ((hdr->setup_sects ? hdr->setup_sects : 4) + 1) * SECTOR;
}

static int check_header(const struct boot_file *kernel, const struct setup_header *hdr,
                        struct error *err)
{
    uint64_t need = payload_offset(hdr) + (uint64_t)hdr->syssize * 16;

    if (hdr->version < PROTOCOL_64 || !(hdr->xloadflags & XLF_KERNEL_64)) {
        return error_set(err, -ENOTSUP,
                         "kernel %s: no 64-bit entry (boot protocol %u.%02u); an x86-64 kernel, "
                         "Linux 3.8 or later, is needed",
                         kernel->name, hdr->version >> 8, hdr->version & 0xff);
    }
    if (hdr->syssize == 0 || hdr->init_size == 0) {
        return error_set(err, -EINVAL, "kernel %s: damaged: its header has a size of 0",
                         kernel->name);
    }
    /* The last 16-byte unit may be cut short. */
    if (kernel->size + 15 < need) {
        return error_set(err, -ENODATA, "kernel %s: truncated: %" PRIu64 " bytes of %" PRIu64,
                         kernel->name, kernel->size, need);
    }
    return 0;
}

int bzimage_load(const struct ram *ram, const struct boot_file *kernel, struct boot_image *image,
                 struct error *err)
{
    struct setup_header hdr;
    uint64_t base, size, offset, span;
    void *to;
    int ret;

    if (read_header(kernel, &hdr) < 0 || hdr.boot_flag != BOOT_FLAG || hdr.header != HEADER_MAGIC) {
        return -ENOEXEC;
    }
    ret = check_header(kernel, &hdr, err);
    if (ret < 0) {
        return ret;
    }
    offset = payload_offset(&hdr);
    size = kernel->size - offset;
    if (size > (uint64_t)hdr.syssize * 16) {
        size = (uint64_t)hdr.syssize * 16;
    }
    span = hdr.init_size > size ? hdr.init_size : size;
    base = hdr.pref_address;
    if (base < LAYOUT_HIGH || base >= LAYOUT_HOLE || size <= ENTRY_64) {
        return error_set(err, -EINVAL,
                         "kernel %s: damaged: its load address is 0x%" PRIx64 ", its size %" PRIu64
                         " bytes",
                         kernel->name, base, size);
    }
    if (span > LAYOUT_HOLE - base) {
        return error_set(err, -EINVAL,
                         "kernel %s: damaged: it needs %" PRIu64 " MiB at 0x%" PRIx64
                         ", more than a guest has below 3 GiB",
                         kernel->name, span >> 20, base);
    }
    if (base >= ram->low || span > ram->low - base) {
        return error_set(err, -ENOMEM,
                         "kernel %s: needs at least %" PRIu64 " MiB of guest memory (--memory)",
                         kernel->name, ((base + span) >> 20) + 1);
    }
    to = guest_memory_at(&ram->mem, base, size);
    ret = boot_file_read(kernel, offset, to, size);
    if (ret < 0) {
        return error_set(err, ret, "kernel %s: cannot be read: %s", kernel->name, strerror(-ret));
    }
    *image = (struct boot_image){
        .entry = base + ENTRY_64,
        .end = base + span,
        .initrd_max = hdr.initrd_addr_max,
        .cmdline_max = hdr.cmdline_size ? hdr.cmdline_size : CMDLINE_DEFAULT,
    };
    return 0;
}

static void write_page_tables(const struct ram *ram)
{
    enum { PRESENT_WRITABLE = 3, LARGE = 0x80 };
    uint64_t(*table)[512] = guest_memory_at(&ram->mem, LAYOUT_PAGE_TABLE, 6 * 4096);
    uint64_t *directory = table[2];

    table[0][0] = (LAYOUT_PAGE_TABLE + 0x1000) | PRESENT_WRITABLE;
    for (unsigned i = 0; i < 4; i++) {
        table[1][i] = (LAYOUT_PAGE_TABLE + 0x2000 + i * 0x1000ull) | PRESENT_WRITABLE;
    }
    for (uint64_t i = 0; i < 4 * 512; i++) {
        directory[i] = (i << 21) | PRESENT_WRITABLE | LARGE;
    }
}

/* The protocol requires __BOOT_CS and __BOOT_DS, selectors 0x10 and 0x18. */
static void write_gdt(const struct ram *ram)
{
    static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};

    memcpy(guest_memory_at(&ram->mem, LAYOUT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

int bzimage_finish(const struct ram *ram, const struct boot_file *kernel,
                   const struct boot_data *data)
{
    struct boot_params *zero = guest_memory_at(&ram->mem, LAYOUT_ZERO_PAGE, sizeof(*zero));
    struct boot_range ranges[BOOT_RANGES_MAX];
    int ret;

    memset(zero, 0, sizeof(*zero));
    ret = read_header(kernel, &zero->hdr);
    if (ret < 0) {
        return ret;
    }
    zero->hdr.type_of_loader = LOADER_UNKNOWN;
    zero->hdr.setup_data = 0;
    zero->hdr.cmd_line_ptr = (uint32_t)data->cmdline;
    zero->hdr.ramdisk_image = (uint32_t)data->initrd;
    zero->hdr.ramdisk_size = (uint32_t)data->initrd_size;
    zero->acpi_rsdp_addr = data->rsdp;
    zero->e820_entries = (uint8_t)boot_memory_map(ram, ranges);
    for (unsigned i = 0; i < zero->e820_entries; i++) {
        zero->e820_table[i].addr = ranges[i].addr;
        zero->e820_table[i].size = ranges[i].size;
        zero->e820_table[i].type = ranges[i].type;
    }
    write_page_tables(ram);
    write_gdt(ram);
    return 0;
}

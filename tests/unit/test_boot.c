// SPDX-License-Identifier: MIT
/* Loading kernels: the layout in memory, and an error message for each broken file. */
#include <asm/bootparam.h>
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm/boot-memory-map.h"
#include "kvm/boot.h"
#include "kvm/cmdline.h"
#include "kvm/layout.h"
#include "kvm/pvh.h"
#include "tests/unit/suite.h"

#define MIB         (1ull << 20)
#define IMAGE_MAX   (64 * 1024)
#define SETUP       offsetof(struct boot_params, hdr)
#define DEVICES     "virtio_mmio.device=4K@0xd0000000:5"
#define DAMAGE_MANY 20000

static struct ram ram;
static uint8_t image[IMAGE_MAX];
static size_t image_size;
static struct error err;
static struct boot_config config;
static struct boot_entry entry;

static void *guest(uint64_t gpa, uint64_t len)
{
    void *p = guest_memory_at(&ram.mem, gpa, len);

    ck_assert_ptr_nonnull(p);
    return p;
}

static int load(void)
{
    err.msg[0] = '\0';
    config.kernel_data = image;
    config.kernel_size = image_size;
    return boot_load(&ram, &config, &entry, &err);
}

static void refused(int num, const char *text)
{
    ck_assert_int_eq(load(), num);
    ck_assert_msg(strstr(err.msg, text), "\"%s\" is not in \"%s\"", text, err.msg);
    ck_assert_ptr_null(strchr(err.msg, '\n'));
}

static void set_up(void)
{
    ck_assert_int_eq(ram_init(&ram, 128 * MIB, false, &err), 0);
    config = (struct boot_config){.devices = DEVICES, .rsdp = LAYOUT_ACPI};
    memset(image, 0, sizeof(image));
}

static void tear_down(void)
{
    ram_destroy(&ram);
}

static void make_elf(void);

/* --- bzImage --- */

static struct setup_header *setup(void)
{
    return (struct setup_header *)(image + SETUP);
}

/* One sector of set-up code, 8 KiB of payload that begins with "PAYLOAD". */
static void make_bzimage(void)
{
    struct setup_header h = {
        .setup_sects = 1,
        .syssize = 8192 / 16,
        .boot_flag = 0xaa55,
        .jump = 0x66eb,
        .header = 0x53726448,
        .version = 0x020f,
        .loadflags = LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 2 * MIB,
        .relocatable_kernel = 1,
        .xloadflags = XLF_KERNEL_64,
        .cmdline_size = 2047,
        .pref_address = 16 * MIB,
        .init_size = 32 * MIB,
    };

    memcpy(image + SETUP, &h, sizeof(h));
    strcpy((char *)image + 1024, "PAYLOAD");
    image_size = 1024 + 8192;
}

static struct boot_params *zero_page(void)
{
    return guest(LAYOUT_ZERO_PAGE, sizeof(struct boot_params));
}

static const char *cmdline(void)
{
    return guest(LAYOUT_CMDLINE, LAYOUT_CMDLINE_MAX);
}

START_TEST(bzimage_goes_where_it_prefers_to_run)
{
    make_bzimage();
    ck_assert_msg(load() == 0, "%s", err.msg);
    ck_assert_int_eq(entry.protocol, BOOT_LINUX64);
    ck_assert_uint_eq(entry.rip, 16 * MIB + 0x200);
    ck_assert_uint_eq(entry.info, LAYOUT_ZERO_PAGE);
    ck_assert_str_eq(guest(16 * MIB, 8), "PAYLOAD");
    ck_assert_uint_eq(zero_page()->acpi_rsdp_addr, LAYOUT_ACPI);
    ck_assert_uint_eq(zero_page()->hdr.type_of_loader, 0xff);
    ck_assert_uint_eq(zero_page()->hdr.cmd_line_ptr, LAYOUT_CMDLINE);
    ck_assert_uint_eq(zero_page()->hdr.ramdisk_size, 0);
    ck_assert_uint_eq(zero_page()->hdr.pref_address, 16 * MIB);
}
END_TEST

START_TEST(bzimage_enters_with_four_gib_mapped)
{
    uint64_t *table;

    make_bzimage();
    ck_assert_int_eq(load(), 0);
    table = guest(LAYOUT_PAGE_TABLE, 6 * 4096);
    ck_assert_uint_eq(table[0], (LAYOUT_PAGE_TABLE + 0x1000) | 3);
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(table[512 + i], (LAYOUT_PAGE_TABLE + 0x2000 + i * 0x1000) | 3);
    }
    for (uint64_t i = 0; i < 2048; i++) {
        ck_assert_uint_eq(table[1024 + i], i << 21 | 0x83);
    }
}
END_TEST

START_TEST(initrd_lies_at_the_end_of_memory_or_of_what_the_kernel_reaches)
{
    char path[] = "/tmp/pollux-initrd-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "INITRD", 7), 7);
    ck_assert_int_eq(ftruncate(fd, 5000), 0);
    close(fd);
    make_bzimage();
    config.initrd = path;
    ck_assert_msg(load() == 0, "%s", err.msg);
    ck_assert_uint_eq(zero_page()->hdr.ramdisk_image, 128 * MIB - 8192);
    ck_assert_uint_eq(zero_page()->hdr.ramdisk_size, 5000);
    ck_assert_str_eq(guest(128 * MIB - 8192, 8), "INITRD");

    setup()->initrd_addr_max = 64 * MIB - 1;
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(zero_page()->hdr.ramdisk_image, 64 * MIB - 8192);

    setup()->initrd_addr_max = 48 * MIB - 1; /* that is where the kernel's room ends */
    refused(-EFBIG, "do not fit between the kernel and 48 MiB");
    setup()->initrd_addr_max = 100;
    refused(-EFBIG, "more memory does not help");
    unlink(path);
    refused(-ENOENT, "initrd");
    config.initrd = "/";
    refused(-EISDIR, "is a directory");
}
END_TEST

/* Only the size counts: nothing is read of an initrd that does not fit. */
START_TEST(more_memory_is_asked_for_only_where_it_helps)
{
    char path[] = "/tmp/pollux-initrd-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    config.initrd = path;
    make_bzimage(); /* its room ends at 48 MiB, and initrds must end at 2 GiB */
    ck_assert_int_eq(ftruncate(fd, (off_t)(2000 * MIB)), 0);
    refused(-ENOMEM, "more memory (--memory)");
    ck_assert_int_eq(ftruncate(fd, (off_t)(2000 * MIB + 1)), 0);
    refused(-EFBIG, "between the kernel and 2048 MiB");
    make_elf(); /* its only segment ends at 2 MiB + 4 KiB, and the hole begins at 3 GiB */
    ck_assert_int_eq(ftruncate(fd, (off_t)(3070 * MIB - 4096)), 0);
    refused(-ENOMEM, "more memory (--memory)");
    ck_assert_int_eq(ftruncate(fd, (off_t)(3070 * MIB)), 0);
    refused(-EFBIG, "between the kernel and 3072 MiB");
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(acpi_tells_a_bzimage_of_its_disks_unless_it_is_off)
{
    make_bzimage();
    config.append = "console=ttyS0 noacpi=off";
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(cmdline(), "console=ttyS0 noacpi=off");
    config.append = "console=ttyS0 acpi=off -- arg";
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(cmdline(), DEVICES " console=ttyS0 acpi=off -- arg");
    config.append = NULL;
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(cmdline(), "");
}
END_TEST

START_TEST(words_of_a_command_line_are_those_that_linux_reads)
{
    ck_assert(cmdline_has("acpi=off", "acpi=off"));
    ck_assert(cmdline_has("quiet\tacpi=off\n", "acpi=off"));
    ck_assert(cmdline_has("console=ttyS0,115200 quiet", "console=ttyS0"));
    ck_assert(!cmdline_has("console=ttyS01 noacpi=off xacpi=off acpi=offx", "acpi=off"));
    ck_assert(!cmdline_has("console=ttyS01", "console=ttyS0"));
    ck_assert(!cmdline_has("quiet -- acpi=off", "acpi=off"));
    ck_assert(cmdline_has("--x acpi=off", "acpi=off"));
    ck_assert(!cmdline_has("  ", "acpi=off"));
    ck_assert(!cmdline_has("", "acpi=off"));
    ck_assert(!cmdline_has(NULL, "acpi=off"));
}
END_TEST

START_TEST(what_a_guest_lacks_without_acpi_is_one_line)
{
    static const char *const off[] = {"acpi=off", "acpi=noirq", "pci=nomsi pci=noacpi,conf1",
                                      "noapic",   "nolapic",    "pci=off",
                                      "pci=nomsi"};

    for (unsigned i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        ck_assert_ptr_nonnull(cmdline_warning(off[i]));
        ck_assert_ptr_null(strchr(cmdline_warning(off[i]), '\n'));
    }
    ck_assert_ptr_nonnull(strstr(cmdline_warning("acpi=off"), "one CPU, cannot power off"));
    ck_assert_ptr_nonnull(strstr(cmdline_warning("acpi=off"), "virtio_mmio.device="));
    ck_assert_ptr_nonnull(strstr(cmdline_warning("pci=off"), "transport=mmio"));
    ck_assert_ptr_null(cmdline_warning("console=ttyS0 -- acpi=off"));
    ck_assert_ptr_null(cmdline_warning(NULL));
}
END_TEST

START_TEST(command_line_has_the_length_that_the_kernel_takes)
{
    make_bzimage();
    setup()->cmdline_size = 10;
    config.append = "0123456789";
    ck_assert_int_eq(load(), 0);
    config.append = "0123456789a";
    refused(-E2BIG, "this kernel takes 10");
}
END_TEST

START_TEST(memory_map_leaves_the_hole_out_and_goes_on_above_4_gib)
{
    struct ram big = {.low = LAYOUT_HOLE, .high = 2048 * MIB};
    struct boot_range r[BOOT_RANGES_MAX];
    unsigned n;

    n = boot_memory_map(&big, r);
    ck_assert_uint_eq(n, 4);
    for (unsigned i = 1; i < n; i++) {
        ck_assert_uint_ge(r[i].addr, r[i - 1].addr + r[i - 1].size);
    }
    ck_assert_uint_eq(r[2].addr, MIB);
    ck_assert_uint_eq(r[2].addr + r[2].size, LAYOUT_HOLE);
    ck_assert_uint_eq(r[3].addr, 4096 * MIB);
    ck_assert_uint_eq(r[3].size, 2048 * MIB);
    ck_assert_uint_eq(r[3].type, BOOT_RANGE_RAM);

    make_bzimage();
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(zero_page()->e820_entries, 3);
    ck_assert_uint_eq(zero_page()->e820_table[2].addr, MIB);
    ck_assert_uint_eq(zero_page()->e820_table[2].size, 127 * MIB);
}
END_TEST

START_TEST(broken_bzimages_are_named_as_such)
{
    make_bzimage();
    image_size--;
    ck_assert_int_eq(load(), 0); /* the last 16 bytes may be cut short */
    image_size = 1024 + 8192 - 16;
    refused(-ENODATA, "truncated");
    image_size = 700;
    refused(-ENODATA, "truncated");
    image_size = 0x200;
    refused(-ENOEXEC, "neither a bzImage nor an ELF file");

    make_bzimage();
    setup()->version = 0x0208;
    refused(-ENOTSUP, "no 64-bit entry (boot protocol 2.08)");
    make_bzimage();
    setup()->xloadflags = 0;
    refused(-ENOTSUP, "no 64-bit entry");
    make_bzimage();
    setup()->syssize = 0;
    refused(-EINVAL, "damaged");
    make_bzimage();
    setup()->syssize = UINT32_MAX;
    refused(-ENODATA, "truncated");
    make_bzimage();
    setup()->setup_sects = 255;
    refused(-ENODATA, "truncated");
    make_bzimage();
    setup()->pref_address = 0;
    refused(-EINVAL, "damaged");
    make_bzimage();
    setup()->pref_address = UINT64_MAX - 100;
    refused(-EINVAL, "damaged");
    make_bzimage();
    setup()->init_size = UINT32_MAX;
    refused(-EINVAL, "more than a guest has below 3 GiB");
    make_bzimage();
    setup()->init_size = 3056 * MIB;
    refused(-ENOMEM, "needs at least 3073 MiB of guest memory");
    make_bzimage();
    setup()->init_size = 112 * MIB + 1;
    refused(-ENOMEM, "needs at least 129 MiB");
    make_bzimage();
    setup()->init_size = 112 * MIB;
    ck_assert_int_eq(load(), 0);
}
END_TEST

/* --- ELF with a PVH note --- */

struct elf {
    Elf64_Ehdr eh;
    Elf64_Phdr note, load;
    struct {
        Elf64_Nhdr other;
        char other_name[8];
        uint32_t other_desc;
        Elf64_Nhdr pvh;
        char name[4];
        uint32_t entry;
    } notes;
    char code[16];
};

static struct elf *elf(void)
{
    return (struct elf *)image;
}

static void make_elf(void)
{
    struct elf e = {
        .eh = {.e_ident = ELFMAG,
               .e_type = ET_EXEC,
               .e_machine = EM_X86_64,
               .e_phoff = offsetof(struct elf, note),
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 2},
        .note = {.p_type = PT_NOTE,
                 .p_offset = offsetof(struct elf, notes),
                 .p_filesz = sizeof(e.notes)},
        .load = {.p_type = PT_LOAD,
                 .p_offset = offsetof(struct elf, code),
                 .p_paddr = 2 * MIB,
                 .p_filesz = sizeof(e.code),
                 .p_memsz = 4096},
        .notes = {.other = {6, 3, PVH_NOTE_ENTRY}, /* lengths that must be rounded up */
                  .other_name = "Other",
                  .pvh = {4, 4, PVH_NOTE_ENTRY},
                  .name = "Xen",
                  .entry = 2 * MIB + 8},
        .code = "CODE",
    };

    e.eh.e_ident[EI_CLASS] = ELFCLASS64;
    e.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    memset(image, 0, sizeof(image));
    memcpy(image, &e, sizeof(e));
    image_size = sizeof(e);
}

START_TEST(elf_is_entered_where_its_note_says_with_start_info)
{
    const struct pvh_start_info *info;
    const struct pvh_memmap *map;

    make_elf();
    config.append = "mode=x";
    ck_assert_msg(load() == 0, "%s", err.msg);
    ck_assert_int_eq(entry.protocol, BOOT_PVH);
    ck_assert_uint_eq(entry.rip, 2 * MIB + 8);
    ck_assert_str_eq(guest(2 * MIB, 5), "CODE");
    info = guest(entry.info, sizeof(*info));
    ck_assert_uint_eq(info->magic, PVH_MAGIC);
    ck_assert_uint_eq(info->version, 1);
    ck_assert_uint_eq(info->nr_modules, 0);
    ck_assert_uint_eq(info->rsdp_paddr, LAYOUT_ACPI);
    ck_assert_str_eq(guest(info->cmdline_paddr, 64), DEVICES " mode=x");
    ck_assert_uint_eq(info->memmap_entries, 3);
    map = guest(info->memmap_paddr, info->memmap_entries * sizeof(*map));
    ck_assert_uint_eq(map[2].addr, MIB);
    ck_assert_uint_eq(map[2].size, 127 * MIB);
    ck_assert_uint_eq(map[2].type, 1);
}
END_TEST

static const struct {
    uint64_t align;
    size_t name, desc; /* of the note before the PVH note */
    size_t at;         /* where the PVH note begins */
} padded[] = {
    {0, 6, 3, 24}, {1, 6, 3, 24},  {4, 6, 3, 24},  {4, 4, 16, 32}, {8, 4, 16, 32}, /* GNU */
    {8, 6, 3, 32}, {8, 4, 20, 40}, {8, 4, 17, 40}, {8, 0, 0, 16},
};

/* gABI: a descriptor and the next note begin at multiples of p_align, which is 4 or 8. */
START_TEST(a_note_behind_another_is_found_with_either_alignment)
{
    static const Elf64_Nhdr pvh = {4, 4, PVH_NOTE_ENTRY};
    const Elf64_Nhdr other = {(Elf64_Word)padded[_i].name, (Elf64_Word)padded[_i].desc, 5};
    const uint32_t pvh_entry = 2 * MIB + 8;
    uint8_t *notes = image + sizeof(struct elf);

    make_elf();
    memcpy(notes, &other, sizeof(other));
    memset(notes + sizeof(other), 0xff, padded[_i].at - sizeof(other));
    memcpy(notes + padded[_i].at, &pvh, sizeof(pvh));
    memcpy(notes + padded[_i].at + 12, "Xen", 4);
    memcpy(notes + padded[_i].at + 16, &pvh_entry, 4);
    elf()->note.p_offset = sizeof(struct elf);
    elf()->note.p_filesz = padded[_i].at + 20;
    elf()->note.p_align = padded[_i].align;
    image_size = sizeof(struct elf) + padded[_i].at + 20;
    ck_assert_msg(load() == 0, "%s", err.msg);
    ck_assert_uint_eq(entry.rip, pvh_entry);
}
END_TEST

START_TEST(elf_gets_its_initrd_as_a_module)
{
    char path[] = "/tmp/pollux-initrd-XXXXXX";
    const struct pvh_start_info *info;
    const struct pvh_module *module;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "INITRD", 7), 7);
    close(fd);
    make_elf();
    config.initrd = path;
    ck_assert_msg(load() == 0, "%s", err.msg);
    unlink(path);
    info = guest(entry.info, sizeof(*info));
    ck_assert_uint_eq(info->nr_modules, 1);
    module = guest(info->modlist_paddr, sizeof(*module));
    ck_assert_uint_eq(module->size, 7);
    ck_assert_str_eq(guest(module->paddr, 7), "INITRD");
}
END_TEST

START_TEST(broken_elf_files_are_named_as_such)
{
    make_elf();
    image_size = 40;
    refused(-ENODATA, "truncated");
    make_elf();
    image_size = offsetof(struct elf, code) + 15;
    refused(-ENODATA, "truncated");
    make_elf();
    elf()->eh.e_ident[EI_CLASS] = ELFCLASS32;
    refused(-ENOTSUP, "not for x86-64");
    make_elf();
    elf()->eh.e_machine = EM_AARCH64;
    refused(-ENOTSUP, "not for x86-64");
    make_elf();
    elf()->eh.e_type = ET_REL;
    refused(-EINVAL, "cannot be run");
    make_elf();
    elf()->eh.e_phnum = 0;
    refused(-EINVAL, "cannot be run");
    make_elf();
    elf()->eh.e_phnum = UINT16_MAX;
    refused(-EINVAL, "damaged");
    make_elf();
    elf()->eh.e_phentsize = 1;
    refused(-EINVAL, "damaged");
    make_elf();
    elf()->eh.e_phoff = UINT64_MAX - 8;
    refused(-ENODATA, "truncated");
    make_elf();
    elf()->notes.pvh.n_type = 1;
    refused(-ENOTSUP, "without a PVH note");
    make_elf();
    elf()->notes.other.n_namesz = UINT32_MAX;
    refused(-ENOTSUP, "without a PVH note");
    make_elf();
    elf()->notes.other.n_descsz = UINT32_MAX - 1;
    refused(-ENOTSUP, "without a PVH note");
    make_elf();
    elf()->note.p_filesz = UINT64_MAX;
    refused(-EINVAL, "notes are too large");
    make_elf();
    elf()->note.p_offset = UINT64_MAX - 4;
    refused(-ENODATA, "truncated");
    make_elf();
    elf()->load.p_offset = UINT64_MAX - 4;
    refused(-ENODATA, "truncated");
    make_elf();
    elf()->load.p_memsz = 8;
    refused(-EINVAL, "larger in the file than in memory");
    make_elf();
    elf()->load.p_memsz = UINT64_MAX;
    refused(-EINVAL, "no guest has free memory");
    make_elf();
    elf()->load.p_paddr = LAYOUT_ZERO_PAGE;
    refused(-EINVAL, "no guest has free memory");
    make_elf();
    elf()->load.p_paddr = LAYOUT_HOLE - 8;
    refused(-EINVAL, "no guest has free memory");
    make_elf();
    elf()->load.p_paddr = 128 * MIB - 8;
    refused(-ENOMEM, "give more (--memory)");
    make_elf();
    elf()->load.p_paddr = LAYOUT_HOLE_END;
    refused(-ENOMEM, "give more (--memory)");
    make_elf();
    elf()->notes.entry = 64 * MIB;
    refused(-EINVAL, "in no segment");
}
END_TEST

/* --- any file --- */

START_TEST(files_that_are_no_kernel_are_named_as_such)
{
    char path[] = "/tmp/pollux-kernel-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    config.kernel = path;
    refused(-EINVAL, "the file is empty");
    ck_assert_int_eq(write(fd, "\177E", 2), 2);
    refused(-ENOEXEC, "neither a bzImage nor an ELF file");
    close(fd);
    unlink(path);
    refused(-ENOENT, path);
    config.kernel = "/";
    refused(-EISDIR, "is a directory");
    config.kernel = "/dev/null";
    refused(-EINVAL, "not a regular file");
    config.kernel = NULL;
    image_size = 0;
    refused(-EINVAL, "is empty");
}
END_TEST

/* Damage of all sorts, the same in each run: no load may crash, and what is accepted must lie in
 * the guest's memory. */
static void damage(void (*make)(void), uint32_t seed)
{
    for (unsigned i = 0; i < DAMAGE_MANY; i++) {
        make();
        for (unsigned k = 0; k <= i % 3; k++) {
            seed = seed * 1664525 + 1013904223;
            image[(seed >> 8) % image_size] = (uint8_t)(seed & 0x80 ? 0xff : seed >> 24);
        }
        if (i % 16 == 0) {
            image_size = (seed >> 4) % image_size;
        }
        if (load() == 0) {
            ck_assert_ptr_nonnull(guest_memory_at(&ram.mem, entry.rip, 1));
            ck_assert_str_eq(err.msg, "");
        } else {
            ck_assert_str_ne(err.msg, "");
        }
    }
}

/* Only headers, so that damage hits something that is looked at. */
static void make_small_bzimage(void)
{
    make_bzimage();
    setup()->syssize = 1024 / 16;
    image_size = 2048;
}

START_TEST(no_damage_to_a_header_gets_past_the_loader)
{
    damage(make_small_bzimage, 1);
    damage(make_elf, 2);
}
END_TEST

/* @flags: the line VmFlags of the mapping that begins at @at; empty if there is none. */
static void mapping_flags(const void *at, char *flags, size_t size)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512], from[32];
    bool here = false;

    ck_assert_ptr_nonnull(f);
    snprintf(from, sizeof(from), "%lx-", (unsigned long)at);
    flags[0] = '\0';
    while (!flags[0] && fgets(line, sizeof(line), f)) {
        here |= strncmp(line, from, strlen(from)) == 0;
        if (here && strncmp(line, "VmFlags:", 8) == 0) {
            snprintf(flags, size, "%s", line);
        }
    }
    fclose(f);
}

START_TEST(a_core_dump_leaves_out_guest_memory)
{
    char flags[512];
    struct ram r;

    ck_assert_int_eq(ram_init(&r, 16 * MIB, _i, &err), 0);
    mapping_flags(r.hva, flags, sizeof(flags));
    ck_assert_msg(strstr(flags, " dd"), "\"%s\"", flags);
    ram_destroy(&r);
}
END_TEST

START_TEST(memory_beyond_the_host_is_refused)
{
    struct ram r;

    ck_assert_int_eq(ram_init(&r, 1ull << 46, false, &err), -ENOMEM);
    ck_assert_ptr_nonnull(strstr(err.msg, "this host has"));
    ck_assert_int_eq(ram_init(&r, 1ull << 46, true, &err), -ENOMEM);
}
END_TEST

START_TEST(shared_memory_is_seen_through_its_descriptor)
{
    struct ram r;
    char seen[6];

    ck_assert_msg(ram_init(&r, 16 * MIB, true, &err) == 0, "%s", err.msg);
    memcpy(guest_memory_at(&r.mem, 8 * MIB, 6), "hello", 6);
    ck_assert_int_eq(pread(r.memfd, seen, 6, 8 * MIB), 6);
    ck_assert_str_eq(seen, "hello");
    ram_destroy(&r);
    ck_assert_int_eq(r.memfd, -1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        bzimage_goes_where_it_prefers_to_run,
        bzimage_enters_with_four_gib_mapped,
        initrd_lies_at_the_end_of_memory_or_of_what_the_kernel_reaches,
        more_memory_is_asked_for_only_where_it_helps,
        acpi_tells_a_bzimage_of_its_disks_unless_it_is_off,
        words_of_a_command_line_are_those_that_linux_reads,
        what_a_guest_lacks_without_acpi_is_one_line,
        command_line_has_the_length_that_the_kernel_takes,
        memory_map_leaves_the_hole_out_and_goes_on_above_4_gib,
        broken_bzimages_are_named_as_such,
        elf_is_entered_where_its_note_says_with_start_info,
        elf_gets_its_initrd_as_a_module,
        broken_elf_files_are_named_as_such,
        files_that_are_no_kernel_are_named_as_such,
        no_damage_to_a_header_gets_past_the_loader,
        memory_beyond_the_host_is_refused,
        shared_memory_is_seen_through_its_descriptor,
    };
    Suite *s = suite_create("boot");
    TCase *t = tcase_create("loaders");

    tcase_add_checked_fixture(t, set_up, tear_down);
    for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        tcase_add_test(t, tests[i]);
    }
    tcase_add_loop_test(t, a_note_behind_another_is_found_with_either_alignment, 0,
                        sizeof(padded) / sizeof(padded[0]));
    tcase_add_loop_test(t, a_core_dump_leaves_out_guest_memory, 0, 2);
    suite_add_tcase(s, t);
    return suite_run(s);
}

// SPDX-License-Identifier: MIT
/*
 * ELF kernels with a PVH entry: the segments go where their physical addresses say, and the first
 * vCPU begins at the address in the note, in 32-bit protected mode without paging, start info in
 * ebx. Everything in the file is untrusted.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "kvm/boot-memory-map.h"
#include "kvm/boot-pvh.h"
#include "kvm/layout.h"
#include "kvm/pvh.h"

#define SEGMENTS_MAX 64
#define NOTES_MAX    16384 /* bytes in one note segment */
#define CMDLINE_MAX  2047  /* Linux truncates a longer one silently */

static int kernel_error(const struct boot_file *kernel, int num, const char *what,
                        struct error *err)
{
    return error_set(err, num, "kernel %s: %s", kernel->name, what);
}

static int check_header(const struct boot_file *kernel, const Elf64_Ehdr *eh, struct error *err)
{
    if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
        eh->e_machine != EM_X86_64) {
        return kernel_error(kernel, -ENOTSUP, "an ELF file, but not for x86-64", err);
    }
    if ((eh->e_type != ET_EXEC && eh->e_type != ET_DYN) || eh->e_phnum == 0) {
        return kernel_error(kernel, -EINVAL,
                            "an ELF file that cannot be run: it has no program headers", err);
    }
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum > SEGMENTS_MAX) {
        return kernel_error(kernel, -EINVAL, "damaged: bad ELF program header table", err);
    }
    return 0;
}

/* Is the range usable RAM in a guest with enough memory? */
static bool can_be_ram(uint64_t addr, uint64_t size)
{
    return size <= UINT64_MAX - addr &&
           (addr >= LAYOUT_HOLE_END || (addr >= LAYOUT_HIGH && addr + size <= LAYOUT_HOLE));
}

static int load_segment(const struct ram *ram, const struct boot_file *kernel, const Elf64_Phdr *ph,
                        struct error *err)
{
    void *to;
    int ret;

    if (ph->p_filesz > ph->p_memsz) {
        return kernel_error(kernel, -EINVAL,
                            "damaged: an ELF segment is larger in the file than in memory", err);
    }
    if (!can_be_ram(ph->p_paddr, ph->p_memsz)) {
        return error_set(err, -EINVAL,
                         "kernel %s: its segment of %" PRIu64 " bytes at 0x%" PRIx64
                         " is where no guest has free memory: that is from 1 MiB to 3 GiB, and "
                         "from 4 GiB on",
                         kernel->name, ph->p_memsz, ph->p_paddr);
    }
    to = guest_memory_at(&ram->mem, ph->p_paddr, ph->p_memsz);
    if (!to) {
        return error_set(err, -ENOMEM,
                         "kernel %s: its segment of %" PRIu64 " bytes at 0x%" PRIx64
                         " is beyond the guest's memory; give more (--memory)",
                         kernel->name, ph->p_memsz, ph->p_paddr);
    }
    /* The rest, up to p_memsz, is zero already: the memory is fresh. */
    ret = boot_file_read(kernel, ph->p_offset, to, ph->p_filesz);
    if (ret == -ENODATA) {
        return kernel_error(kernel, ret, "truncated: an ELF segment goes past the end of the file",
                            err);
    }
    return ret < 0 ? kernel_error(kernel, ret, strerror(-ret), err) : 0;
}

static size_t align_up(size_t offset, size_t align)
{
    return (offset + align - 1) & ~(align - 1);
}

/*
 * Searches @len bytes of notes for the PVH entry. The descriptor of a note and the next note begin
 * at multiples of @align from the segment's start (gABI, "Note Section").
 * Return: true and *@entry if it was found.
 */
static bool find_entry(const uint8_t *notes, size_t len, size_t align, uint64_t *entry)
{
    Elf64_Nhdr nh;

    for (size_t at = 0, desc; at <= len && len - at >= sizeof(nh);
         at = align_up(desc + nh.n_descsz, align)) {
        memcpy(&nh, notes + at, sizeof(nh));
        at += sizeof(nh);
        desc = align_up(at + nh.n_namesz, align);
        if (desc > len || nh.n_descsz > len - desc) {
            return false;
        }
        if (nh.n_type == PVH_NOTE_ENTRY && nh.n_namesz == sizeof(PVH_NOTE_NAME) &&
            memcmp(notes + at, PVH_NOTE_NAME, sizeof(PVH_NOTE_NAME)) == 0 &&
            (nh.n_descsz == 4 || nh.n_descsz == 8)) {
            *entry = 0;
            memcpy(entry, notes + desc, nh.n_descsz);
            return true;
        }
    }
    return false;
}

static int read_notes(const struct boot_file *kernel, const Elf64_Phdr *ph, uint64_t *entry,
                      bool *found, struct error *err)
{
    uint8_t notes[NOTES_MAX];
    int ret;

    if (ph->p_filesz > sizeof(notes)) {
        return kernel_error(kernel, -EINVAL, "damaged: its ELF notes are too large", err);
    }
    ret = boot_file_read(kernel, ph->p_offset, notes, ph->p_filesz);
    if (ret < 0) {
        return kernel_error(kernel, ret, "truncated: its ELF notes are not in the file", err);
    }
    *found = find_entry(notes, ph->p_filesz, ph->p_align == 8 ? 8 : 4, entry);
    return 0;
}

int pvh_load(const struct ram *ram, const struct boot_file *kernel, struct boot_image *image,
             struct error *err)
{
    bool found = false, inside = false;
    Elf64_Phdr ph[SEGMENTS_MAX];
    unsigned char magic[SELFMAG];
    Elf64_Ehdr eh;
    int ret = 0;

    if (boot_file_read(kernel, 0, magic, SELFMAG) < 0 || memcmp(magic, ELFMAG, SELFMAG) != 0) {
        return -ENOEXEC;
    }
    if (boot_file_read(kernel, 0, &eh, sizeof(eh)) < 0) {
        return kernel_error(kernel, -ENODATA, "truncated: the file ends in the ELF header", err);
    }
    ret = check_header(kernel, &eh, err);
    if (ret < 0) {
        return ret;
    }
    if (boot_file_read(kernel, eh.e_phoff, ph, eh.e_phnum * sizeof(ph[0])) < 0) {
        return kernel_error(kernel, -ENODATA,
                            "truncated: its ELF program headers are not in the file", err);
    }
    *image = (struct boot_image){
        .end = LAYOUT_HIGH, .initrd_max = UINT64_MAX, .cmdline_max = CMDLINE_MAX};
    for (unsigned i = 0; ret == 0 && i < eh.e_phnum && !found; i++) {
        if (ph[i].p_type == PT_NOTE) {
            ret = read_notes(kernel, &ph[i], &image->entry, &found, err);
        }
    }
    if (ret == 0 && !found) {
        ret = kernel_error(
            kernel, -ENOTSUP,
            "an ELF file without a PVH note (XEN_ELFNOTE_PHYS32_ENTRY); a Linux kernel has "
            "one when built with CONFIG_PVH",
            err);
    }
    for (unsigned i = 0; ret == 0 && i < eh.e_phnum; i++) {
        if (ph[i].p_type != PT_LOAD || ph[i].p_memsz == 0) {
            continue;
        }
        ret = load_segment(ram, kernel, &ph[i], err);
        if (ret == 0) {
            inside |= image->entry - ph[i].p_paddr < ph[i].p_memsz;
            if (ph[i].p_paddr < LAYOUT_HOLE && image->end < ph[i].p_paddr + ph[i].p_memsz) {
                image->end = ph[i].p_paddr + ph[i].p_memsz;
            }
        }
    }
    if (ret == 0 && (!inside || image->entry > UINT32_MAX)) {
        ret = error_set(err, -EINVAL,
                        "kernel %s: damaged: its PVH entry 0x%" PRIx64 " is in no segment",
                        kernel->name, image->entry);
    }
    return ret;
}

void pvh_finish(const struct ram *ram, const struct boot_data *data)
{
    struct start {
        struct pvh_start_info info;
        struct pvh_module initrd;
        struct pvh_memmap map[BOOT_RANGES_MAX];
    } *s = guest_memory_at(&ram->mem, LAYOUT_START_INFO, sizeof(*s));
    struct boot_range ranges[BOOT_RANGES_MAX];

    s->info = (struct pvh_start_info){
        .magic = PVH_MAGIC,
        .version = 1,
        .nr_modules = data->initrd_size ? 1 : 0,
        .modlist_paddr = LAYOUT_START_INFO + offsetof(struct start, initrd),
        .cmdline_paddr = data->cmdline,
        .rsdp_paddr = data->rsdp,
        .memmap_paddr = LAYOUT_START_INFO + offsetof(struct start, map),
        .memmap_entries = boot_memory_map(ram, ranges),
    };
    s->initrd = (struct pvh_module){.paddr = data->initrd, .size = data->initrd_size};
    for (unsigned i = 0; i < s->info.memmap_entries; i++) {
        s->map[i] = (struct pvh_memmap){
            .addr = ranges[i].addr, .size = ranges[i].size, .type = ranges[i].type};
    }
}

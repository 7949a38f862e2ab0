// SPDX-License-Identifier: MIT
/*
 * ELF kernels: every segment is in its place, nothing is written outside segments, and the entry is
 * what the PVH note says and in a segment.
 */
#include <elf.h>
#include <string.h>

#include "kvm/layout.h"
#include "kvm/pvh.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loader.h"

#define FILE_MAX     4096
#define SEGMENTS_MAX 64
#define NOTES        0x200
#define TEXT         0x400

struct file {
    Elf64_Ehdr eh;
    Elf64_Phdr ph[5];
};

#define EH(f)                                                                                      \
    {                                                                                              \
        offsetof(Elf64_Ehdr, f), sizeof(((Elf64_Ehdr *)0)->f)                                      \
    }
#define PH(i, f)                                                                                   \
    {                                                                                              \
        offsetof(struct file, ph) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, f),            \
            sizeof(((Elf64_Phdr *)0)->f)                                                           \
    }
#define PHS(i) PH(i, p_type), PH(i, p_offset), PH(i, p_paddr), PH(i, p_filesz), PH(i, p_memsz)

static const struct fuzz_field fields[] = {
    EH(e_type),   EH(e_machine),  EH(e_phoff),    EH(e_phnum),     EH(e_phentsize), {EI_CLASS, 1},
    {EI_DATA, 1}, PHS(0),         PHS(1),         PHS(2),          PHS(3),          PHS(4),
    {NOTES, 4},   {NOTES + 4, 4}, {NOTES + 8, 4}, {NOTES + 12, 4}, {NOTES + 16, 8}, {NOTES + 24, 4},
};

static size_t seed(unsigned i, uint8_t *out, size_t max)
{
    struct file f = {
        .eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
               .e_type = ET_EXEC,
               .e_machine = EM_X86_64,
               .e_phoff = offsetof(struct file, ph),
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 3 + (uint16_t)i},
        .ph = {{.p_type = PT_LOAD,
                .p_offset = TEXT,
                .p_paddr = LAYOUT_HIGH,
                .p_filesz = 0x200,
                .p_memsz = 0x1000},
               {.p_type = PT_NOTE, .p_offset = NOTES, .p_filesz = 20, .p_memsz = 20},
               {.p_type = PT_LOAD,
                .p_offset = TEXT + 0x200,
                .p_paddr = LAYOUT_HIGH + 0x2000,
                .p_filesz = 0x100,
                .p_memsz = 0x100},
               {.p_type = PT_LOAD,
                .p_offset = TEXT,
                .p_paddr = LAYOUT_HOLE_END + 0x1000,
                .p_filesz = 0x80,
                .p_memsz = 0x2000},
               {.p_type = PT_LOAD, .p_paddr = LOADER_LOW - 0x1000, .p_memsz = 0x1000}},
    };
    const Elf64_Nhdr note = {
        .n_namesz = sizeof(PVH_NOTE_NAME), .n_descsz = 4, .n_type = PVH_NOTE_ENTRY};
    const uint32_t entry = LAYOUT_HIGH + 0x10;

    if (i > 2) {
        return 0;
    }
    memset(out, 0, TEXT);
    memcpy(out, &f, sizeof(f));
    memcpy(out + NOTES, &note, sizeof(note));
    memcpy(out + NOTES + sizeof(note), PVH_NOTE_NAME, sizeof(PVH_NOTE_NAME));
    memcpy(out + NOTES + sizeof(note) + sizeof(PVH_NOTE_NAME), &entry, sizeof(entry));
    memset(out + TEXT, 'T', 0x300);
    return TEXT + 0x300;
}

static size_t mutate(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    if (fuzz_random(random, 4) == 0) {
        return fuzz_mutate_bytes(data, size, max);
    }
    fuzz_mutate_field(data, size, fields, sizeof(fields) / sizeof(fields[0]), random);
    return size;
}

/* The segments of a file that was taken, so what they say is in bounds. */
static void check_segments(const uint8_t *data, size_t size, const struct boot_entry *entry)
{
    Elf64_Phdr ph[SEGMENTS_MAX];
    bool inside = false;
    Elf64_Ehdr eh;

    memcpy(&eh, data, sizeof(eh));
    FUZZ_CHECK(eh.e_phnum <= SEGMENTS_MAX && eh.e_phoff <= size &&
                   eh.e_phnum * sizeof(ph[0]) <= size - eh.e_phoff,
               "a table of %u at %llu was taken", eh.e_phnum, (unsigned long long)eh.e_phoff);
    memcpy(ph, data + eh.e_phoff, eh.e_phnum * sizeof(ph[0]));
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        const uint8_t *at = loader_bytes(ph[i].p_paddr, ph[i].p_memsz);

        if (ph[i].p_type != PT_LOAD || ph[i].p_memsz == 0) {
            continue;
        }
        FUZZ_CHECK(at && ph[i].p_filesz <= ph[i].p_memsz, "segment %u of %llu bytes at 0x%llx", i,
                   (unsigned long long)ph[i].p_memsz, (unsigned long long)ph[i].p_paddr);
        /* Only the last one that wrote to a place is there; one is enough to see. */
        if (i + 1 == eh.e_phnum) {
            FUZZ_CHECK(!memcmp(at, data + ph[i].p_offset, ph[i].p_filesz),
                       "the last segment is not in its place");
        }
        inside |= entry->rip - ph[i].p_paddr < ph[i].p_memsz;
    }
    FUZZ_CHECK(inside && entry->rip <= UINT32_MAX, "entry 0x%llx is in no segment",
               (unsigned long long)entry->rip);
}

static void run(const uint8_t *data, size_t size)
{
    struct boot_entry entry = {0};
    Elf64_Ehdr eh = {.e_phnum = 0};
    Elf64_Phdr ph;

    if (size > FILE_MAX || size < 4 || memcmp(data, "\177ELF", 4)) {
        return;
    }
    if (loader_load(data, size, &entry) == 0) {
        FUZZ_CHECK(entry.protocol == BOOT_PVH && entry.info == LAYOUT_START_INFO, "protocol");
        check_segments(data, size, &entry);
    }
    /* Also a file that is refused in the middle has written what its segments say. */
    if (size >= sizeof(eh)) {
        memcpy(&eh, data, sizeof(eh));
    }
    for (unsigned i = 0; i < eh.e_phnum && eh.e_phoff <= size; i++) {
        if ((i + 1) * sizeof(ph) > size - eh.e_phoff) {
            break;
        }
        memcpy(&ph, data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type == PT_LOAD && ph.p_paddr >= LAYOUT_HIGH) {
            loader_expect(ph.p_paddr, ph.p_memsz);
        }
    }
    loader_check_rest();
}

const struct fuzz_target fuzz_target = {.seed = seed, .mutate = mutate, .run = run};

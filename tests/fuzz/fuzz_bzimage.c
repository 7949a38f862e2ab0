// SPDX-License-Identifier: MIT
/*
 * bzImages: the payload lands where the header says and nowhere else, and the kernel is entered in
 * it.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "kvm/layout.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loader.h"

#define SETUP    offsetof(struct boot_params, hdr)
#define FILE_MAX 4096
#define MIB      (1ull << 20)

#define FIELD(f)                                                                                   \
    {                                                                                              \
        SETUP + offsetof(struct setup_header, f), sizeof(((struct setup_header *)0)->f)            \
    }

static const struct fuzz_field fields[] = {
    FIELD(setup_sects),     FIELD(syssize),      FIELD(syssize),        FIELD(boot_flag),
    FIELD(header),          FIELD(version),      FIELD(xloadflags),     FIELD(cmdline_size),
    FIELD(pref_address),    FIELD(pref_address), FIELD(init_size),      FIELD(init_size),
    FIELD(initrd_addr_max), FIELD(setup_data),   FIELD(payload_offset), FIELD(payload_length),
};

/* How the seeds differ. */
static const struct {
    unsigned sects, payload;
    uint64_t base;
    uint32_t init_size;
} kernels[] = {
    {1, 2048, 1 * MIB, 4096},
    {1, 3072, 1 * MIB + 4096, 0x80000},
    {0, 1024, 2 * MIB - 4096, 2048},
};

static size_t seed(unsigned i, uint8_t *out, size_t max)
{
    struct setup_header h = {
        .boot_flag = 0xaa55,
        .jump = 0x66eb,
        .header = 0x53726448,
        .version = 0x020f,
        .loadflags = LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
        .xloadflags = XLF_KERNEL_64,
        .cmdline_size = 2047,
    };
    size_t offset;

    if (i >= sizeof(kernels) / sizeof(kernels[0])) {
        return 0;
    }
    h.setup_sects = (uint8_t)kernels[i].sects;
    h.syssize = kernels[i].payload / 16;
    h.pref_address = kernels[i].base;
    h.init_size = kernels[i].init_size;
    offset = ((h.setup_sects ? h.setup_sects : 4) + 1) * 512;
    memset(out, 0, offset);
    memcpy(out + SETUP, &h, sizeof(h));
    memset(out + offset, 'P', kernels[i].payload);
    return offset + kernels[i].payload;
}

static size_t mutate(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    if (fuzz_random(random, 4) == 0) {
        return fuzz_mutate_bytes(data, size, max);
    }
    fuzz_mutate_field(data, size, fields, sizeof(fields) / sizeof(fields[0]), random);
    return size;
}

static void run(const uint8_t *data, size_t size)
{
    struct boot_entry entry = {0};
    struct setup_header h;
    uint64_t offset, len;
    const uint8_t *at;
    int ret;

    if (size > FILE_MAX || (size >= 4 && !memcmp(data, "\177ELF", 4))) {
        return;
    }
    ret = loader_load(data, size, &entry);
    if (ret == 0 || ret == -E2BIG) { /* the command line comes after the kernel */
        memcpy(&h, data + SETUP, sizeof(h));
        offset = ((h.setup_sects ? h.setup_sects : 4u) + 1) * 512ull;
        len = size - offset < h.syssize * 16ull ? size - offset : h.syssize * 16ull;
        at = loader_bytes(h.pref_address, len);
        FUZZ_CHECK(entry.protocol == BOOT_LINUX64 && entry.info == LAYOUT_ZERO_PAGE, "protocol");
        FUZZ_CHECK(at && !memcmp(at, data + offset, len), "the payload is not in its place");
        FUZZ_CHECK(entry.rip > h.pref_address && entry.rip < h.pref_address + len,
                   "entry 0x%llx is outside the kernel", (unsigned long long)entry.rip);
        FUZZ_CHECK(h.init_size <= LOADER_LOW - h.pref_address, "no room to unpack itself");
        loader_expect(h.pref_address, len);
    }
    loader_check_rest();
}

const struct fuzz_target fuzz_target = {.seed = seed, .mutate = mutate, .run = run};

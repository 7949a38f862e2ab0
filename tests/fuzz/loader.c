// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/mman.h>

#include "kvm/layout.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loader.h"

#define PAGE 4096ull

static struct ram ram;

/* Nothing before, between and behind the two parts. */
static void map(void)
{
    size_t span = LOADER_LOW + LOADER_HIGH + 3 * PAGE;
    uint8_t *area = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    FUZZ_CHECK(area != MAP_FAILED, "mmap");
    ram = (struct ram){.low = LOADER_LOW, .high = LOADER_HIGH, .memfd = -1};
    ram.hva = area + PAGE;
    ram.size = LOADER_LOW + LOADER_HIGH;
    FUZZ_CHECK(mprotect(ram.hva, LOADER_LOW, PROT_READ | PROT_WRITE) == 0 &&
                   mprotect(ram.hva + LOADER_LOW + PAGE, LOADER_HIGH, PROT_READ | PROT_WRITE) == 0,
               "mprotect");
    guest_memory_add(&ram.mem, 0, LOADER_LOW, ram.hva);
    guest_memory_add(&ram.mem, LAYOUT_HOLE_END, LOADER_HIGH, ram.hva + LOADER_LOW + PAGE);
}

/* Is all of it zero? Pages that nobody has touched are, and are not looked at. */
static bool is_zero(const uint8_t *from, uint64_t len)
{
    static const uint8_t zero[PAGE];
    unsigned char touched[LOADER_LOW / PAGE + 1];
    uint64_t first = (uint64_t)from & ~(PAGE - 1), end = (uint64_t)from + len;

    FUZZ_CHECK(mincore((void *)first, end - first, touched) == 0, "mincore");
    for (uint64_t page = first; page < end; page += PAGE) {
        uint64_t at = page < (uint64_t)from ? (uint64_t)from : page;
        uint64_t to = page + PAGE < end ? page + PAGE : end;

        if ((touched[(page - first) / PAGE] & 1) && memcmp((void *)at, zero, to - at)) {
            return false;
        }
    }
    return true;
}

static void expect_zero(uint64_t from, uint64_t to)
{
    FUZZ_CHECK(is_zero(ram.hva + from, to - from), "0x%llx to 0x%llx was written",
               (unsigned long long)from, (unsigned long long)to);
}

/* Below 1 MiB only what kvm/layout.h gives to boot data. */
static void check_boot_data(void)
{
    const uint8_t *cmdline = ram.hva + LAYOUT_CMDLINE;

    expect_zero(0, LAYOUT_GDT);
    expect_zero(LAYOUT_START_INFO + PAGE, LAYOUT_ZERO_PAGE);
    expect_zero(LAYOUT_PAGE_TABLE + 6 * PAGE, LAYOUT_CMDLINE);
    FUZZ_CHECK(!cmdline[0] || strlen((const char *)cmdline) >= strlen(LOADER_APPEND), "\"%s\"",
               cmdline);
    expect_zero(LAYOUT_CMDLINE + PAGE, LAYOUT_HIGH);
}

int loader_load(const uint8_t *kernel, size_t size, struct boot_entry *entry)
{
    struct boot_config config = {
        .kernel_data = kernel,
        .kernel_size = size,
        .append = LOADER_APPEND,
        .devices = "virtio_mmio.device=4K@0xd0000000:5",
        .rsdp = LAYOUT_ACPI,
    };
    struct error err = {""};
    int ret;

    if (!ram.hva) {
        map();
    }
    ret = boot_load(&ram, &config, entry, &err);
    FUZZ_CHECK(ret <= 0, "%d", ret);
    if (ret < 0) {
        FUZZ_CHECK(err.msg[0] && !strchr(err.msg, '\n'), "%d: \"%s\"", ret, err.msg);
    }
    check_boot_data();
    return ret;
}

const uint8_t *loader_bytes(uint64_t gpa, uint64_t len)
{
    return guest_memory_at(&ram.mem, gpa, len);
}

void loader_expect(uint64_t gpa, uint64_t len)
{
    uint8_t *at = guest_memory_at(&ram.mem, gpa, len);

    if (at) {
        memset(at, 0, len);
    }
}

void loader_check_rest(void)
{
    expect_zero(LAYOUT_HIGH, LOADER_LOW);
    FUZZ_CHECK(is_zero(ram.hva + LOADER_LOW + PAGE, LOADER_HIGH), "above 4 GiB was written");
    madvise(ram.hva, LOADER_LOW, MADV_DONTNEED);
    madvise(ram.hva + LOADER_LOW + PAGE, LOADER_HIGH, MADV_DONTNEED);
}

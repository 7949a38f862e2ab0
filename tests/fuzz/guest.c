// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/guest.h"

#define WRITABLE_MAX 70000

const struct guest_fuzz_region guest_regions[GUEST_REGIONS] = {
    {GUEST_GPA, GUEST_SIZE}, {GUEST_TOP_GPA, GUEST_PAGE}, {GUEST_NEXT_GPA, GUEST_PAGE}};

/* Of a file, between pages that are not mapped. */
static uint8_t *map(uint64_t size, int *fd)
{
    uint8_t *area = mmap(NULL, size + 2 * GUEST_PAGE, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    FUZZ_CHECK(area != MAP_FAILED, "mmap");
    *fd = memfd_create("guest", MFD_CLOEXEC);
    FUZZ_CHECK(*fd >= 0 && ftruncate(*fd, (off_t)size) == 0, "memfd");
    FUZZ_CHECK(mmap(area + GUEST_PAGE, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, *fd,
                    0) != MAP_FAILED,
               "mmap");
    return area + GUEST_PAGE;
}

void guest_init(struct fuzz_guest *g)
{
    static struct writable writable[WRITABLE_MAX];
    static uint8_t *mem[GUEST_REGIONS], *shadow[GUEST_REGIONS];
    static int fds[GUEST_REGIONS];

    *g = (struct fuzz_guest){.writable = writable};
    for (unsigned i = 0; i < GUEST_REGIONS; i++) {
        if (!mem[i]) {
            int shadow_fd;

            mem[i] = map(guest_regions[i].size, &fds[i]);
            shadow[i] = map(guest_regions[i].size, &shadow_fd);
            close(shadow_fd);
        }
        memset(mem[i], 0, guest_regions[i].size);
        memset(shadow[i], 0, guest_regions[i].size);
        g->shadow[i] = shadow[i];
        g->fds[i] = fds[i];
        FUZZ_CHECK(guest_memory_add(&g->gm, guest_regions[i].gpa, guest_regions[i].size, mem[i]) ==
                       0,
                   "%u", i);
    }
}

void *guest_at(struct fuzz_guest *g, uint64_t gpa, uint64_t len)
{
    for (unsigned i = 0; len && i < GUEST_REGIONS; i++) {
        unsigned __int128 from = gpa, to = from + len, start = guest_regions[i].gpa;

        if (from >= start && to <= start + guest_regions[i].size) {
            return g->gm.regions[i].hva + (gpa - guest_regions[i].gpa);
        }
    }
    return NULL;
}

static uint8_t *shadow_of(struct fuzz_guest *g, const uint8_t *hva, uint64_t len)
{
    for (unsigned i = 0; i < GUEST_REGIONS; i++) {
        const uint8_t *start = g->gm.regions[i].hva;

        if (hva >= start && hva + len <= start + guest_regions[i].size) {
            return g->shadow[i] + (hva - start);
        }
    }
    return NULL;
}

bool guest_has(struct fuzz_guest *g, const void *hva, uint64_t len)
{
    return shadow_of(g, hva, len);
}

void guest_put(struct fuzz_guest *g, uint64_t gpa, const void *data, uint64_t len)
{
    uint8_t *at = guest_at(g, gpa, len);

    if (at) {
        memcpy(at, data, len);
        memcpy(shadow_of(g, at, len), data, len);
    }
}

void guest_put16(struct fuzz_guest *g, uint64_t gpa, uint16_t value)
{
    guest_put(g, gpa, &value, sizeof(value));
}

uint16_t guest_get16(struct fuzz_guest *g, uint64_t gpa)
{
    const uint8_t *at = guest_at(g, gpa, sizeof(uint16_t));
    uint16_t value = 0;

    if (at) {
        memcpy(&value, at, sizeof(value));
    }
    return value;
}

void guest_allow(struct fuzz_guest *g, void *hva, uint64_t len, uint32_t chain)
{
    FUZZ_CHECK(guest_has(g, hva, len), "a buffer of %llu bytes at %p is not guest memory",
               (unsigned long long)len, hva);
    FUZZ_CHECK(g->nr_writable < WRITABLE_MAX, "too many buffers in flight");
    g->writable[g->nr_writable++] = (struct writable){{hva, len}, chain};
}

void guest_finish(struct fuzz_guest *g, uint32_t chain)
{
    for (unsigned i = 0; i < g->nr_writable; i++) {
        if (g->writable[i].chain == chain) {
            g->writable[i].chain = GUEST_ONCE;
        }
    }
}

void guest_look(struct fuzz_guest *g)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < g->nr_writable; i++) {
        struct writable *w = &g->writable[i];

        memcpy(shadow_of(g, w->iov.iov_base, w->iov.iov_len), w->iov.iov_base, w->iov.iov_len);
        if (w->chain != GUEST_ONCE) {
            g->writable[kept++] = *w;
        }
    }
    g->nr_writable = kept;
    for (unsigned i = 0; i < GUEST_REGIONS; i++) {
        const uint64_t *a = (const uint64_t *)g->gm.regions[i].hva;
        const uint64_t *b = (const uint64_t *)g->shadow[i];
        uint64_t differs = 0;

        for (uint64_t at = 0; at < guest_regions[i].size / 8; at++) {
            differs |= a[at] ^ b[at];
        }
        for (uint64_t at = 0; differs && at < guest_regions[i].size; at++) {
            FUZZ_CHECK(g->gm.regions[i].hva[at] == g->shadow[i][at],
                       "the device wrote to 0x%llx, where it may not",
                       (unsigned long long)(guest_regions[i].gpa + at));
        }
    }
}

// SPDX-License-Identifier: MIT
/*
 * The mapping is aligned to 2 MiB, so that a huge page of the host backs a huge page of the guest.
 * Pages are allocated when the guest touches them. A size above the host's RAM and swap is refused
 * at the start: otherwise the OOM killer would end the guest later.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "kvm/layout.h"
#include "kvm/ram.h"

#define HUGE       (2ull << 20)
#define MIB(bytes) ((bytes) >> 20)

static int check_size(uint64_t size, struct error *err)
{
    struct sysinfo info;
    uint64_t have;

    if (sysinfo(&info) < 0) {
        return 0;
    }
    have = (uint64_t)info.totalram * info.mem_unit + (uint64_t)info.totalswap * info.mem_unit;
    if (size > have) {
        return error_set(err, -ENOMEM,
                         "guest memory of %" PRIu64 " MiB: this host has %" PRIu64
                         " MiB of RAM and swap; use a smaller size (--memory)",
                         MIB(size), MIB(have));
    }
    return 0;
}

static int map_failed(uint64_t size, int num, struct error *err)
{
    return error_set(err, -num,
                     "guest memory of %" PRIu64
                     " MiB cannot be mapped: %s; use a smaller size (--memory), or check "
                     "ulimit -v and vm.overcommit_memory",
                     MIB(size), strerror(num));
}

static int open_memfd(uint64_t size, struct error *err)
{
    int fd = memfd_create("pollux-ram", MFD_CLOEXEC);

    if (fd < 0) {
        return error_set(err, -errno, "memfd for shared guest memory: %s", strerror(errno));
    }
    if (ftruncate(fd, (off_t)size) < 0) {
        int num = errno;

        close(fd);
        return map_failed(size, num, err);
    }
    return fd;
}

/* Maps @size bytes at a multiple of HUGE; fd < 0: anonymous. NULL with errno set on failure. */
static void *map_aligned(uint64_t size, int fd)
{
    size_t span = size + HUGE;
    uint8_t *area, *start;
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *p;

    area = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return NULL;
    }
    start = (uint8_t *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
    p = mmap(start, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
    if (p == MAP_FAILED) {
        int num = errno;

        munmap(area, span);
        errno = num;
        return NULL;
    }
    if (start > area) {
        munmap(area, (size_t)(start - area));
    }
    if (start + size < area + span) {
        munmap(start + size, (size_t)(area + span - (start + size)));
    }
    return p;
}

int ram_init(struct ram *ram, uint64_t size, bool shared, struct error *err)
{
    int ret = check_size(size, err);

    memset(ram, 0, sizeof(*ram));
    ram->memfd = -1;
    if (ret < 0) {
        return ret;
    }
    if (shared) {
        ret = open_memfd(size, err);
        if (ret < 0) {
            return ret;
        }
        ram->memfd = ret;
    }
    ram->size = size;
    ram->hva = map_aligned(size, ram->memfd);
    if (!ram->hva) {
        ret = map_failed(size, errno, err);
        ram_destroy(ram);
        return ret;
    }
    /* A hint: a kernel without transparent huge pages refuses it. */
    madvise(ram->hva, size, MADV_HUGEPAGE);
    madvise(ram->hva, size, MADV_DONTDUMP); /* a core dump has no data of the guest */

    ram->low = size < LAYOUT_HOLE ? size : LAYOUT_HOLE;
    ram->high = size - ram->low;
    ret = guest_memory_add(&ram->mem, 0, ram->low, ram->hva);
    if (ret == 0 && ram->high) {
        ret = guest_memory_add(&ram->mem, LAYOUT_HOLE_END, ram->high, ram->hva + ram->low);
    }
    if (ret < 0) {
        ram_destroy(ram);
        return error_set(err, ret, "guest memory of %" PRIu64 " bytes: invalid size", size);
    }
    return 0;
}

void ram_destroy(struct ram *ram)
{
    if (ram->hva) {
        munmap(ram->hva, ram->size);
    }
    if (ram->size && ram->memfd >= 0) {
        close(ram->memfd);
    }
    memset(ram, 0, sizeof(*ram));
    ram->memfd = -1;
}

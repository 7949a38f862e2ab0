// SPDX-License-Identifier: MIT
/* Mappings of a front end's files, and the handling of a file that is truncated. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/bus-error.h"
#include "vhost/shared-map.h"

#define MAPPINGS_MAX 4096

/* The mappings, for the signal handler. An entry is used while @len is not 0. */
struct mapping {
    uintptr_t base;
    uint64_t len;
    int wake_fd;
    bool lost;
};

static struct mapping mappings[MAPPINGS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Replaces the whole mapping that has @addr by private zeroes. */
static bool replace(const siginfo_t *info, void *context)
{
    uintptr_t addr = (uintptr_t)info->si_addr;

    for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
        struct mapping *m = &mappings[i];
        uint64_t len = load_acquire(&m->len), one = 1;
        int saved = errno;

        if (!len || addr - m->base >= len) {
            continue;
        }
        if (mmap((void *)m->base, len, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
            return false;
        }
        store_release(&m->lost, true);
        if (write(m->wake_fd, &one, sizeof(one)) < 0) {
            /* its counter is full: it is readable anyway */
        }
        errno = saved;
        return true;
    }
    return false;
}

static int add(struct shared_map *map, int wake_fd)
{
    int ret = -ENOSPC;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
        struct mapping *m = &mappings[i];

        if (m->len == 0) {
            m->base = (uintptr_t)map->base;
            m->wake_fd = wake_fd;
            m->lost = false;
            store_release(&m->len, map->len);
            map->slot = i;
            ret = 0;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return ret;
}

/* The length of a mapping of hugetlbfs is a multiple of its page, which is the block there. */
static uint64_t rounded(uint64_t len, const struct stat *st)
{
    uint64_t page = (uint64_t)st->st_blksize;

    return page && (page & (page - 1)) == 0 ? (len + page - 1) & ~(page - 1) : len;
}

int shared_map_open(struct shared_map *map, int fd, uint64_t offset, uint64_t size, int wake_fd,
                    struct error *err)
{
    struct stat st;
    int ret;

    *map = (struct shared_map){0};
    ret = bus_error_catch(replace);
    if (ret < 0) {
        return error_set(err, ret, "cannot catch SIGBUS: %s", strerror(-ret));
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return error_set(err, -EINVAL, "memory is not a regular file or memfd");
    }
    if (size == 0 || offset > UINT64_MAX - size || offset + size > (uint64_t)st.st_size) {
        return error_set(
            err, -EINVAL, "memory of %llu bytes at %llu is not inside its file of %lld bytes",
            (unsigned long long)size, (unsigned long long)offset, (long long)st.st_size);
    }
    /* From the beginning of the file: so the offset needs no alignment to pages of any size. */
    map->len = rounded(offset + size, &st);
    map->base = mmap(NULL, map->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map->base == MAP_FAILED) {
        ret = -errno;
        *map = (struct shared_map){0};
        return error_set(err, ret, "cannot map memory of %llu bytes: %s", (unsigned long long)size,
                         strerror(-ret));
    }
    map->data = map->base + offset;
    ret = add(map, wake_fd);
    if (ret < 0) {
        munmap(map->base, map->len);
        *map = (struct shared_map){0};
        return error_set(err, ret, "all front ends together have %d memory regions", MAPPINGS_MAX);
    }
    madvise(map->base, map->len, MADV_DONTDUMP);
    return 0;
}

void shared_map_close(struct shared_map *map)
{
    if (map->base) {
        pthread_mutex_lock(&lock);
        store_release(&mappings[map->slot].len, 0);
        pthread_mutex_unlock(&lock);
        munmap(map->base, map->len);
        *map = (struct shared_map){0};
    }
}

bool shared_map_lost(const struct shared_map *map)
{
    return map->base && load_acquire(&mappings[map->slot].lost);
}

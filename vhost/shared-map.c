// SPDX-License-Identifier: MIT
/* Mappings of a front end's files, and the handler of SIGBUS for files that are cut. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/guarded-copy.h"
#include "vhost/shared-map.h"

#define MAPPINGS_MAX 4096

/* What the signal handler knows. An entry is used while @len is not 0. */
struct mapping {
    uintptr_t base;
    uint64_t len;
    int wake_fd;
    bool lost;
};

static struct mapping mappings[MAPPINGS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction before;
static int install_result;

/* Of the mapping that has @addr, all becomes zeroes of nobody else's. */
static bool replace(uintptr_t addr)
{
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

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0;

    if (guarded_copy_recover(context) || (!sent && replace((uintptr_t)info->si_addr)) ||
        (sent && before.sa_handler == SIG_IGN)) {
        return;
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(sig, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(sig);
    } else {
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

    install_result = sigaction(SIGBUS, &action, &before) < 0 ? -errno : 0;
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
    pthread_once(&once, install);
    if (install_result < 0) {
        return error_set(err, install_result, "cannot catch SIGBUS: %s", strerror(-install_result));
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

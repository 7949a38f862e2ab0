// SPDX-License-Identifier: MIT
/* Disks for the bench. Scratch files have no name, so they end with the process. */
#include "bench/bench-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bench/bench-options.h"
#include "engine/image.h"

#define NBD          "nbd="
#define RBD          "rbd="
#define RECONNECT_NS 30000000000ull

#define FILL_CHUNK (1u << 20)
#define SEED       88172645463325252u

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool reads_only(const struct bench_config *c)
{
    return !strcmp(c->rw, "read");
}

void bench_disk_null(struct bench_disk *d, const struct bench_config *c,
                     const struct engine_ops *engine)
{
    *d = (struct bench_disk){
        .name = "-",
        .engine = engine,
        .size = c->size,
        .readonly = reads_only(c),
        .fd = -1,
    };
}

static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *path;

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) {
        return fd;
    }
    if (asprintf(&path, "%s/.pollux-bench-XXXXXX", dir) < 0) {
        errno = ENOMEM;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    free(path);
    return fd;
}

/* So that a full disk or memory is an error now and not during a run. */
static bool has_room(int fd, uint64_t size)
{
    struct statvfs fs;

    return fstatvfs(fd, &fs) < 0 || fs.f_blocks == 0 || size / fs.f_frsize <= fs.f_bavail;
}

/* Allocated blocks: the host would not read a hole from the disk. */
static int fill(int fd, uint64_t size)
{
    uint8_t *chunk = malloc(FILL_CHUNK);
    int ret = chunk ? 0 : -ENOMEM;
    uint64_t state = SEED;

    for (size_t i = 0; chunk && i < FILL_CHUNK; i += sizeof(state)) {
        next_random(&state);
        memcpy(chunk + i, &state, sizeof(state));
    }
    for (uint64_t at = 0; ret == 0 && at < size;) {
        uint64_t left = size - at;
        ssize_t n = pwrite(fd, chunk, left < FILL_CHUNK ? left : FILL_CHUNK, (off_t)at);

        if (n < 0 && errno != EINTR) {
            ret = -errno;
        } else if (n > 0) {
            at += (uint64_t)n;
        }
    }
    if (ret == 0 && fsync(fd) < 0) {
        ret = -errno;
    }
    free(chunk);
    return ret;
}

static bool can_direct(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

int bench_disk_scratch(struct bench_disk *d, const struct bench_config *c,
                       const struct engine_ops *engine, const char *name, const char *dir,
                       struct error *err)
{
    int ret;

    *d = (struct bench_disk){
        .name = name,
        .engine = engine,
        .size = c->size,
        .readonly = reads_only(c),
        .fd = open_nameless(dir),
    };
    if (d->fd < 0) {
        return error_set(err, -errno, "cannot make a scratch file in '%s': %s", dir,
                         strerror(errno));
    }
    ret = has_room(d->fd, c->size) ? fill(d->fd, c->size) : -ENOSPC;
    if (ret < 0) {
        bench_disk_close(d);
        return error_set(err, ret,
                         "cannot fill a scratch file of %" PRIu64 " MiB in '%s': %s; "
                         "give another directory with --file or a smaller --size",
                         c->size >> 20, dir, strerror(-ret));
    }
    snprintf(d->path, sizeof(d->path), "/proc/self/fd/%d", d->fd);
    d->file = d->path;
    d->direct = c->cache == BENCH_CACHE_NONE && can_direct(d->path);
    return 0;
}

struct image_config bench_image(const char *disk)
{
    struct image_config config = {.reconnect_ns = RECONNECT_NS};
    const struct engine_ops *engine = bench_server_engine(disk);

    if (engine == &engine_nbd) {
        config.uri = disk + strlen(NBD);
    } else if (engine == &engine_rbd) {
        config.rbd = disk + strlen(RBD);
    } else {
        config.path = disk;
    }
    return config;
}

const struct engine_ops *bench_server_engine(const char *disk)
{
    return disk && strncmp(disk, NBD, strlen(NBD)) == 0   ? &engine_nbd
           : disk && strncmp(disk, RBD, strlen(RBD)) == 0 ? &engine_rbd
                                                          : NULL;
}

int bench_disk_image(struct bench_disk *d, const struct bench_config *c,
                     const struct engine_ops *engine, struct error *err)
{
    struct image_config image_config = bench_image(c->disk);
    struct image image;
    uint64_t size;
    int ret;

    if (!reads_only(c) && !c->overwrite) {
        return error_set(err, -EINVAL,
                         "--rw %s would destroy what is on '%s'; add --overwrite if that is meant",
                         c->rw, c->disk);
    }
    image_config.readonly = reads_only(c);
    image_config.direct = c->cache == BENCH_CACHE_NONE;
    ret = image_open(&image, &image_config, err);
    if (ret == -EINVAL && image_config.path &&
        image_config.direct) { /* no O_DIRECT, or what is wrong without it as well */
        image_config.direct = false;
        ret = image_open(&image, &image_config, err);
    }
    if (ret < 0) {
        return ret;
    }
    if (engine == &engine_mmap && !image.in_memory) {
        image_close(&image);
        return error_set(err, -EINVAL, "--engine: mmap is for files in memory, and '%s' is on disk",
                         c->disk);
    }
    size = image_size(&image);
    image_close(&image);
    for (unsigned i = 0; i < c->block_sizes.n; i++) {
        if (c->block_sizes.v[i] > size) {
            return error_set(err, -EINVAL, "--bs: %" PRIu64 " bytes are more than '%s' has",
                             c->block_sizes.v[i], c->disk);
        }
    }
    *d = (struct bench_disk){
        .name = "disk",
        .engine = engine,
        .file = c->disk,
        .size = size,
        .direct = image_config.direct,
        .readonly = reads_only(c),
        .fd = -1,
    };
    return 0;
}

void bench_disk_close(struct bench_disk *d)
{
    if (d->fd >= 0) {
        close(d->fd);
        d->fd = -1;
    }
}

struct bench_offsets bench_offsets(const struct image *image, uint64_t bs, bool sequential,
                                   unsigned run)
{
    return (struct bench_offsets){
        .bs = bs, .blocks = image_size(image) / bs, .random = SEED + run, .sequential = sequential};
}

uint64_t bench_offset_next(struct bench_offsets *o)
{
    if (o->sequential) {
        return o->next++ % o->blocks * o->bs;
    }
    return (uint64_t)((unsigned __int128)next_random(&o->random) * o->blocks >> 64) * o->bs;
}

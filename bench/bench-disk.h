// SPDX-License-Identifier: MIT
/* Disks that are measured: none, a scratch file, or an image of the user's. */
#ifndef POLLUX_BENCH_BENCH_DISK_H
#define POLLUX_BENCH_BENCH_DISK_H

#include "bench/bench-options.h"
#include "engine/engine.h"
#include "engine/image.h"

struct bench_disk {
    const char *name;
    const struct engine_ops *engine;
    char path[64]; /* empty for engine null */
    const char *file;
    uint64_t size;
    bool direct, readonly;
    int fd; /* of a scratch file, which has no name; -1 if there is none */
};

/**
 * bench_disk_* - an engine without a file, a scratch file in @dir, or the user's disk, which is
 * checked before the first run
 * Return: 0 or -errno and @err. bench_disk_close() releases.
 */
void bench_disk_null(struct bench_disk *d, const struct bench_config *c,
                     const struct engine_ops *engine);
int bench_disk_scratch(struct bench_disk *d, const struct bench_config *c,
                       const struct engine_ops *engine, const char *name, const char *dir,
                       struct error *err);
int bench_disk_image(struct bench_disk *d, const struct bench_config *c,
                     const struct engine_ops *engine, struct error *err);
void bench_disk_close(struct bench_disk *d);

/* bench_image - the image that --disk FILE, nbd=URI or rbd=POOL/IMAGE names; NULL: without a file */
struct image_config bench_image(const char *disk);
/* bench_server_engine - the engine of nbd= or rbd=; NULL: @disk is a file, or NULL */
const struct engine_ops *bench_server_engine(const char *disk);

/* Where the requests of a run go. */
struct bench_offsets {
    uint64_t bs, blocks, next, random;
    bool sequential;
};

/* bench_offsets - blocks of @bs bytes in @image; runs differ in the random ones */
struct bench_offsets bench_offsets(const struct image *image, uint64_t bs, bool sequential,
                                   unsigned run);
uint64_t bench_offset_next(struct bench_offsets *o);

#endif

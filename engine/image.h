// SPDX-License-Identifier: MIT
/*
 * A disk image on the host: a regular file or a block device, opened once and shared by the engines
 * of every thread that serves it.
 */
#ifndef POLLUX_ENGINE_IMAGE_H
#define POLLUX_ENGINE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/error.h"
#include "engine/sector.h"

struct image_config {
    const char *path;    /* NULL: no file behind it (engine null); then @size counts */
    uint64_t size;       /* bytes, only when path is NULL */
    unsigned block_size; /* a power of 2 that the size is to be a multiple of; 0: SECTOR_SIZE */
    bool readonly;
    bool direct;       /* O_DIRECT: go around the host's page cache */
    bool writethrough; /* no write cache: what is written is durable when the write completes, and
                          what is there when the image is opened is durable then */
    bool raw;          /* whatever format the file seems to have, it is used as a raw image */
    bool share_rw;     /* others may write the image at the same time, if they say so too */
};

struct image {
    int fd;        /* -1 without a file */
    uint64_t size; /* bytes, a multiple of SECTOR_SIZE; see image_size() */
    unsigned
        align; /* offsets, lengths and buffer addresses must be multiples of it; 1 if buffered */
    unsigned block_size; /* of the guest: as in the configuration */
    bool readonly;
    bool direct;
    bool writethrough; /* what users are to begin with: see engine_req.durable */
    bool block_device;
    const char *page_cache;  /* why I/O goes through the page cache in spite of @direct; or NULL */
    unsigned left_out;       /* bytes of the file behind its last whole block */
    bool in_memory;          /* its file system keeps data in memory only (tmpfs), or in swap */
    unsigned physical_block; /* bytes, a power of 2: smaller writes cost a read; 0: not known */
    unsigned optimal_io;     /* bytes that are best moved at a time; 0: not known */
};

/**
 * image_open - open, lock and check an image
 * @img: filled; image_close() releases
 * An image has one writer, or many readers, unless all of them share it. The lock goes with the
 * process that holds it.
 * Return: 0, or -errno and @err says what is wrong with which file and what to do: missing, a
 *         directory, of another format than raw, not readable, empty, not a multiple of 512 bytes,
 * no O_DIRECT, its blocks
 *         too large, in use.
 */
int image_open(struct image *img, const struct image_config *config, struct error *err);
void image_close(struct image *img);

/**
 * image_update_size - look whether the file has grown or shrunk
 * @name: for the message
 * Context: one thread at a time; engines may work meanwhile. What they were given beyond a new end
 *          fails.
 * Return: 1 it has another size now, 0 it has not, -errno and @err: it is as it was.
 */
int image_update_size(struct image *img, const char *name, struct error *err);

/* image_in_page_cache - does the host hold in memory what was written, until it is flushed? */
static inline bool image_in_page_cache(const struct image *img)
{
    return img->fd >= 0 && (!img->direct || img->page_cache);
}

/* image_block - what the size is a multiple of, in bytes */
static inline unsigned image_block(const struct image *img)
{
    return img->align > img->block_size ? img->align : img->block_size;
}

/* image_size - of an image that may grow or shrink meanwhile. Context: any thread. */
static inline uint64_t image_size(const struct image *img)
{
    return load_relaxed(&img->size);
}

#endif

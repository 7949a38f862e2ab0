// SPDX-License-Identifier: MIT
/*
 * A disk image: a regular file or a block device of the host, an export of an NBD server, or an image
 * of a Ceph cluster; opened once and shared by the engines of all threads that serve it.
 */
#ifndef POLLUX_ENGINE_IMAGE_H
#define POLLUX_ENGINE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/error.h"
#include "engine/sector.h"

struct nbd_export;
struct nbd_probe;
struct format_helper;
struct rbd_api;
struct rbd_image;

struct image_config {
    const char *uri;       /* of an NBD export (engine nbd); else NULL. @path is NULL then */
    uint64_t reconnect_ns; /* of it: how long requests wait for a lost connection */
    const char *rbd; /* POOL/IMAGE of a Ceph cluster (engine rbd); else NULL. @path is NULL then */
    const char *rbd_conf, *rbd_id; /* file and user of it; NULL: the defaults of librados */
    const struct rbd_api *rbd_api; /* NULL: that of librbd */
    /* The server has given the image another size, which image_update_size() will see. NULL: no call.
     * Context: any thread. */
    void (*changed)(void *opaque);
    void *changed_opaque;
    const char *path;    /* NULL: an image without a file, of @size bytes (engine null) */
    uint64_t size;       /* bytes, only when path is NULL */
    unsigned block_size; /* of the guest, bytes, a power of 2; 0: SECTOR_SIZE */
    bool readonly;
    bool direct;       /* O_DIRECT: bypass the host's page cache; of @rbd: librbd's cache */
    bool writethrough; /* no write cache: writes are durable when they complete, and the contents of
                          the image are durable when it is opened */
    bool raw;          /* do not check the file for other formats */
    /* Of the file, if it is not raw: a helper serves it (engine nbd). NULL: raw */
    const char *format;
    bool discard;  /* with @format: discards free blocks of the image */
    bool share_rw; /* other processes that also set this may write the image */
};

struct image {
    int fd;                       /* -1 without a file */
    struct nbd_export *nbd;       /* NULL: no export */
    struct nbd_probe *probe;      /* of the size of @nbd */
    struct rbd_image *rbd;        /* NULL: no image of a cluster */
    struct format_helper *helper; /* that serves @nbd; NULL: none */
    bool one_engine; /* only one engine may be open: flushes of several are independent */
    uint64_t size;   /* bytes, a multiple of SECTOR_SIZE; see image_size() */
    unsigned
        align; /* offsets, lengths and buffer addresses must be multiples of it; 1 if buffered */
    unsigned block_size; /* of the guest, bytes */
    bool readonly;
    bool direct;
    bool writethrough; /* writes are to be durable at first: see engine_req.durable */
    bool block_device;
    const char *page_cache; /* why I/O uses the page cache in spite of @direct; NULL: it does not */
    unsigned left_out;      /* bytes of the file behind its last whole block, not in @size */
    bool in_memory;         /* its file system has no disk, only memory and swap (tmpfs) */
    unsigned physical_block; /* bytes, a power of 2: smaller writes cost a read; 0: not known */
    unsigned optimal_io;     /* preferred request size, bytes; 0: not known */
};

/**
 * image_open - open, lock and check an image
 * @img: filled; image_close() releases
 * An image has one writer or many readers, unless all of them set share_rw. The lock ends with the
 * process that holds it.
 * Return: 0, or -errno and @err: the file is missing, a directory, of another format than raw, not
 *         readable, empty, not a multiple of 512 bytes, without O_DIRECT, with blocks that are too
 *         large, or in use.
 */
int image_open(struct image *img, const struct image_config *config, struct error *err);
void image_close(struct image *img);

/**
 * image_update_size - update img->size to the size of the file
 * @name: for the message
 * Context: one thread at a time, also while engines have requests in flight. Requests beyond a new
 *          end of the file fail. Of an export or an
 *          RBD image it is the server's last word: a server of an NBD export is asked meanwhile, and
 *          image_config.changed() is called if it has another one.
 * Return: 1: the size has changed; 0: it has not; -errno and @err: @img is unchanged.
 */
int image_update_size(struct image *img, const char *name, struct error *err);

/**
 * image_resize - give the file of an image another size; image_update_size() then notices it
 * What lies beyond a smaller size is lost.
 * @size: bytes, a multiple of image_block()
 * @name: for the message
 * Context: any thread.
 * Return: 0, or -errno and @err: no file, read-only, or a block device of another size.
 */
int image_resize(struct image *img, uint64_t size, const char *name, struct error *err);

/* image_place - where an image is, for messages; NULL: it has no file */
static inline const char *image_place(const struct image_config *config)
{
    return config->path ? config->path : config->uri ? config->uri : config->rbd;
}

/* image_on_server - flushes are requests of the engine, not of a file of this host */
static inline bool image_on_server(const struct image *img)
{
    return img->nbd || img->rbd;
}

/* image_in_page_cache - are completed writes in the host's page cache until a flush? */
static inline bool image_in_page_cache(const struct image *img)
{
    return img->fd >= 0 && (!img->direct || img->page_cache);
}

/* image_block - the unit of the size, bytes */
static inline unsigned image_block(const struct image *img)
{
    return img->align > img->block_size ? img->align : img->block_size;
}

/* image_size - the size, which image_update_size() may change. Context: any thread. */
static inline uint64_t image_size(const struct image *img)
{
    return load_relaxed(&img->size);
}

#endif

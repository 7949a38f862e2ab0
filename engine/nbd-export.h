// SPDX-License-Identifier: MIT
/*
 * An export of an NBD server, and connections to it.
 *
 * The connection that export_open() makes to see the export is handed to the first engine. So a server
 * that serves one client, or ends after its first one (qemu-nbd), works.
 */
#ifndef POLLUX_ENGINE_NBD_EXPORT_H
#define POLLUX_ENGINE_NBD_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct nbd_handle;
struct format_helper;

/* What the server said of the export. */
struct nbd_export_info {
    uint64_t size; /* bytes */
    unsigned
        min_block; /* bytes, a power of 2 up to IMAGE_ALIGN_MAX: requests are multiples of it */
    unsigned preferred; /* request size, bytes, a power of 2; 0: not said */
    uint32_t max_block; /* most bytes of a read or write, a multiple of @min_block */
    bool readonly;
    bool can_flush, can_fua, can_trim, can_zero;
    bool multi_conn; /* a flush covers the writes of all connections */
};

struct nbd_connection {
    struct nbd_handle *nbd; /* NULL: none */
    int writable_fd;        /* the same socket: a monitor takes a descriptor once */
    struct nbd_export_info info;
};

struct nbd_export {
    const char *uri;
    bool readonly;               /* no writes will be sent */
    uint64_t reconnect_ns;       /* see engine/nbd.c */
    struct nbd_export_info info; /* when it was opened; the guest relies on it, but for the size */
    uint64_t size;               /* atomic, bytes: see export_size() */
    struct nbd_handle *first;    /* atomic: see export_take() */
    /* The server, if it is a child: without it there is no connection any more. NULL: it is not */
    const struct format_helper *helper;
};

/**
 * export_open - connect to @uri, and keep the connection for the first engine
 * @uri: nbd://, nbds://, nbd+unix:// or nbds+unix://; outlives @export
 * Context: any thread. Blocks for at most 10 s beside the resolution of a host name.
 * Return: 0, or -errno and @err: no server, no such export, read-only, blocks that are too large.
 */
int export_open(struct nbd_export *export, const char *uri, bool readonly, uint64_t reconnect_ns,
                struct error *err);
void export_close(struct nbd_export *export);

/**
 * export_take - take the connection that export_open() made
 * Context: any thread. Return: true for one caller, who owns it.
 */
bool export_take(struct nbd_export *export, struct nbd_connection *out);

/**
 * export_connect - a further connection; the export must be what it was, or larger, and still offer
 * several connections if it did
 * @cancel_fd: the call fails with -ECANCELED when this descriptor becomes readable
 * Context: any thread. Blocks as export_open() does.
 * Return: 0 and @out; or -errno and @err: -EOWNERDEAD if the server was a child that has ended.
 */
int export_connect(const struct nbd_export *export, int cancel_fd, struct nbd_connection *out,
                   struct error *err);

/**
 * export_dup_fd - a second descriptor of the socket of @c, as @c->writable_fd
 * Not done by an I/O thread that is confined: it has no system call for it.
 * Return: 0; or -errno, then @c is closed.
 */
int export_dup_fd(struct nbd_connection *c);

/**
 * export_look - make a connection to see the size of the export, and end it
 * Context: any thread, one at a time. Blocks as export_open() does.
 * Return: 1: export_size() has changed; 0: it has not; or -errno.
 */
int export_look(struct nbd_export *export, int cancel_fd);

/* export_size - bytes, when the export was opened or last looked at. Context: any thread. */
uint64_t export_size(const struct nbd_export *export);

/**
 * export_flush - have the server make all earlier writes durable, and wait for it
 * Context: the thread that called export_open(), before export_take(). Blocks for at most 10 s.
 * Return: 0, or -errno and @err.
 */
int export_flush(const struct nbd_export *export, struct error *err);

#endif

// SPDX-License-Identifier: MIT
/*
 * An NBD server in a thread, that serves one connection after the other and breaks the protocol when
 * it is told to. Written from the protocol's text (doc/proto.md of the NBD project), not on libnbd.
 */
#ifndef POLLUX_TESTS_UNIT_NBD_SERVER_H
#define POLLUX_TESTS_UNIT_NBD_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define NBD_SERVER_SIZE (1u << 20)

/* What the server does instead of an answer. */
enum nbd_server_fault {
    FAULT_NONE,
    FAULT_CLOSE,      /* closes the connection */
    FAULT_COOKIE,     /* answers with the cookie of another request */
    FAULT_MAGIC,      /* answers with a wrong magic number */
    FAULT_SHORT,      /* closes in the middle of the answer */
    FAULT_UNASKED,    /* a second answer to the same request follows the first */
    FAULT_SHUTDOWN,   /* answers that it is shutting down */
    FAULT_SILENCE,    /* says nothing */
    FAULT_SMALLER,    /* closes; the export is smaller in further handshakes */
    FAULT_NO_WELCOME, /* closes; says nothing in further handshakes */
};

enum { CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_CACHE, CMD_ZEROES };

#define CMD_FLAG_FUA     1
#define CMD_FLAG_NO_HOLE 2

#define EXPORT_HAS_FLAGS  1
#define EXPORT_READ_ONLY  2
#define EXPORT_FLUSH      4
#define EXPORT_FUA        8
#define EXPORT_TRIM       32
#define EXPORT_ZEROES     64
#define EXPORT_MULTI_CONN 256
#define EXPORT_ALL        (EXPORT_HAS_FLAGS | EXPORT_FLUSH | EXPORT_FUA | EXPORT_TRIM | EXPORT_ZEROES)

struct nbd_server_command {
    unsigned connection; /* from 1 */
    unsigned type, flags;
    uint64_t offset;
    uint32_t len;
};

struct nbd_server {
    /* Set before nbd_server_start(). */
    uint64_t size;
    unsigned export_flags;
    uint32_t min_block, max_block; /* 0: not said */

    /* Of the test and the server, under @lock. */
    enum nbd_server_fault fault;
    unsigned fault_after; /* so many commands are answered first */
    unsigned fault_times; /* so many commands are not */
    unsigned error;       /* of the protocol: for every command; 0: none */
    struct nbd_server_command commands[256];
    unsigned nr_commands, connections;

    pthread_mutex_t lock;
    pthread_t thread;
    int listen_fd, end_fd;
    char dir[64], path[96], uri[160];
    uint8_t data[NBD_SERVER_SIZE];
};

/* nbd_server_init - the defaults, and a place in the file system */
void nbd_server_init(struct nbd_server *s);
/* nbd_server_start - listen; nbd_server_stop - close all, as if the process had been killed */
void nbd_server_start(struct nbd_server *s);
void nbd_server_stop(struct nbd_server *s);
void nbd_server_destroy(struct nbd_server *s);

/* nbd_server_set_fault - break the protocol @times times, after @after commands */
void nbd_server_set_fault(struct nbd_server *s, enum nbd_server_fault fault, unsigned after,
                          unsigned times);

#endif

// SPDX-License-Identifier: MIT
/*
 * Disks behind vhost-user sockets, for tests: servers, one I/O thread for all of them, and an engine
 * on shared memory that can hold requests. In a process of its own the back end can be killed.
 */
#ifndef POLLUX_TESTS_UNIT_VHOST_BACK_END_H
#define POLLUX_TESTS_UNIT_VHOST_BACK_END_H

#include <pthread.h>
#include <semaphore.h>
#include <sys/types.h>

#include "blk/disk.h"
#include "vhost/server.h"

#define STORE_SECTORS 2048
#define STORE_SEEN    8192
#define DISKS_MAX     2

/* What the engine reads and writes; mapped shared, so that it outlives a process. */
struct vhost_store {
    sem_t submitted; /* posted for each request that the engine is given */
    uint64_t hold;   /* bit n: requests for sector n stay in flight (sectors 0 to 63); atomic */
    unsigned nr;     /* requests so far; atomic */
    uint32_t seen[STORE_SEEN]; /* their first sectors, in the order in which they came */
    uint8_t data[STORE_SECTORS * SECTOR_SIZE];
};

struct vhost_store *vhost_store_new(void);
void vhost_store_free(struct vhost_store *store);

/* vhost_store_await - wait until the engine was given @n requests more than last time */
void vhost_store_await(struct vhost_store *store, unsigned n);

/* Listening sockets, which outlive back ends. */
struct vhost_sockets {
    char dir[64];
    char path[DISKS_MAX][96];
    int fd[DISKS_MAX];
};

void vhost_sockets_init(struct vhost_sockets *s);
void vhost_sockets_destroy(struct vhost_sockets *s);

struct vhost_back_end_options {
    struct vhost_store *store[DISKS_MAX]; /* the first NULL ends the disks */
    const char *file; /* of the first disk, served by the engine `sync` in place of its store */
    unsigned nr_queues, queue_size;
};

struct vhost_back_end;

struct vhost_back_end_disk {
    struct disk disk;
    struct disk_config config;
    struct vhost_store *store;
    struct vhost_server *server;
    struct engine *engine;
};

struct vhost_back_end {
    struct iothread_set iothreads;
    struct vhost_back_end_disk disks[DISKS_MAX];
    unsigned nr;
    pthread_mutex_t lock; /* of the log */
    unsigned log_lines;
    unsigned ends;  /* those that say that a front end was disconnected */
    char log[1024]; /* the newest line */
};

void vhost_back_end_init(struct vhost_back_end *b, const struct vhost_sockets *sockets,
                         const struct vhost_back_end_options *options);
void vhost_back_end_destroy(struct vhost_back_end *b);

/* vhost_back_end_lines - lines of log since the last call; vhost_back_end_ends - those that say that a
 * front end was disconnected */
unsigned vhost_back_end_lines(struct vhost_back_end *b);
unsigned vhost_back_end_ends(struct vhost_back_end *b);

/* vhost_back_end_release - hold no request of disk @i any more */
void vhost_back_end_release(struct vhost_back_end *b, unsigned i);

/* vhost_back_end_fork - the same in a new process, which serves until it is killed
 * The caller has no other threads. */
pid_t vhost_back_end_fork(const struct vhost_sockets *sockets,
                          const struct vhost_back_end_options *options);
void vhost_back_end_kill(pid_t pid);

#endif

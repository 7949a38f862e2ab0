// SPDX-License-Identifier: MIT
/*
 * A block device for tests, with an engine on memory that can hold, shorten or fail requests, with
 * I/O threads, a transport, and a fake driver for each queue.
 */
#ifndef POLLUX_TESTS_UNIT_BLK_RIG_H
#define POLLUX_TESTS_UNIT_BLK_RIG_H

#include <pthread.h>
#include <semaphore.h>

#include "blk/virtio-blk.h"
#include "tests/unit/fake-driver.h"

#define RIG_DISK_SIZE  (4u << 20)
#define RIG_QUEUES_MAX 4

struct blk_rig_options {
    const struct engine_ops *engine; /* NULL: the engine on memory */
    struct image image;              /* size 0: of memory, RIG_DISK_SIZE */
    const struct poll_policy_ops *policy;
    uint64_t max_ns;
    uint64_t delay_ns; /* of engine null */
    bool contention;   /* poll_params.contention */
    bool event_idx, packed;
    unsigned nr_queues; /* 0: 1 */
    unsigned nr_iothreads;
    unsigned queue_size; /* 0: 64 */
    bool readonly, merge;
    enum virtio_blk_on_error rerror, werror;
    unsigned align;      /* 0: 1 */
    unsigned block_size; /* 0: 512 */
    struct trace *trace;
    bool discard, writethrough;
    enum virtio_blk_detect detect_zeroes;
    unsigned physical_block, optimal_io;
    uint64_t features_off; /* that the driver does not take */
};

struct blk_rig {
    struct image image;
    uint8_t *disk; /* of the engine on memory */
    struct iothread *iothreads[RIG_QUEUES_MAX];
    unsigned nr_iothreads;
    struct virtio_device *dev;
    struct fake_transport transport;
    struct fake_driver drv[RIG_QUEUES_MAX];
    unsigned nr_queues;

    pthread_mutex_t disk_lock; /* of @disk: host blocks are larger than the guest's */
    pthread_mutex_t log_lock;
    char log[1024]; /* the newest line */
    unsigned log_lines;
    char stopped[1024]; /* why the device asked for a stop */
    unsigned stops;     /* how often */
    sem_t stop;         /* posted each time */

    /* The engine on memory reads these in the I/O thread; set before a request is offered. */
    uint64_t move_at_most;     /* 0: all of it */
    uint64_t ends_at;          /* 0: nowhere; the file was cut here */
    uint64_t bad_from, bad_to; /* -EIO for what touches these bytes */
    int fail;                  /* -errno for all requests */
    unsigned fail_times;       /* so many requests fail, then all go well; 0: no end */
    unsigned fail_after;       /* so many more requests go well; 0: for ever */
    unsigned refuse;           /* the submission of this number, from 1, is refused; 0: none */
    bool hold;                 /* complete nothing until blk_rig_release() */
    sem_t *releasing, *go;     /* blk_rig_release() posts one and awaits the other; NULL: neither */
    sem_t held;                /* posted for each request held */
    struct engine *engines[RIG_QUEUES_MAX]; /* by I/O thread */
    unsigned submitted[RIG_QUEUES_MAX];     /* requests that the engine there got; atomic */
    uint64_t features_off;

    /* Requests that the engine on memory got; read when nothing is in flight. */
    unsigned discards, zeroes, unmaps, durable;
};

void blk_rig_init(struct blk_rig *rig, const struct blk_rig_options *options);
void blk_rig_destroy(struct blk_rig *rig);

/* blk_rig_go_live - the driver resets, negotiates, sets its rings up, and DRIVER_OK */
void blk_rig_go_live(struct blk_rig *rig);

/* blk_rig_await_held - wait until the engine holds @n requests more than last time */
void blk_rig_await_held(struct blk_rig *rig, unsigned n);

/* blk_rig_await_stop - wait until the device asks for the guest to be stopped, once more */
void blk_rig_await_stop(struct blk_rig *rig);

/* blk_rig_release - complete the held requests, in one turn, and hold no more */
void blk_rig_release(struct blk_rig *rig);

/* blk_rig_do - offer a chain on queue @i and wait for it. Return: its status */
uint8_t blk_rig_do(struct blk_rig *rig, unsigned i, uint16_t head);

struct virtio_blk_stats blk_rig_stats(struct blk_rig *rig);

#endif

// SPDX-License-Identifier: MIT
/*
 * A queue of console output. A thread of its own writes the bytes, so that a slow terminal stops a
 * vCPU only when the queue is full. Bytes that are queued during a write form the next batch.
 */
#ifndef POLLUX_KVM_CONSOLE_QUEUE_H
#define POLLUX_KVM_CONSOLE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define CONSOLE_QUEUE_SIZE 16384

struct console_queue {
    void (*write)(void *opaque, const void *data, size_t len);
    void *opaque;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    bool stop;      /* the thread ends when the queue is empty */
    bool cancelled; /* console_queue_put() does not wait */
    size_t head, len;
    uint8_t ring[CONSOLE_QUEUE_SIZE];
};

/**
 * console_queue_init - start the thread, named "console"
 * @write: called from that thread only, with 1 byte or more
 * Return: 0, or -errno and @err.
 */
int console_queue_init(struct console_queue *q,
                       void (*write)(void *opaque, const void *data, size_t len), void *opaque,
                       struct error *err);

/**
 * console_queue_put - append a byte; waits while the queue is full
 * Context: any thread.
 */
void console_queue_put(struct console_queue *q, uint8_t byte);

/**
 * console_queue_cancel - drop bytes that do not fit, from now on, and end all waits
 * Context: any thread.
 */
void console_queue_cancel(struct console_queue *q);

/**
 * console_queue_destroy - write the queued bytes, join the thread
 */
void console_queue_destroy(struct console_queue *q);

#endif

// SPDX-License-Identifier: MIT
/* A ring buffer. The thread copies a batch and writes it without the lock. */
#include <string.h>

#include "base/thread-guard.h"
#include "base/thread-mask.h"
#include "kvm/console-queue.h"

/* Removes the queued bytes up to the end of the ring. Return: their number. */
static size_t take_batch(struct console_queue *q, uint8_t *buf)
{
    size_t n = q->len < CONSOLE_QUEUE_SIZE - q->head ? q->len : CONSOLE_QUEUE_SIZE - q->head;

    memcpy(buf, q->ring + q->head, n);
    q->head = (q->head + n) % CONSOLE_QUEUE_SIZE;
    q->len -= n;
    return n;
}

static void *console_thread(void *opaque)
{
    uint8_t buf[CONSOLE_QUEUE_SIZE];
    struct console_queue *q = opaque;

    pthread_mutex_lock(&q->lock);
    for (;;) {
        size_t n;

        while (q->len == 0 && !q->stop) {
            pthread_cond_wait(&q->filled, &q->lock);
        }
        if (q->len == 0) {
            break;
        }
        n = take_batch(q, buf);
        pthread_cond_broadcast(&q->drained);
        pthread_mutex_unlock(&q->lock);
        thread_confine(THREAD_CONSOLE, NULL);
        q->write(q->opaque, buf, n);
        pthread_mutex_lock(&q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

int console_queue_init(struct console_queue *q,
                       void (*write)(void *opaque, const void *data, size_t len), void *opaque,
                       struct error *err)
{
    sigset_t old;
    int num;

    memset(q, 0, sizeof(*q));
    q->write = write;
    q->opaque = opaque;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->filled, NULL);
    pthread_cond_init(&q->drained, NULL);
    thread_mask_enter(&old);
    num = pthread_create(&q->thread, NULL, console_thread, q);
    thread_mask_leave(&old);
    if (num) {
        return error_set(err, -num, "thread for the console: %s", strerror(num));
    }
    pthread_setname_np(q->thread, "console");
    return 0;
}

void console_queue_put(struct console_queue *q, uint8_t byte)
{
    pthread_mutex_lock(&q->lock);
    while (q->len == CONSOLE_QUEUE_SIZE && !q->cancelled) {
        pthread_cond_wait(&q->drained, &q->lock);
    }
    if (q->len < CONSOLE_QUEUE_SIZE) {
        q->ring[(q->head + q->len) % CONSOLE_QUEUE_SIZE] = byte;
        q->len++;
        if (q->len == 1) {
            pthread_cond_signal(&q->filled);
        }
    }
    pthread_mutex_unlock(&q->lock);
}

void console_queue_cancel(struct console_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->cancelled = true;
    pthread_cond_broadcast(&q->drained);
    pthread_mutex_unlock(&q->lock);
}

void console_queue_destroy(struct console_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->filled);
    pthread_cond_destroy(&q->drained);
}

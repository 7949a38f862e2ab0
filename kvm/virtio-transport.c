// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "kvm/virtio-transport.h"

#define ACCESS_SECONDS 1 /* a register access takes longer only if the disk does not answer */

int virtio_transport_init(struct virtio_transport *t, struct virtio_device *dev,
                          const struct virtio_transport_ops *ops, void *opaque)
{
    *t = (struct virtio_transport){.dev = dev};
    pthread_mutex_init(&t->lock, NULL);
    dev->transport = ops;
    dev->transport_opaque = opaque;
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        dev->queues[i].kick_fd = dev->queues[i].call_fd = -1;
    }
    for (unsigned i = 0; i < dev->nr_queues; i++) {
        dev->queues[i].kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (dev->queues[i].kick_fd < 0) {
            return -errno;
        }
    }
    return 0;
}

void virtio_transport_destroy(struct virtio_transport *t)
{
    if (!t->dev) {
        return;
    }
    t->dev->transport = NULL;
    for (unsigned i = 0; i < t->dev->nr_queues; i++) {
        struct virtio_queue *q = &t->dev->queues[i];

        if (q->kick_fd >= 0) {
            close(q->kick_fd);
        }
        q->kick_fd = q->call_fd = -1;
    }
    pthread_mutex_destroy(&t->lock);
    t->dev = NULL;
}

struct virtio_queue *virtio_transport_queue(struct virtio_transport *t)
{
    return t->queue_sel < t->dev->nr_queues ? &t->dev->queues[t->queue_sel] : NULL;
}

uint32_t virtio_transport_features(uint64_t features, uint32_t sel)
{
    return sel < 2 ? (uint32_t)(features >> (32 * sel)) : 0;
}

void virtio_transport_set_half(uint64_t *addr, unsigned half, uint32_t value)
{
    unsigned shift = 32 * half;

    *addr = (*addr & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

int virtio_transport_change_config(struct virtio_transport *t, int (*change)(void *opaque),
                                   void *opaque)
{
    struct timespec deadline;
    int ret;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += ACCESS_SECONDS;
    ret = -pthread_mutex_clocklock(&t->lock, CLOCK_MONOTONIC, &deadline);
    if (ret < 0) {
        return ret;
    }
    ret = change(opaque);
    if (ret > 0) {
        virtio_config_changed(t->dev);
    }
    pthread_mutex_unlock(&t->lock);
    return ret;
}

void virtio_transport_stop(struct virtio_transport *t)
{
    if (t->dev) {
        pthread_mutex_lock(&t->lock);
        virtio_set_status(t->dev, 0);
        pthread_mutex_unlock(&t->lock);
    }
}

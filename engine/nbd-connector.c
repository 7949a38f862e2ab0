// SPDX-License-Identifier: MIT
#include <errno.h>
#include <libnbd.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread-guard.h"
#include "engine/nbd-connector.h"

static void *attempt(void *opaque)
{
    struct nbd_connector *c = opaque;

    thread_confine(THREAD_CONNECTOR, NULL);
    c->err.msg[0] = '\0';
    c->ret = export_connect(c->export, c->cancel_fd, &c->connection, &c->err);
    if (c->ret == 0) {
        c->ret = export_dup_fd(&c->connection);
        if (c->ret < 0) {
            error_set(&c->err, c->ret, "%s", strerror(-c->ret));
        }
    }
    aio_bh_schedule(&c->end);
    return NULL;
}

static void attempt_ended(void *opaque)
{
    struct nbd_connector *c = opaque;

    pthread_join(c->thread, NULL);
    c->running = false;
    c->done(c->opaque);
}

int connector_init(struct nbd_connector *c, AioContext *ctx, const struct nbd_export *export,
                   void (*done)(void *opaque), void *opaque)
{
    *c = (struct nbd_connector){.export = export, .done = done, .opaque = opaque};
    c->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->cancel_fd < 0) {
        return -errno;
    }
    aio_bh_init(ctx, &c->end, attempt_ended, c);
    return 0;
}

int connector_start(struct nbd_connector *c)
{
    int num = thread_create_helper(&c->thread, NULL, attempt, c);

    c->running = num == 0;
    return -num;
}

void connector_destroy(struct nbd_connector *c)
{
    uint64_t one = 1;

    if (c->running) {
        while (write(c->cancel_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
        pthread_join(c->thread, NULL);
        aio_bh_cancel(&c->end);
        if (c->ret == 0) {
            close(c->connection.writable_fd);
            nbd_close(c->connection.nbd);
        }
    }
    close(c->cancel_fd);
}

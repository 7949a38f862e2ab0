// SPDX-License-Identifier: MIT
/* The thread of a disk: it accepts a front end and serves its session. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/thread-guard.h"
#include "base/thread-mask.h"
#include "vhost/event-fd.h"
#include "vhost/server.h"
#include "vhost/session.h"

#define WATCH_MS  1000 /* between two looks of the watchdog */
#define LINES_MAX 20   /* about front ends: limits the log of one that reconnects */

struct vhost_server {
    const char *name;
    struct disk *disk;
    struct disk_log log;
    unsigned lines;
    int listen_fd;
    int wake_fd;
    bool stop, resize; /* set by any thread */
    pthread_t thread;
    bool running;
    struct vhost_memory memory;
    struct vhost_session *session; /* NULL: no front end is connected */
};

static void log_line(struct vhost_server *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void log_line(struct vhost_server *s, const char *fmt, ...)
{
    char line[ERROR_MSG_MAX + 64];
    int n = snprintf(line, sizeof(line), "%s: ", s->name);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
    va_end(ap);
    if (s->log.line) {
        s->log.line(s->log.opaque, line);
    }
}

static void hang_up(struct vhost_server *s, const char *why)
{
    if (why && s->lines < LINES_MAX) {
        s->lines++;
        log_line(s, "the front end is disconnected: %s%s", why,
                 s->lines == LINES_MAX ? " (such lines are not written any more)" : "");
    }
    vhost_session_free(s->session);
    s->session = NULL;
}

static void accept_front_end(struct vhost_server *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int ret;

    if (fd < 0) {
        ret = -errno;
        if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM) {
            log_line(s, "cannot accept a front end: %s", strerror(-ret));
            poll(NULL, 0, WATCH_MS); /* it is still there, and nothing here frees descriptors */
        }
        return;
    }
    ret = vhost_session_new(fd, s->disk->dev, &s->memory, s->wake_fd, &s->session);
    if (ret < 0) {
        log_line(s, "cannot serve a front end: %s", strerror(-ret));
    }
}

static void resize(struct vhost_server *s)
{
    struct error err = {.msg = ""};
    int ret = image_update_size(&s->disk->image, s->name, &err);

    if (ret < 0) {
        log_line(s, "%s", err.msg);
    } else if (ret > 0) {
        log_line(s, "%s has another size; the guest is told", image_place(&s->disk->config->image));
        if (s->session) {
            virtio_config_changed(s->disk->dev);
        }
    }
}

static void serve_session(struct vhost_server *s, bool readable)
{
    struct error err = {.msg = ""};
    int ret = vhost_session_check(s->session, &err);
    unsigned again;

    if (ret == 0 && readable) {
        ret = vhost_session_receive(s->session, &err);
    }
    again = vhost_session_taken_again(s->session);
    if (again) {
        log_line(s, "%u requests that were in flight when the last process ended are done again",
                 again);
    }
    if (ret < 0) {
        hang_up(s, ret == -ECONNRESET ? NULL : err.msg);
    } else if (vhost_session_serves(s->session) && s->disk->is_virtio_blk) {
        virtio_blk_watch(s->disk->dev);
    }
}

static void *run(void *opaque)
{
    struct vhost_server *s = opaque;

    pthread_setname_np(pthread_self(), s->name);
    thread_confine(THREAD_SERVER, s->name);
    while (!load_acquire(&s->stop)) {
        struct pollfd fds[2] = {
            {.fd = s->wake_fd, .events = POLLIN},
            {.fd = s->session ? vhost_session_fd(s->session) : s->listen_fd, .events = POLLIN},
        };
        bool watch = s->session && vhost_session_serves(s->session);
        eventfd_t n;

        if (poll(fds, 2, watch ? WATCH_MS : -1) < 0) {
            continue;
        }
        if (fds[0].revents) {
            eventfd_read(s->wake_fd, &n);
        }
        if (exchange_acq_rel(&s->resize, false)) {
            resize(s);
        }
        if (s->session) {
            serve_session(s, fds[1].revents);
        } else if (fds[1].revents) {
            accept_front_end(s);
        }
    }
    if (s->session) {
        hang_up(s, NULL);
    }
    return NULL;
}

int vhost_server_new(const char *name, int listen_fd, const struct disk_log *log,
                     struct vhost_server **out, struct error *err)
{
    struct vhost_server *s = calloc(1, sizeof(*s));

    if (!s) {
        return error_set(err, -ENOMEM, "%s: out of memory", name);
    }
    s->name = name;
    s->listen_fd = listen_fd;
    s->log = *log;
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wake_fd < 0) {
        int ret = -errno;

        free(s);
        return error_set(err, ret, "%s: cannot make an eventfd: %s", name, strerror(-ret));
    }
    *out = s;
    return 0;
}

const struct guest_memory *vhost_server_memory(struct vhost_server *s)
{
    return &s->memory.guest;
}

int vhost_server_start(struct vhost_server *s, struct disk *disk, struct error *err)
{
    sigset_t old;
    int num;

    s->disk = disk;
    thread_mask_enter(&old);
    num = pthread_create(&s->thread, NULL, run, s);
    thread_mask_leave(&old);
    if (num) {
        return error_set(err, -num, "%s: cannot start a thread: %s", s->name, strerror(num));
    }
    s->running = true;
    return 0;
}

void vhost_server_resize(struct vhost_server *s)
{
    store_release(&s->resize, true);
    event_fd_signal(s->wake_fd);
}

void vhost_server_ask_stop(struct vhost_server *s)
{
    if (s) {
        store_release(&s->stop, true);
        event_fd_signal(s->wake_fd);
    }
}

void vhost_server_free(struct vhost_server *s)
{
    if (!s) {
        return;
    }
    vhost_server_ask_stop(s);
    if (s->running) {
        pthread_join(s->thread, NULL);
    }
    close(s->wake_fd);
    free(s);
}

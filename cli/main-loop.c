// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/main-loop.h"

static void signal_ready(void *opaque, int revents)
{
    struct main_loop *l = opaque;
    struct signalfd_siginfo info;

    if (read(l->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        l->signal(l->opaque, &info);
    }
}

static const struct aio_handler_ops signal_ops = {.ready = signal_ready};

static int block_signals(struct main_loop *l)
{
    sigset_t set;

    sigemptyset(&set);
    interrupt_add(&set, SIGINT);
    interrupt_add(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    l->ignores_hangup = interrupt_ignored(SIGHUP);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGUSR1);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* blocked, it is not ignored; later it does no harm */
    pthread_sigmask(SIG_BLOCK, &set, &l->blocked);
    l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return l->signal_fd < 0 ? -errno : 0;
}

int main_loop_open(struct main_loop *l,
                   void (*signal)(void *opaque, const struct signalfd_siginfo *info), void *opaque,
                   struct error *err)
{
    struct aio_context_config config = {.poll = {.policy = &poll_policy_block}, .fdmon = "ppoll"};
    int ret;

    *l = (struct main_loop){.signal = signal, .opaque = opaque};
    ret = block_signals(l);
    if (ret < 0) {
        return error_set(err, ret, "cannot watch signals: %s", strerror(-ret));
    }
    ret = aio_context_new(&config, &l->ctx, err);
    if (ret < 0) {
        close(l->signal_fd);
        return ret;
    }
    ret =
        aio_handler_add(l->ctx, &l->handler, l->signal_fd, POLLIN, &signal_ops, l, "signals", NULL);
    if (ret < 0) {
        aio_context_free(l->ctx);
        l->ctx = NULL;
        close(l->signal_fd);
        return error_set(err, ret, "cannot watch signals: %s", strerror(-ret));
    }
    return 0;
}

static void images_changed(void *opaque)
{
    struct main_loop *l = opaque;

    l->images_changed(l->opaque);
}

/* In any thread. */
static void image_changed(void *opaque)
{
    struct main_loop *l = opaque;

    aio_bh_schedule(&l->images);
}

void main_loop_watch_images(struct main_loop *l, struct disk_config *disks, unsigned nr,
                            void (*changed)(void *opaque))
{
    l->images_changed = changed;
    aio_bh_init(l->ctx, &l->images, images_changed, l);
    for (unsigned i = 0; i < nr; i++) {
        disks[i].image.changed = image_changed;
        disks[i].image.changed_opaque = l;
    }
}

void main_loop_set_up(const struct main_loop *l, bool on)
{
    sigset_t set;

    sigemptyset(&set);
    interrupt_add(&set, SIGINT);
    interrupt_add(&set, SIGTERM);
    pthread_sigmask(on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

void main_loop_close(struct main_loop *l)
{
    if (l->ctx) {
        if (l->images_changed) {
            aio_bh_cancel(&l->images);
        }
        aio_handler_remove(&l->handler);
        aio_context_free(l->ctx);
        close(l->signal_fd);
        l->ctx = NULL;
    }
}

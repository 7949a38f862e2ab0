// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/thread-guard.h"
#include "engine/nbd-probe.h"

static bool change_state(struct nbd_probe *p, unsigned from, unsigned to)
{
    return __atomic_compare_exchange_n(&p->state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void *look(void *opaque)
{
    struct nbd_probe *p = opaque;

    thread_confine(THREAD_CONNECTOR, NULL);
    do {
        store_relaxed(&p->state, PROBE_LOOKING);
        if (export_look(p->export, p->cancel_fd) > 0 && p->changed) {
            p->changed(p->opaque);
        }
    } while (!change_state(p, PROBE_LOOKING, PROBE_IDLE));
    return NULL;
}

int probe_init(struct nbd_probe *p, struct nbd_export *export, void (*changed)(void *opaque),
               void *opaque)
{
    *p = (struct nbd_probe){.export = export, .changed = changed, .opaque = opaque};
    p->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return p->cancel_fd < 0 ? -errno : 0;
}

static void join(struct nbd_probe *p)
{
    if (p->started) {
        pthread_join(p->thread, NULL);
        p->started = false;
    }
}

void probe_start(struct nbd_probe *p)
{
    if (load_acquire(&p->state) == PROBE_AGAIN || change_state(p, PROBE_LOOKING, PROBE_AGAIN)) {
        return;
    }
    join(p);
    store_relaxed(&p->state, PROBE_LOOKING);
    p->started = thread_create_helper(&p->thread, NULL, look, p) == 0;
    if (!p->started) {
        store_relaxed(&p->state, PROBE_IDLE);
    }
}

void probe_destroy(struct nbd_probe *p)
{
    uint64_t one = 1;

    if (p->cancel_fd < 0) {
        return;
    }
    while (write(p->cancel_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    join(p);
    close(p->cancel_fd);
    p->cancel_fd = -1;
}

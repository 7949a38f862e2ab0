// SPDX-License-Identifier: MIT
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/vhost-back-end.h"
#include "base/listen.h"

#define HANG_S 20

/* --- the engine on shared memory --- */

struct vhost_store *vhost_store_new(void)
{
    struct vhost_store *store =
        mmap(NULL, sizeof(*store), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(store, MAP_FAILED);
    sem_init(&store->submitted, 1, 0);
    return store;
}

void vhost_store_free(struct vhost_store *store)
{
    sem_destroy(&store->submitted);
    munmap(store, sizeof(*store));
}

void vhost_store_await(struct vhost_store *store, unsigned n)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += HANG_S;
    while (n--) {
        ck_assert_msg(sem_timedwait(&store->submitted, &limit) == 0, "nothing is submitted");
    }
}

struct store_engine {
    struct engine e;
    struct vhost_store *store;
    struct list pending;
    struct aio_deferred complete;
};

static bool is_held(const struct vhost_store *store, const struct engine_req *req)
{
    uint64_t sector = req->offset / SECTOR_SIZE;

    return sector < 64 && (load_acquire(&store->hold) >> sector & 1);
}

static ssize_t move(struct vhost_store *store, struct engine_req *req)
{
    uint8_t *at = store->data + req->offset;
    ssize_t done = 0;

    for (int i = 0; i < req->iovcnt; i++) {
        size_t n = req->iov[i].iov_len;

        if (req->op == ENGINE_READ) {
            memcpy(req->iov[i].iov_base, at + done, n);
        } else {
            memcpy(at + done, req->iov[i].iov_base, n);
        }
        done += (ssize_t)n;
    }
    return done;
}

static void complete(void *opaque)
{
    struct store_engine *s = opaque;
    struct list batch;

    list_take(&batch, &s->pending);
    while (!list_empty(&batch)) {
        struct engine_req *req = list_entry(batch.next, struct engine_req, node);

        list_del(&req->node);
        if (is_held(s->store, req)) {
            list_add_tail(&s->pending, &req->node);
        } else {
            s->e.in_flight--;
            req->cb(req, move(s->store, req));
        }
    }
}

static int store_open(AioContext *ctx, const struct image *image,
                      const struct engine_config *config, struct engine **out, struct error *err)
{
    struct disk *disk = container_of((struct image *)image, struct disk, image);
    struct vhost_back_end_disk *d = container_of(disk, struct vhost_back_end_disk, disk);
    struct store_engine *s = calloc(1, sizeof(*s));

    ck_assert_ptr_nonnull(s);
    s->store = d->store;
    list_init(&s->pending);
    aio_deferred_init(&s->complete, complete, s);
    d->engine = *out = &s->e;
    return 0;
}

static int store_submit(struct engine *e, struct engine_req *req)
{
    struct store_engine *s = container_of(e, struct store_engine, e);
    struct vhost_store *store = s->store;
    unsigned n = load_relaxed(&store->nr);

    store->seen[n % STORE_SEEN] = (uint32_t)(req->offset / SECTOR_SIZE);
    store_release(&store->nr, n + 1);
    list_add_tail(&s->pending, &req->node);
    aio_defer(e->ctx, &s->complete);
    sem_post(&store->submitted);
    return 0;
}

static void store_close(struct engine *e)
{
    free(container_of(e, struct store_engine, e));
}

static const struct engine_ops engine_store = {
    .name = "store",
    .open = store_open,
    .submit = store_submit,
    .close = store_close,
};

static int complete_in_thread(void *opaque)
{
    struct store_engine *s = opaque;

    aio_defer(s->e.ctx, &s->complete);
    return 0;
}

void vhost_back_end_release(struct vhost_back_end *b, unsigned i)
{
    struct vhost_back_end_disk *d = &b->disks[i];

    store_release(&d->store->hold, 0);
    iothread_call(b->iothreads.threads[0], complete_in_thread,
                  container_of(d->engine, struct store_engine, e));
}

/* --- sockets --- */

void vhost_sockets_init(struct vhost_sockets *s)
{
    struct error err = {""};

    snprintf(s->dir, sizeof(s->dir), "/tmp/pollux-vhost-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        snprintf(s->path[i], sizeof(s->path[i]), "%s/disk%u.sock", s->dir, i);
        s->fd[i] = listen_at_path(s->path[i], 0600, &err);
        ck_assert_msg(s->fd[i] >= 0, "%s", err.msg);
    }
}

void vhost_sockets_destroy(struct vhost_sockets *s)
{
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        close(s->fd[i]);
        unlink(s->path[i]);
    }
    rmdir(s->dir);
}

/* --- the back end --- */

static void log_line(void *opaque, const char *line)
{
    struct vhost_back_end *b = opaque;

    pthread_mutex_lock(&b->lock);
    snprintf(b->log, sizeof(b->log), "%s", line);
    b->log_lines++;
    b->ends += strstr(line, ": the front end is disconnected: ") != NULL;
    pthread_mutex_unlock(&b->lock);
}

static unsigned take(struct vhost_back_end *b, unsigned *counter)
{
    unsigned n;

    pthread_mutex_lock(&b->lock);
    n = *counter;
    *counter = 0;
    pthread_mutex_unlock(&b->lock);
    return n;
}

unsigned vhost_back_end_lines(struct vhost_back_end *b)
{
    return take(b, &b->log_lines);
}

unsigned vhost_back_end_ends(struct vhost_back_end *b)
{
    return take(b, &b->ends);
}

static void start_disk(struct vhost_back_end *b, unsigned i, int listen_fd,
                       const struct vhost_back_end_options *options)
{
    static const char *const names[DISKS_MAX] = {"disk0", "disk1"};
    const struct disk_log log = {.line = log_line, .opaque = b};
    struct vhost_back_end_disk *d = &b->disks[i];
    bool on_file = i == 0 && options->file;
    struct error err = {""};

    d->store = options->store[i];
    d->config = (struct disk_config){
        .name = names[i],
        .image = {.path = on_file ? options->file : NULL, .size = sizeof(d->store->data)},
        .engine = on_file ? &engine_sync : &engine_store,
        .iothreads = {"io0"},
        .device = {.nr_queues = options->nr_queues,
                   .queue_size = options->queue_size,
                   .packed = true},
    };
    ck_assert_msg(disk_open(&d->disk, &d->config, &log, &err) == 0, "%s", err.msg);
    ck_assert_msg(vhost_server_new(names[i], listen_fd, &log, &d->server, &err) == 0, "%s",
                  err.msg);
    ck_assert_msg(disk_make(&d->disk, &b->iothreads, vhost_server_memory(d->server), NULL, NULL,
                            &log, &err) == 0,
                  "%s", err.msg);
    ck_assert_msg(vhost_server_start(d->server, &d->disk, &err) == 0, "%s", err.msg);
}

void vhost_back_end_init(struct vhost_back_end *b, const struct vhost_sockets *sockets,
                         const struct vhost_back_end_options *options)
{
    struct iothread_config config = {.id = "io0"};
    struct error err = {""};

    *b = (struct vhost_back_end){0};
    pthread_mutex_init(&b->lock, NULL);
    poll_params_default(&config.poll);
    ck_assert_int_eq(iothread_set_start(&b->iothreads, &config, 1, NULL, &err), 0);
    for (; b->nr < DISKS_MAX && options->store[b->nr]; b->nr++) {
        start_disk(b, b->nr, sockets->fd[b->nr], options);
    }
}

void vhost_back_end_destroy(struct vhost_back_end *b)
{
    for (unsigned i = 0; i < b->nr; i++) {
        vhost_server_free(b->disks[i].server);
        disk_free_device(&b->disks[i].disk);
    }
    iothread_set_stop(&b->iothreads);
    for (unsigned i = 0; i < b->nr; i++) {
        disk_close(&b->disks[i].disk);
    }
    pthread_mutex_destroy(&b->lock);
}

pid_t vhost_back_end_fork(const struct vhost_sockets *sockets,
                          const struct vhost_back_end_options *options)
{
    struct vhost_back_end b;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        vhost_back_end_init(&b, sockets, options);
        for (;;) {
            pause();
        }
    }
    return pid;
}

void vhost_back_end_kill(pid_t pid)
{
    int status;

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "the back end ended by itself, status 0x%x", status);
}

// SPDX-License-Identifier: MIT
/* A thread that runs one event loop. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/pinned-thread.h"
#include "base/thread-mask.h"
#include "iothread/iothread.h"

struct iothread {
    AioContext *ctx;
    pthread_t thread;
    clockid_t cpu_clock;
    int tid; /* set by the thread before @running */
    sem_t running;
    struct aio_bh stop_bh;
    bool stop; /* the thread's own */

    struct aio_bh account_bh;
    struct iothread_account account; /* the thread's own while @asked and not @answered */
    sem_t answered;
    bool account_complete; /* atomic */
    bool asked;

    char id[IOTHREAD_ID_MAX + 1];
};

static void stop_cb(void *opaque)
{
    struct iothread *io = opaque;

    io->stop = true;
}

static void account_cb(void *opaque)
{
    struct iothread *io = opaque;
    struct iothread_account *out = &io->account;

    out->time_ns = clock_ns(CLOCK_MONOTONIC);
    out->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    out->run_delay_known = aio_run_delay(io->ctx, &out->run_delay_ns, &out->starts);
    aio_get_stats(io->ctx, &out->loop);
    aio_describe_policy(io->ctx, out->policy, sizeof(out->policy));
    out->wake_ns = aio_wake_ns(io->ctx);
    out->poll = aio_poll_params(io->ctx);
    out->nr_handlers =
        aio_get_handlers(io->ctx, out->handlers, sizeof(out->handlers) / sizeof(out->handlers[0]));
    store_release(&io->account_complete, true); /* pairs with the acquire in answered_by() */
    sem_post(&io->answered);
}

static void *iothread_main(void *opaque)
{
    struct iothread *io = opaque;

    aio_context_take(io->ctx);
    aio_watch_run_delay(io->ctx);
    io->tid = gettid();
    sem_post(&io->running);
    pthread_setname_np(pthread_self(), io->id);
    prctl(PR_SET_TIMERSLACK, 1); /* timers of the loop are in ns; the default slack is 50 us */
    while (!io->stop) {
        aio_poll(io->ctx, true);
    }
    return NULL;
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) < 0 && errno == EINTR) {
    }
}

/*
 * Returns when the thread owns the loop: until then iothread_call() would take its caller for the
 * owner and run the function in the wrong thread.
 */
static int create_thread(struct iothread *io, const cpu_set_t *cpus)
{
    sigset_t old;
    int r;

    sem_init(&io->running, 0, 0);
    thread_mask_enter(&old);
    r = pinned_thread_create(&io->thread, cpus, iothread_main, io);
    thread_mask_leave(&old);
    if (r == 0) {
        wait_for(&io->running);
    }
    sem_destroy(&io->running);
    return -r;
}

int iothread_new(const struct iothread_config *config, struct iothread **out, struct error *err)
{
    struct aio_context_config ctx_config = {.poll = config->poll,
                                            .fdmon = config->fdmon,
                                            .max_batch = config->max_batch,
                                            .record = config->record,
                                            .trace = config->trace,
                                            .name = config->id};
    struct iothread *io;
    int r;

    if (!config->id[0] || strlen(config->id) > IOTHREAD_ID_MAX) {
        return error_set(err, -EINVAL, "the id of an I/O thread has 1 to %d characters, not '%s'",
                         IOTHREAD_ID_MAX, config->id);
    }
    io = calloc(1, sizeof(*io));
    if (!io) {
        return error_set(err, -ENOMEM, "out of memory for I/O thread %s", config->id);
    }
    strcpy(io->id, config->id);
    r = aio_context_new(&ctx_config, &io->ctx, err);
    if (r < 0) {
        free(io);
        return error_prefix(err, r, "I/O thread %s: ", config->id);
    }
    aio_bh_init(io->ctx, &io->stop_bh, stop_cb, io);
    aio_bh_init(io->ctx, &io->account_bh, account_cb, io);
    sem_init(&io->answered, 0, 0);
    r = create_thread(io, &config->cpus);
    if (r < 0) {
        error_set(err, r, "cannot start I/O thread %s: %s", io->id, strerror(-r));
        aio_context_free(io->ctx);
        free(io);
        return r;
    }
    pthread_getcpuclockid(io->thread, &io->cpu_clock);
    *out = io;
    return 0;
}

void iothread_free(struct iothread *io)
{
    int r;

    if (!io) {
        return;
    }
    aio_bh_schedule(&io->stop_bh);
    pthread_join(io->thread, NULL);
    aio_context_take(io->ctx);
    aio_bh_cancel(&io->account_bh);
    r = aio_context_free(io->ctx);
    assert(r == 0);
    (void)r;
    sem_destroy(&io->answered);
    free(io);
}

const char *iothread_id(const struct iothread *io)
{
    return io->id;
}

AioContext *iothread_ctx(struct iothread *io)
{
    return io->ctx;
}

int iothread_tid(const struct iothread *io)
{
    return io->tid;
}

struct call {
    int (*fn)(void *opaque);
    void *opaque;
    int result;
    sem_t done;
};

static void call_cb(void *opaque)
{
    struct call *call = opaque;

    call->result = call->fn(call->opaque);
    sem_post(&call->done);
}

int iothread_call(struct iothread *io, int (*fn)(void *opaque), void *opaque)
{
    struct call call = {.fn = fn, .opaque = opaque};
    struct aio_bh bh;

    if (aio_context_in_owner(io->ctx)) {
        return fn(opaque);
    }
    sem_init(&call.done, 0, 0);
    aio_bh_init(io->ctx, &bh, call_cb, &call);
    aio_bh_schedule(&bh);
    wait_for(&call.done);
    sem_destroy(&call.done);
    return call.result;
}

struct end_record {
    AioContext *ctx;
    struct error *err;
};

static int end_record(void *opaque)
{
    const struct end_record *end = opaque;

    return aio_record_end(end->ctx, end->err);
}

int iothread_end_record(struct iothread *io, struct error *err)
{
    struct end_record end = {.ctx = io->ctx, .err = err};

    return iothread_call(io, end_record, &end);
}

uint64_t iothread_cpu_ns(struct iothread *io)
{
    struct timespec ts = {0};

    clock_gettime(io->cpu_clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Return: true if the thread has answered by @deadline (CLOCK_MONOTONIC). */
static bool answered_by(struct iothread *io, const struct timespec *deadline)
{
    while (sem_clockwait(&io->answered, CLOCK_MONOTONIC, deadline) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    /* ThreadSanitizer of gcc 12 knows sem_wait(), but not sem_clockwait(). */
    return load_acquire(&io->account_complete);
}

int iothread_get_account(struct iothread *io, uint64_t limit_ns, struct iothread_account *out)
{
    const struct timespec long_ago = {0};
    struct timespec deadline;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    limit_ns += (uint64_t)deadline.tv_nsec;
    deadline.tv_sec += (time_t)(limit_ns / 1000000000);
    deadline.tv_nsec = (long)(limit_ns % 1000000000);

    /* An earlier call that timed out may still be pending: until its answer the thread owns
     * @account. */
    if (io->asked && answered_by(io, &long_ago)) {
        io->asked = false;
    }
    if (!io->asked) {
        io->asked = true;
        aio_bh_schedule(&io->account_bh);
    }
    if (!answered_by(io, &deadline)) {
        return -ETIMEDOUT;
    }
    io->asked = false;
    *out = io->account;
    return 0;
}

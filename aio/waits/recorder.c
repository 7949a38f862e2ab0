// SPDX-License-Identifier: MIT
/* Records the waits of a loop: a ring, and the thread that writes it to a file. */
#include "aio/waits/recorder.h"
#include "base/output-file.h"
#include "base/thread-guard.h"
#include "base/thread-mask.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "aio/waits/file.h"

#define RING 32768 /* records, a power of 2 */

struct wait_recorder {
    const struct poll_policy *policy;
    struct waits waits; /* sources, appended by the loop, and the header */
    FILE *out;
    pthread_t writer;
    sem_t work;
    char *path;
    int error; /* of the first write that failed, -errno; the writer's until it has ended */

    /* The loop's. */
    uint64_t last_end_ns;
    uint64_t lost;

    unsigned nr_sources; /* written by the loop, read by the writer */
    bool stop;
    _Alignas(CACHE_LINE) size_t head; /* written by the loop */
    _Alignas(CACHE_LINE) size_t tail; /* written by the writer */
    struct wait_record ring[RING];
};

static void note_result(struct wait_recorder *r, int ret)
{
    if (ret < 0 && !r->error) {
        r->error = errno ? -errno : ret;
    }
}

static void write_out(struct wait_recorder *r, unsigned *named)
{
    /* Pairs with the release in wait_recorder_add(): records before head are complete, and the
     * sources that they name are there. */
    size_t head = load_acquire(&r->head);
    unsigned nr_sources = load_acquire(&r->nr_sources);

    while (*named < nr_sources) {
        note_result(r, waits_write_source(r->out, &r->waits.sources[(*named)++]));
    }
    for (size_t i = r->tail; i != head; i++) {
        note_result(r, waits_write(r->out, &r->waits, &r->ring[i % RING]));
        store_release(&r->tail, i + 1); /* pairs with the acquire in wait_recorder_add() */
    }
}

static void *writer_main(void *opaque)
{
    struct wait_recorder *r = opaque;
    unsigned named = 0;
    bool stop;

    do {
        while (sem_wait(&r->work) < 0 && errno == EINTR) {
        }
        thread_confine(THREAD_RECORDER, NULL);
        stop = load_acquire(&r->stop); /* before the ring: no wait is missed */
        write_out(r, &named);
    } while (!stop);
    return NULL;
}

static int start_writer(struct wait_recorder *r)
{
    sigset_t old;
    int ret;

    sem_init(&r->work, 0, 0);
    thread_mask_enter(&old);
    ret = pthread_create(&r->writer, NULL, writer_main, r);
    thread_mask_leave(&old);
    if (ret) {
        sem_destroy(&r->work);
    }
    return -ret;
}

int wait_recorder_open(const char *path, const struct poll_policy *policy,
                       struct wait_recorder **out, struct error *err)
{
    struct wait_recorder *r = aligned_alloc(CACHE_LINE, sizeof(*r));
    uint32_t wake_ns = policy->params.wake_ns;
    int ret;

    if (!r) {
        return error_set(err, -ENOMEM, "out of memory to record waits");
    }
    memset(r, 0, sizeof(*r));
    r->policy = policy;
    r->waits.wake_ns = wake_ns ? wake_ns : POLL_WAKE_NS_DEFAULT;
    r->waits.wake_cpu_ns = POLL_WAKE_CPU_NS_DEFAULT;
    r->path = strdup(path);
    if (!r->path) {
        ret = error_set(err, -ENOMEM, "out of memory to record waits");
        goto free_r;
    }
    ret = output_file_open("record", path, &r->out, err);
    if (ret < 0) {
        goto free_path;
    }
    note_result(r, waits_write_header(r->out, &r->waits));
    ret = start_writer(r);
    if (ret < 0) {
        error_set(err, ret, "cannot start a thread to record waits: %s", strerror(-ret));
        goto close;
    }
    *out = r;
    return 0;

close:
    fclose(r->out);
free_path:
    free(r->path);
free_r:
    free(r);
    return ret;
}

static void name_source(struct waits_source *source, const struct aio_handler *h)
{
    snprintf(source->name, sizeof(source->name), "%s", h->name);
    for (char *c = source->name; *c; c++) {
        *c = isgraph((unsigned char)*c) ? *c : '_';
    }
    source->counted = h->source.in_flight;
}

/* A queue that the guest has reset comes back as another handler of the same name. */
static bool same_source(const struct waits_source *a, const struct waits_source *b)
{
    return a->counted == b->counted && !strcmp(a->name, b->name);
}

uint64_t wait_recorder_bit(struct wait_recorder *r, struct aio_handler *h)
{
    struct poll_source *s = &h->source;

    if (!s->record_id) {
        struct waits_source source = {.counted = false};
        unsigned i = 0;

        name_source(&source, h);
        while (i < r->nr_sources && !same_source(&r->waits.sources[i], &source)) {
            i++;
        }
        if (i == WAITS_SOURCES_MAX) {
            return 0;
        }
        s->record_id = i + 1;
        if (i == r->nr_sources) {
            r->waits.sources[i] = source;
            store_release(&r->nr_sources, i + 1); /* pairs with the acquire in write_out() */
        }
    }
    return 1ull << (s->record_id - 1);
}

void wait_recorder_add(struct wait_recorder *r, const struct poll_wait *w, uint64_t ready)
{
    size_t head = r->head, used = head - load_acquire(&r->tail);
    struct wait_record *to = &r->ring[head % RING];
    struct list *pos;

    if (used == RING) {
        r->lost++;
        return;
    }
    *to = (struct wait_record){
        .busy_ns = r->last_end_ns ? w->start_ns - r->last_end_ns : 0,
        .wait_ns = w->end_ns - w->start_ns,
        .polled_ns = w->polled_ns,
        .ready = ready,
        .blocked = w->blocked_ns > 0,
        .off_cpu = w->off_cpu,
    };
    list_for_each(pos, &r->policy->counted)
    {
        struct aio_handler *h = list_entry(pos, struct aio_handler, source.counted_node);

        if (*h->source.in_flight) {
            to->in_flight |= wait_recorder_bit(r, h);
        }
    }
    r->last_end_ns = w->end_ns;
    store_release(&r->head, head + 1);
    /* More than once until it is full: the writer may have looked just before. */
    if (used >= RING / 2 && head % (RING / 8) == 0) {
        sem_post(&r->work);
    }
}

int wait_recorder_close(struct wait_recorder *r, struct error *err)
{
    uint64_t wake_ns = poll_policy_wake_ns(r->policy);
    int ret;

    store_release(&r->stop, true);
    sem_post(&r->work);
    pthread_join(r->writer, NULL);
    if (wake_ns) {
        note_result(r, waits_write_wake_ns(r->out, wake_ns));
    }
    if (r->lost) {
        fprintf(r->out,
                "# %" PRIu64 " waits were lost: they came faster than they could be written\n",
                r->lost);
    }
    note_result(r, ferror(r->out) ? -EIO : 0);
    note_result(r, fclose(r->out));
    ret = r->error;
    if (ret < 0) {
        error_set(err, ret, "record: cannot write '%s', so the waits in it are not complete: %s",
                  r->path, strerror(-ret));
    }
    sem_destroy(&r->work);
    free(r->path);
    free(r);
    return ret;
}
